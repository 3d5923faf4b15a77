"""Estimates: counts times rates, required and free disk space, and the table of the plan."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.config.backends import is_network
from occludenet_build.core.quantities import byte_text, duration
from occludenet_build.tools.plan.counts import KINDS, TARGETS, Counts, jobs_of, model_of, unit_of
from occludenet_build.tools.plan.fetch import Fetch
from occludenet_build.tools.plan.rates import Rate, Rates, stored_unit


@dataclass(frozen=True)
class Disk:
    """A file system that a build writes to."""

    folders: list[str]
    """Folders of the build on it."""
    wanted: int
    """Bytes that the build still needs on it, at the time of the largest use."""
    complete: bool
    """False: some sizes are not known, so that `wanted` is a lower bound."""
    free: int
    """Free bytes."""

    @property
    def has_room(self) -> bool:
        """Whether the free space is sufficient for `wanted`."""
        return self.wanted <= self.free

    def line(self) -> str:
        """The line of the plan about this file system."""
        room = "has room" if self.has_room else "does NOT have room"
        known = " for the known sizes" if self.has_room and not self.complete else ""
        where, least = ", ".join(self.folders), "" if self.complete else "at least "
        needed, free = byte_text(self.wanted), byte_text(self.free)
        return f"{where}: {least}{needed} needed, {free} free: {room}{known}"


def download_space(config: Config, fetches: Sequence[Fetch]) -> int:
    """Bytes of downloads with a known size, at the time of the largest use.

    The content of an archive is as large as the archive, because videos do not compress. Unless
    archives are kept, those being downloaded or unpacked at the same time need temporary space.
    """
    archives = sorted((f.bytes or 0 for f in fetches if f.archive), reverse=True)
    plain = sum(fetch.bytes or 0 for fetch in fetches if not fetch.archive)
    there = archives if config.kinetics.keep_archives else archives[: config.download.parallel]
    return plain + sum(archives) + sum(there)


def disks(
    config: Config, stored: float, stored_known: bool, fetches: Sequence[Fetch], present: int
) -> list[Disk]:
    """The file systems of build_dir and download.folder.

    `stored`: bytes that the build stores; `present`: bytes of it that already exist.
    """
    known = all(fetch.bytes is not None for fetch in fetches)
    requirements = [
        (config.build_dir, max(0, round(stored) - present), stored_known),
        (config.download.folder or config.build_dir, download_space(config, fetches), known),
    ]
    by_device: dict[int, list[tuple[str, int, bool]]] = defaultdict(list)
    for part in requirements:
        by_device[_existing(part[0]).stat().st_dev].append(part)
    found = []
    for parts in by_device.values():
        folders, sizes, complete = zip(*parts, strict=True)
        free = shutil.disk_usage(_existing(folders[0])).free
        found.append(Disk(list(dict.fromkeys(folders)), sum(sizes), all(complete), free))
    return found


def _existing(folder: str) -> Path:
    """The folder, or its nearest parent that exists."""
    path = Path(folder).absolute()
    return next(place for place in (path, *path.parents) if place.exists())


@dataclass(frozen=True)
class Cost:
    """Estimated cost of a rule; None: not known."""

    rule: str
    stage: str
    jobs: int
    unit: str
    units: float | None
    problem: str = ""
    """Why the cost is not known."""
    cpu_seconds: float | None = None
    gpu_seconds: float | None = None
    rss_mb: float | None = None
    """Maximum resident memory of a job, MiB."""


@dataclass(frozen=True)
class Estimate:
    """Estimated costs of all rules of a target."""

    costs: list[Cost]
    stored: dict[str, float | None]
    """Stage -> stored bytes."""
    cpu_seconds: float
    """Sum over the rules with a rate."""
    gpu_seconds: float
    """Sum over the rules with a rate."""
    unknown: list[str]
    """Rules without a rate; the totals are then lower bounds."""


def estimate(config: Config, counts: Counts, rates: Rates, target: str = "all") -> Estimate:
    """Estimate the cost of a configuration from its counts and the rates."""
    rules = [rule for rule in TARGETS[target] if jobs_of(rule, config)]
    costs = [_cost(rule, config, counts, rates.rules.get(rule)) for rule in rules]
    stages = {"logs", *(cost.stage for cost in costs)}
    stored = {
        stage: None if (units := counts[stored_unit(stage)]) is None else each * units
        for stage, each in rates.stored.items()
        if stage in stages
    }
    return Estimate(
        costs,
        stored,
        sum(cost.cpu_seconds or 0.0 for cost in costs),
        sum(cost.gpu_seconds or 0.0 for cost in costs),
        [cost.rule for cost in costs if cost.cpu_seconds is None],
    )


def _cost(rule: str, config: Config, counts: Counts, rate: Rate | None) -> Cost:
    stage, jobs = KINDS[rule].stage, jobs_of(rule, config)
    model = model_of(stage, config)
    unit = unit_of(rule, model)
    units = counts[unit]
    if rate is None:
        return Cost(rule, stage, jobs, unit, units, "no rate")
    if rate.model not in (None, model):
        problem = f"the rate is of other settings: {rate.model}"
        return Cost(rule, stage, jobs, unit, units, problem)
    if units is None:
        return Cost(rule, stage, jobs, unit, units, "unknown number of items")
    runs = KINDS[rule].network_stage
    device = getattr(getattr(config, runs, None), "device", "cpu")
    on_gpu = is_network(runs, model) and device != "cpu"
    cpu, gpu = rate.start * jobs + rate.each * units, rate.gpu_each * units if on_gpu else 0.0
    return Cost(rule, stage, jobs, unit, units, "", cpu, gpu, rate.rss_mb)


_ROW = "{:<13}{:>22}{:>6}{:>11}{:>11}{:>12}{:>12}{:>11}"


def table(
    counts: Counts, costs: Estimate, fetches: Sequence[Fetch], disks: Sequence[Disk], cores: int
) -> str:
    """The plan as text, one row per stage."""
    rows = [_ROW.format("stage", "items", "jobs", "CPU", "GPU", "to fetch", "stored", "memory")]
    for stage in dict.fromkeys(cost.stage for cost in costs.costs):
        rows.append(_row(stage, counts, costs, fetches))
    rows += ["", *_totals(costs, fetches, cores), *(disk.line() for disk in disks)]
    return "\n".join(rows) + "\n"


def _row(stage: str, counts: Counts, estimate: Estimate, fetches: Sequence[Fetch]) -> str:
    costs = [cost for cost in estimate.costs if cost.stage == stage]
    name, noun = KINDS[costs[0].rule].items.split()
    items = "?" if counts[name] is None else f"{counts[name]:,.0f}"
    sizes = [fetch.bytes for fetch in fetches if fetch.stage == stage]
    gpu, memory = _total(cost.gpu_seconds for cost in costs), [cost.rss_mb or 0.0 for cost in costs]
    return _ROW.format(
        stage,
        f"{items} {noun}",
        sum(cost.jobs for cost in costs),
        duration(_total(cost.cpu_seconds for cost in costs)),
        "-" if gpu == 0 else duration(gpu),
        byte_text(_total(sizes)) if sizes else "-",
        byte_text(estimate.stored.get(stage)),
        byte_text(max(memory) * 2**20 or None),
    )


def _total(values: Iterable[float | None]) -> float | None:
    """The sum; None if a value is not known."""
    parts = list(values)
    return None if None in parts else sum(part for part in parts if part is not None)


def _totals(estimate: Estimate, fetches: Sequence[Fetch], cores: int) -> Iterator[str]:
    least = "at least " if estimate.unknown else ""
    if len(estimate.unknown) == len(estimate.costs):
        yield "CPU ?, GPU ?, stored ?"
    else:
        cpu, gpu = duration(estimate.cpu_seconds), duration(estimate.gpu_seconds)
        yield f"CPU {least}{cpu}, GPU {least}{gpu}"
        yield f"CPU time divided by {cores} cores: {least}{duration(estimate.cpu_seconds / cores)}"
        yield f"stored {least}{byte_text(sum(size or 0 for size in estimate.stored.values()))}"
    if fetches:
        some = "at least " if any(fetch.bytes is None for fetch in fetches) else ""
        yield f"to fetch {some}{byte_text(sum(fetch.bytes or 0 for fetch in fetches))}"
    unknown = [cost for cost in estimate.costs if cost.cpu_seconds is None]
    for problem in dict.fromkeys(cost.problem for cost in unknown):
        yield f"? {problem}: {', '.join(c.rule for c in unknown if c.problem == problem)}"
