"""Rates: what the start of a job costs, what a unit of its work costs, and what a unit stores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.config.backends import is_network
from occludenet_build.plan.counts import Yields
from occludenet_build.plan.jobs import KINDS, model_of, unit_of
from occludenet_build.plan.past import Job, Past
from occludenet_build.release.terms import clean_tree, counterfactual_tree

BLOCK = 4096
"""File systems give room in blocks: a small file takes a whole one."""

PLACES: dict[str, tuple[str, ...]] = {
    **{kind.stage: (kind.stage,) for kind in KINDS.values() if kind.stage != "kinetics"},
    "acquire": ("acquire/videos.parquet", "acquire/coco.json"),
    "composite": (
        *("composite", "counterfactual", "{dataset}"),
        *(clean_tree("{dataset}"), counterfactual_tree("{dataset}")),
    ),
    "annotate": ("annotate", "{dataset}/annotations"),
    "logs": ("logs", "benchmarks"),
}
"""Stage -> what it keeps in build_dir."""
_STORES = {
    "logs": "jobs",
    "train": "trainings",
    "evaluate": "predictions",
    "attention": "trainings",  # pictures of some clips, and small tables
}
"""Stage -> the count that drives what it stores, where that is not the unit of its cost."""


def stored_unit(stage: str) -> str:
    """The count that drives what a stage stores."""
    units = {kind.stage: kind.unit for kind in reversed(KINDS.values())}
    return _STORES.get(stage) or units[stage]


@dataclass(frozen=True)
class Rate:
    """What the jobs of a rule cost."""

    start: float
    """CPU seconds of a job without work."""
    each: float
    """CPU seconds of a unit."""
    gpu_each: float
    """GPU seconds of a unit: the wall clock of jobs that had a GPU."""
    rss_mb: float
    model: str | None
    """The backend or backbone that it holds for; None: any."""
    source: str


@dataclass(frozen=True)
class Rates:
    """What is known of earlier builds."""

    rules: dict[str, Rate] = field(default_factory=dict)
    stored: dict[str, float] = field(default_factory=dict)
    """Stage -> bytes of a unit, `stored_unit`."""
    yields: Yields = field(default_factory=Yields)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_gpu() -> bool:
    """Whether there is one that torch's CUDA build would take; asked without loading torch."""
    return Path("/proc/driver/nvidia/version").exists()


def learn(folder: Path) -> Rates:
    """The rates of an earlier build, taken to be this machine's. Raises UserError for no build."""
    past = Past(folder)
    jobs = {rule: past.jobs(rule) for rule in KINDS}
    # no job starts for less than the cheapest of all took, or not for much less
    least = min((job.cpu for some, _ in jobs.values() for job in some), default=0.0)
    models, rules = past.models(), {}
    for rule, (some, share) in jobs.items():
        model = models.get(KINDS[rule].stage)
        done = (past.counts.get(unit_of(rule, model)) or 0) * share
        if done:
            rules[rule] = _rate(rule, some, done, least, model, str(folder))
    stored = {
        stage: used(folder, stage, past.dataset) / units
        for stage in PLACES
        if (units := past.counts.get(stored_unit(stage)))
    }
    return Rates(rules, {stage: size for stage, size in stored.items() if size}, past.yields())


def _rate(
    rule: str, jobs: list[Job], units: float, least: float, model: str | None, source: str
) -> Rate:
    """`units`: of all jobs together; `least`: CPU seconds of a start, where no ledger tells it."""
    cpu, wall = sum(job.cpu for job in jobs), sum(job.wall for job in jobs)
    if all(job.clips for job in jobs):
        worked = sum(_worked(job, min(KINDS[rule].threads, cores())) for job in jobs)
    else:
        worked = max(0.0, cpu - least * len(jobs))
    on_gpu = has_gpu() and is_network(KINDS[rule].stage, model)
    return Rate(
        start=(cpu - worked) / len(jobs),
        each=worked / units,
        gpu_each=wall / units if on_gpu else 0.0,
        rss_mb=max(job.rss_mb for job in jobs),
        model=model,
        source=source,
    )


def _worked(job: Job, workers: int) -> float:
    """CPU seconds of a job that went into its clips, not into its start, which loads libraries in
    one process and then in each worker.

    The ledger has the wall clock of each clip. A worker's first clip also loads libraries: as many
    clips as there are workers, those that took longest for their pixels, do not count.
    """
    ordered = sorted(job.clips, key=lambda clip: clip[1] / clip[0])
    usual = ordered[: max(1, len(ordered) - workers)]
    each = sum(seconds for _, seconds in usual) / sum(pixels for pixels, _ in usual)
    busy = min(each * sum(pixels for pixels, _ in ordered), workers * job.wall)
    starting = (job.wall - busy / workers) * (1 + workers) / 2
    return job.cpu * busy / (busy + starting) if busy else 0.0


def holds(rule: str, rate: Rate, config: Config) -> bool:
    """Whether a rate was learned with the backend or backbone of a configuration."""
    return rate.model in (None, model_of(KINDS[rule].stage, config))


def merged(several: Sequence[Rates], config: Config) -> Rates:
    """Of each rule the first rate that holds for these settings, else the first."""
    rules: dict[str, Rate] = {}
    stored: dict[str, float] = {}
    for rates in reversed(several):
        rules |= {n: r for n, r in rates.rules.items() if n not in rules or holds(n, r, config)}
        stored |= rates.stored
    yields = next((r.yields for r in several if r.yields.usable is not None), Yields())
    return Rates(rules, stored, yields)


def used(build: Path, stage: str, dataset: str) -> int:
    """Bytes on disk of a stage of a build; composite's without annotate's part of its folder."""
    places = [build / name.format(dataset=dataset) for name in PLACES[stage]]
    inside = size(build / dataset / "annotations") if stage == "composite" else 0
    return sum(map(size, places)) - inside


def size(place: Path) -> int:
    """Bytes that a file or folder takes, in whole blocks; links count nothing."""
    if place.is_symlink() or not place.exists():
        return 0
    files = [place] if place.is_file() else place.rglob("*")
    return sum(
        -(-path.lstat().st_size // BLOCK) * BLOCK
        for path in files
        if path.is_file() and not path.is_symlink()
    )
