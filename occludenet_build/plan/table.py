"""A plan as people read it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from occludenet_build.plan.counts import Counts
from occludenet_build.plan.disk import Disk, shown
from occludenet_build.plan.estimate import Cost, Estimate
from occludenet_build.plan.fetch import Fetch
from occludenet_build.plan.rules import RULES

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
"""Room -> (the count that is shown, what it counts)."""
_ROW = "{:<13}{:>22}{:>6}{:>11}{:>11}{:>12}{:>12}{:>11}"


def text(
    counts: Counts, whole: Estimate, fetches: Sequence[Fetch], disks: Sequence[Disk], cores: int
) -> str:
    rows = [_ROW.format("room", "items", "jobs", "CPU", "GPU", "to fetch", "stored", "memory")]
    rows += _rooms(counts, whole, fetches)
    rows += ["", *_totals(whole, fetches, cores), *(disk.line() for disk in disks)]
    return "\n".join(rows) + "\n"


def _rooms(counts: Counts, whole: Estimate, fetches: Sequence[Fetch]) -> Iterator[str]:
    rooms: dict[str, list[Cost]] = defaultdict(list)
    for cost in whole.costs:
        rooms[RULES[cost.rule].room].append(cost)
    for room, costs in rooms.items():
        name, noun = _ITEMS[room]
        cpu = total(cost.cpu_seconds for cost in costs)
        gpu = total(cost.gpu_seconds for cost in costs)
        memory = max((cost.rss_mb or 0.0 for cost in costs), default=0.0)
        yield _ROW.format(
            room,
            f"{number(counts.get(name))} {noun}",
            sum(cost.jobs for cost in costs),
            duration(cpu),
            "-" if gpu == 0 else duration(gpu),
            _fetched(room, fetches),
            shown(_stored(room, whole)),
            shown(memory * 2**20) if memory else "?",
        )
    for room in ("segments",):
        if any(fetch.room == room for fetch in fetches):
            yield _ROW.format(room, "own target", "?", "?", "?", _fetched(room, fetches), "?", "?")


def _stored(room: str, whole: Estimate) -> float | None:
    parts = ["composite", "counterfactual"] if room == "composite" else [room]
    return total(whole.stored.get(part) for part in parts)


def _fetched(room: str, fetches: Sequence[Fetch]) -> str:
    mine = [fetch.bytes for fetch in fetches if fetch.room == room]
    return shown(total(mine)) if mine else "-"


def total(values: Iterable[float | None]) -> float | None:
    """The sum; None where a part of it is not known."""
    whole = 0.0
    for value in values:
        if value is None:
            return None
        whole += value
    return whole


def number(value: float | None) -> str:
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
        yield "CPU ?, GPU ?, wall clock ?, stored ?"
    else:
        known = sum(size or 0 for size in whole.stored.values())
        yield f"CPU {least}{duration(whole.cpu_seconds)}, GPU {least}{duration(whole.gpu_seconds)}"
        yield f"wall clock on {cores} cores: {least}{duration(whole.wall_seconds)}"
        yield f"stored {least}{shown(known)}"
    if fetches:
        sizes = [fetch.bytes for fetch in fetches]
        some = "at least " if None in sizes else ""
        yield f"to fetch {some}{shown(sum(size or 0 for size in sizes))}"
    yield from _why(whole)


def _why(whole: Estimate) -> Iterator[str]:
    """A line for each reason why something is not known."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for cost in whole.costs:
        if cost.cpu_seconds is None:
            reasons[cost.source].append(cost.rule)
    for reason, rules in reasons.items():
        yield f"? {reason}: {', '.join(rules)}"
