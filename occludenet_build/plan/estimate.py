"""Counts times rates: what each rule and stage costs, and the table that people read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from occludenet_build.config import Config
from occludenet_build.plan.counts import Counts
from occludenet_build.plan.disk import Disk, shown
from occludenet_build.plan.fetch import Fetch
from occludenet_build.plan.jobs import KINDS, TARGETS, jobs_of, model_of, unit_of, uses_gpu
from occludenet_build.plan.rates import Rate, Rates, holds, stored_unit


@dataclass(frozen=True)
class Cost:
    """Of a rule; None: not known."""

    rule: str
    stage: str
    jobs: int
    unit: str
    units: float | None
    cpu_seconds: float | None
    gpu_seconds: float | None
    rss_mb: float | None
    """Of its largest job."""
    source: str
    """The build that its rate comes from, or why there is none."""


@dataclass(frozen=True)
class Estimate:
    """All rules of a target."""

    costs: list[Cost]
    stored: dict[str, float | None]
    """Bytes by stage."""
    cpu_seconds: float
    """Of what is known."""
    gpu_seconds: float
    unknown: list[str]
    """Rules without a rate: the totals are at least so much."""


def estimate(config: Config, counts: Counts, rates: Rates, target: str = "all") -> Estimate:
    """What the counts of a configuration cost at these rates."""
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
        return Cost(rule, stage, jobs, unit, units, None, None, None, "its items are not known")
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
"""Stage -> (the count that is shown, what it counts)."""
_ROW = "{:<13}{:>22}{:>6}{:>11}{:>11}{:>12}{:>12}{:>11}"


def table(
    counts: Counts, whole: Estimate, fetches: Sequence[Fetch], disks: Sequence[Disk], cores: int
) -> str:
    """The plan as text, a row per stage."""
    rows = [_ROW.format("stage", "items", "jobs", "CPU", "GPU", "to fetch", "stored", "memory")]
    for stage in dict.fromkeys(cost.stage for cost in whole.costs):
        rows.append(_row(stage, counts, whole, fetches))
    if any(fetch.stage == "segments" for fetch in fetches):
        size = _fetched("segments", fetches)
        rows.append(_ROW.format("segments", "own target", "?", "?", "?", size, "?", "?"))
    rows += ["", *_totals(whole, fetches, cores), *(disk.line() for disk in disks)]
    return "\n".join(rows) + "\n"


def _row(stage: str, counts: Counts, whole: Estimate, fetches: Sequence[Fetch]) -> str:
    costs = [cost for cost in whole.costs if cost.stage == stage]
    name, noun = _ITEMS[stage]
    gpu = _total(cost.gpu_seconds for cost in costs)
    memory = max((cost.rss_mb or 0.0 for cost in costs), default=0.0)
    return _ROW.format(
        stage,
        f"{number(counts.get(name))} {noun}",
        sum(cost.jobs for cost in costs),
        duration(_total(cost.cpu_seconds for cost in costs)),
        "-" if gpu == 0 else duration(gpu),
        _fetched(stage, fetches),
        shown(whole.stored.get(stage)),
        shown(memory * 2**20) if memory else "?",
    )


def _fetched(stage: str, fetches: Sequence[Fetch]) -> str:
    mine = [fetch.bytes for fetch in fetches if fetch.stage == stage]
    return shown(_total(mine)) if mine else "-"


def _total(values: Iterable[float | None]) -> float | None:
    """The sum; None where a part of it is not known."""
    parts = list(values)
    return None if None in parts else sum(part for part in parts if part is not None)


def number(value: float | None) -> str:
    """With commas; `?` where it is not known."""
    return "?" if value is None else f"{value:,.0f}"


def duration(seconds: float | None) -> str:
    """
    >>> duration(None), duration(4.24), duration(300), duration(90_000)
    ('?', '4.2 s', '5.0 min', '25.0 h')
    """
    if seconds is None:
        return "?"
    for unit, length, most in (("s", 1, 120), ("min", 60, 120)):
        if seconds / length < most:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds / 3600:,.1f} h"


def _totals(whole: Estimate, fetches: Sequence[Fetch], cores: int) -> Iterator[str]:
    least = "at least " if whole.unknown else ""
    if len(whole.unknown) == len(whole.costs):
        yield "CPU ?, GPU ?, stored ?"
    else:
        shared = duration(whole.cpu_seconds / cores)
        yield f"CPU {least}{duration(whole.cpu_seconds)}, GPU {least}{duration(whole.gpu_seconds)}"
        yield f"the CPU time shared by {cores} cores: {least}{shared}"
        yield f"stored {least}{shown(sum(size or 0 for size in whole.stored.values()))}"
    if fetches:
        sizes = [fetch.bytes for fetch in fetches]
        some = "at least " if None in sizes else ""
        yield f"to fetch {some}{shown(sum(size or 0 for size in sizes))}"
    reasons: dict[str, list[str]] = {}
    for cost in whole.costs:
        if cost.cpu_seconds is None:
            reasons.setdefault(cost.source, []).append(cost.rule)
    for reason, rules in reasons.items():
        yield f"? {reason}: {', '.join(rules)}"
