"""Rates: what a job's start costs, and what a unit of its work; fitted to builds, saved, read."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.core import files
from occludenet_build.core.errors import UserError
from occludenet_build.plan import storage
from occludenet_build.plan.build import Build, Job
from occludenet_build.plan.counts import Yields
from occludenet_build.plan.fit import Line, line, through
from occludenet_build.plan.rules import RULES, kind_of, may_use_gpu, unit_of

FORMAT = 1


@dataclass(frozen=True)
class Rate:
    unit: str
    cpu: Line
    """CPU seconds."""
    wall: Line
    """Seconds, with `threads`."""
    threads: int
    rss_mb: float
    kind: dict[str, str]
    """The settings it holds for, as far as they are known; see `rules.kind_of`."""
    gpu: bool
    """Its jobs had a GPU."""
    jobs: int
    source: str


@dataclass(frozen=True)
class Rates:
    rules: dict[str, Rate] = field(default_factory=dict)
    stored: dict[str, storage.Stored] = field(default_factory=dict)
    yields: Yields = field(default_factory=Yields)
    start_cpu: float | None = None
    """Snakemake's own CPU seconds, to its first job; None: not measured."""
    start_wall: float | None = None
    job_cpu: float = 0.0
    """Snakemake's own CPU seconds for each job."""
    job_wall: float = 0.0
    machine: dict[str, Any] = field(default_factory=dict)
    date: str = ""


def this_machine() -> dict[str, Any]:
    """What rates depend on."""
    return {"cpu": _cpu_model(), "cores": cores(), "gpu": has_gpu(), "system": platform.system()}


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_gpu() -> bool:
    """Whether there is one that torch's CUDA build would take; asked without loading torch."""
    return Path("/proc/driver/nvidia/version").exists()


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    names = (row.partition(":")[2].strip() for row in text.splitlines() if "model name" in row)
    return next(names, platform.machine())


def learn(
    builds: Sequence[Build], source: str, kinds: Mapping[str, dict[str, str]] | None = None
) -> Rates:
    """The rates of one or more builds, which are taken to be this machine's.

    What they predict of these builds as a whole is what those cost. `kinds`: the settings of the
    rules, where they are known; else what the builds' tables name.
    """
    rules = {}
    # no job starts for less than the cheapest of all took, or not for much less
    least = min((job.cpu for build in builds for job in build.jobs), default=0.0)
    for rule in RULES:
        jobs = [job for build in builds for job in build.jobs if job.rule == rule]
        kind = (kinds or {}).get(rule) or next(
            (build.kinds[rule] for build in builds if rule in build.kinds), {}
        )
        if jobs:
            rules[rule] = _rate(rule, jobs, kind, source, least)
    largest = max(builds, key=lambda build: build.counts["videos"] or 0)
    return Rates(
        rules, storage.learn(builds), largest.yields, machine=this_machine(), date=_today()
    )


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _rate(rule: str, jobs: list[Job], kind: dict[str, str], source: str, least: float) -> Rate:
    threads = min(RULES[rule].threads, cores())
    if all(job.clips for job in jobs):
        cpu, wall = _by_ledger(jobs, threads)
    else:
        cpu = line([(job.units, job.cpu) for job in jobs], least)
        wall = cpu.times(sum(job.wall for job in jobs) / sum(job.cpu for job in jobs))
    rss = max(job.rss_mb for job in jobs)
    backend = kind.get("backend")
    gpu = has_gpu() and may_use_gpu(rule, backend)
    return Rate(unit_of(rule, backend), cpu, wall, threads, rss, kind, gpu, len(jobs), source)


def _by_ledger(jobs: list[Job], workers: int) -> tuple[Line, Line]:
    """(CPU, wall clock): the ledger knows the seconds of each clip, the rest is the start's.

    Each worker's first clip also loads libraries: as many clips as there are workers, those that
    took longest for their units, tell nothing of the others.
    """
    usual = [pair for job in jobs for pair in _usual(job.clips, workers)]
    each = sum(seconds for _, seconds in usual) / sum(units for units, _ in usual)
    busy = [min(each * job.units, workers * job.wall) for job in jobs]
    rest = [job.wall - seconds / workers for job, seconds in zip(jobs, busy, strict=True)]
    # the start loads libraries in one process, then in each worker
    starting = [left * (1 + workers) / 2 for left in rest]
    worked = sum(
        job.cpu * seconds / (seconds + left)
        for job, seconds, left in zip(jobs, busy, starting, strict=True)
    )
    units = sum(job.units for job in jobs)
    cpu = through([(job.units, job.cpu) for job in jobs], worked / units)
    return cpu, through([(job.units, job.wall) for job in jobs], sum(busy) / workers / units)


def _usual(clips: list[tuple[float, float]], workers: int) -> list[tuple[float, float]]:
    ordered = sorted(clips, key=lambda clip: clip[1] / clip[0])
    return ordered[: max(1, len(ordered) - workers)]


def merged(several: Sequence[Rates], config: Config) -> Rates:
    """Of each thing what the first says that knows it, and knows it for these settings."""
    timed = next((rates for rates in several if rates.start_cpu is not None), several[0])
    yields = next((r.yields for r in several if r.yields.usable is not None), Yields())
    rules: dict[str, Rate] = {}
    stored: dict[str, storage.Stored] = {}
    for rates in reversed(several):
        rules |= {n: r for n, r in rates.rules.items() if n not in rules or holds(n, r, config)}
        stored |= rates.stored
    return dataclasses.replace(timed, rules=rules, stored=stored, yields=yields)


def holds(rule: str, rate: Rate, config: Config) -> bool:
    """Whether a rate was learned with the settings that decide what a unit costs."""
    wanted = kind_of(rule, config)
    return all(wanted.get(name, value) == value for name, value in rate.kind.items())


def save(rates: Rates, path: Path) -> None:
    files.write_json(path, {"format": FORMAT} | dataclasses.asdict(rates))


def load(path: Path) -> Rates:
    """Raises UserError where the file is none of `save`."""
    try:
        values = json.loads(path.read_text())
        if values.pop("format") != FORMAT:
            raise KeyError("format")
        values["rules"] = {name: _rate_of(rate) for name, rate in values["rules"].items()}
        values["stored"] = {n: storage.of_json(stored) for n, stored in values["stored"].items()}
        values["yields"] = Yields(**values["yields"])
        return Rates(**values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"--rates: wanted a JSON file of --save-rates, {path} is none ({error!r})"
        ) from error


def _rate_of(values: dict[str, Any]) -> Rate:
    lines = {name: Line(**values[name]) for name in ("cpu", "wall")}
    return Rate(**(values | lines))
