"""Estimates: counts times rates, required and free disk space, and the table of the plan."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.tools.plan.counts import (
    KINDS,
    TARGETS,
    Counts,
    jobs_of,
    model_of,
    unit_of,
    uses_gpu,
)
from occludenet_build.tools.plan.fetch import Fetch
from occludenet_build.tools.plan.rates import Rate, Rates, holds, stored_unit


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
        least = "" if self.complete else "at least "
        verdict = "has room" if self.has_room else "does NOT have room"
        if self.has_room and not self.complete:
            verdict = "has room for the known sizes"
        where = ", ".join(self.folders)
        needed, free = byte_text(self.wanted), byte_text(self.free)
        return f"{where}: {least}{needed} needed, {free} free: {verdict}"


def byte_text(number: float | None) -> str:
    """Format a number of bytes; `?` for None.

    >>> byte_text(None), byte_text(512), byte_text(1536), byte_text(3 * 2**30)
    ('?', '512 B', '1.5 KiB', '3.0 GiB')
    """
    if number is None:
        return "?"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(number) < 1024:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def download_space(config: Config, fetches: Sequence[Fetch]) -> tuple[int, int, bool]:
    """(bytes of downloads that remain, additional temporary bytes, whether all sizes are known).

    The content of an archive is as large as the archive, because videos do not compress. Unless
    archives are kept, those being downloaded or unpacked at the same time need temporary space.
    """
    archives = [fetch.bytes or 0 for fetch in fetches if fetch.archive]
    plain = sum(fetch.bytes or 0 for fetch in fetches if not fetch.archive)
    concurrent = sorted(archives, reverse=True)[: config.download.parallel]
    kept = sum(archives) if config.kinetics.keep_archives else 0
    known = all(fetch.bytes is not None for fetch in fetches)
    return plain + sum(archives) + kept, 0 if kept else sum(concurrent), known


def disks(
    config: Config, stored: int, stored_known: bool, fetches: Sequence[Fetch], present: int
) -> list[Disk]:
    """The file systems of build_dir and download.folder.

    `stored`: bytes that the build stores; `present`: bytes of it that already exist.
    """
    build = Path(config.build_dir)
    fetched = Path(config.download.folder) if config.download.folder else build
    remaining, temporary, known = download_space(config, fetches)
    requirements = [
        (build, max(0, stored - present), stored_known),
        (fetched, remaining + temporary, known),
    ]
    by_device: dict[int, list[tuple[Path, int, bool]]] = defaultdict(list)
    for folder, wanted, complete in requirements:
        by_device[_existing(folder).stat().st_dev].append((folder, wanted, complete))
    return [
        Disk(
            list(dict.fromkeys(str(folder) for folder, *_ in parts)),
            sum(wanted for _, wanted, _ in parts),
            all(complete for *_, complete in parts),
            shutil.disk_usage(_existing(parts[0][0])).free,
        )
        for parts in by_device.values()
    ]


def _existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())


@dataclass(frozen=True)
class Cost:
    """Estimated cost of a rule; None: not known."""

    rule: str
    stage: str
    jobs: int
    unit: str
    units: float | None
    cpu_seconds: float | None
    gpu_seconds: float | None
    rss_mb: float | None
    """Maximum resident memory of a job, MiB."""
    source: str
    """The build from which the rate was learned, or why there is none."""


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
    costs = [
        _cost(rule, config, counts, rates.rules.get(rule))
        for rule in TARGETS[target]
        if jobs_of(rule, config)
    ]
    left_out = {kind.stage for rule, kind in KINDS.items() if rule not in TARGETS[target]}
    stored = {
        stage: None if (units := counts.get(stored_unit(stage))) is None else each * units
        for stage, each in rates.stored.items()
        if stage not in left_out
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
    unit = unit_of(rule, model_of(stage, config))
    units = counts.get(unit)
    if rate is None:
        return Cost(rule, stage, jobs, unit, units, None, None, None, "no rate")
    if not holds(rule, rate, config):
        why = f"the rate is of other settings: {rate.model}"
        return Cost(rule, stage, jobs, unit, units, None, None, None, why)
    if units is None:
        return Cost(rule, stage, jobs, unit, units, None, None, None, "unknown number of items")
    cpu = rate.start * jobs + rate.each * units
    gpu = rate.gpu_each * units if uses_gpu(stage, config) else 0.0
    return Cost(rule, stage, jobs, unit, units, cpu, gpu, rate.rss_mb, rate.source)


_ITEMS = {
    "kinetics": ("fetched_clips", "clips"),
    "acquire": ("videos", "videos"),
    "index": ("videos", "videos"),
    "detect": ("candidates", "videos"),
    "occluders": ("objects", "objects"),
    "select": ("candidates", "videos"),
    "leaks": ("chosen", "clips"),
    "actor_masks": ("actor_frames", "frames"),
    "composite": ("clips_made", "clips"),
    "annotate": ("truth_rows", "rows"),
    "validate": ("released", "clips"),
    "train": ("steps", "steps"),
    "evaluate": ("predictions", "predictions"),
    "attention": ("attended", "maps"),
    "paper": ("one", "set"),
    "report": ("one", "page"),
}
"""Stage -> (count in the table, its noun)."""
_ROW = "{:<13}{:>22}{:>6}{:>11}{:>11}{:>12}{:>12}{:>11}"


def table(
    counts: Counts, costs: Estimate, fetches: Sequence[Fetch], disks: Sequence[Disk], cores: int
) -> str:
    """The plan as text, one row per stage."""
    rows = [_ROW.format("stage", "items", "jobs", "CPU", "GPU", "to fetch", "stored", "memory")]
    for stage in dict.fromkeys(cost.stage for cost in costs.costs):
        rows.append(_row(stage, counts, costs, fetches))
    if any(fetch.stage == "segments" for fetch in fetches):
        size = _fetched("segments", fetches)
        rows.append(_ROW.format("segments", "own target", "?", "?", "?", size, "?", "?"))
    rows += ["", *_totals(costs, fetches, cores), *(disk.line() for disk in disks)]
    return "\n".join(rows) + "\n"


def _row(stage: str, counts: Counts, estimate: Estimate, fetches: Sequence[Fetch]) -> str:
    costs = [cost for cost in estimate.costs if cost.stage == stage]
    name, noun = _ITEMS[stage]
    gpu = _total(cost.gpu_seconds for cost in costs)
    memory = max((cost.rss_mb or 0.0 for cost in costs), default=0.0)
    return _ROW.format(
        stage,
        f"{_count_text(counts.get(name))} {noun}",
        sum(cost.jobs for cost in costs),
        duration(_total(cost.cpu_seconds for cost in costs)),
        "-" if gpu == 0 else duration(gpu),
        _fetched(stage, fetches),
        byte_text(estimate.stored.get(stage)),
        byte_text(memory * 2**20) if memory else "?",
    )


def _fetched(stage: str, fetches: Sequence[Fetch]) -> str:
    sizes = [fetch.bytes for fetch in fetches if fetch.stage == stage]
    return byte_text(_total(sizes)) if sizes else "-"


def _total(values: Iterable[float | None]) -> float | None:
    """The sum; None if a value is not known."""
    parts = list(values)
    return None if None in parts else sum(part for part in parts if part is not None)


def _count_text(value: float | None) -> str:
    """Format a count with thousands separators; `?` for None."""
    return "?" if value is None else f"{value:,.0f}"


def duration(seconds: float | None) -> str:
    """Format a duration in seconds; `?` for None.

    >>> duration(None), duration(4.24), duration(300), duration(90_000)
    ('?', '4.2 s', '5.0 min', '25.0 h')
    """
    if seconds is None:
        return "?"
    for unit, length, most in (("s", 1, 120), ("min", 60, 120)):
        if seconds / length < most:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds / 3600:,.1f} h"


def _totals(estimate: Estimate, fetches: Sequence[Fetch], cores: int) -> Iterator[str]:
    least = "at least " if estimate.unknown else ""
    if len(estimate.unknown) == len(estimate.costs):
        yield "CPU ?, GPU ?, stored ?"
    else:
        shared = duration(estimate.cpu_seconds / cores)
        cpu, gpu = duration(estimate.cpu_seconds), duration(estimate.gpu_seconds)
        yield f"CPU {least}{cpu}, GPU {least}{gpu}"
        yield f"CPU time divided by {cores} cores: {least}{shared}"
        yield f"stored {least}{byte_text(sum(size or 0 for size in estimate.stored.values()))}"
    if fetches:
        sizes = [fetch.bytes for fetch in fetches]
        some = "at least " if None in sizes else ""
        yield f"to fetch {some}{byte_text(sum(size or 0 for size in sizes))}"
    reasons: dict[str, list[str]] = {}
    for cost in estimate.costs:
        if cost.cpu_seconds is None:
            reasons.setdefault(cost.source, []).append(cost.rule)
    for reason, rules in reasons.items():
        yield f"? {reason}: {', '.join(rules)}"
