"""The differences of two builds as text, and for JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occludenet_build.tools.diff.causes import Cause
from occludenet_build.tools.diff.clips import Change
from occludenet_build.tools.diff.metrics import Moved
from occludenet_build.tools.diff.settings import Difference

_EXAMPLES = 3
"""Clips that are named per cause; the JSON has all."""
_MOST_METRICS = 40
"""Metrics that are listed; the JSON has all."""


@dataclass(frozen=True)
class Differences:
    """All that differs between two builds."""

    here: Path
    there: Path
    origins: tuple[str, str]
    """Where the settings of BUILD_A and BUILD_B are from, as settings.Recorded.origin."""
    settings: Sequence[Difference]
    versions: Sequence[Difference]
    counts: tuple[int, int]
    """Finished clips of BUILD_A and BUILD_B."""
    clips: Sequence[tuple[Change, Cause]]
    metrics: Sequence[Moved]

    @property
    def none(self) -> bool:
        """Whether nothing differs."""
        return not (self.settings or self.versions or self.clips or self.metrics)


def lines(found: Differences) -> Iterator[str]:
    """The differences as lines."""
    yield f"BUILD_A: {found.here}"
    yield f"BUILD_B: {found.there}"
    yield from _settings(found)
    yield from _clips(found)
    yield from _metrics(found)


def _settings(found: Differences) -> Iterator[str]:
    for name, origin in zip(("BUILD_A", "BUILD_B"), found.origins, strict=True):
        if origin != "settings.json":
            rest = {
                "snakemake": "known from .snakemake, of the stages that have run",
                "nothing": "not recorded; the next start of the workflow writes settings.json",
            }
            yield f"settings of {name}: {rest[origin]}"
    for title, parts in (("settings", found.settings), ("versions", found.versions)):
        yield f"{title}: {len(parts)} differ" if parts else f"{title}: none differ"
        yield from (f"  {part}" for part in parts)


def _clips(found: Differences) -> Iterator[str]:
    totals: dict[str, int] = defaultdict(int)
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for change, why in found.clips:
        totals[change.change] += 1
        groups[change.change, why.stage, str(why)].append(change.clip)
    names = ("added", "dropped", "changed")
    said = ", ".join(f"{totals[name]:,} {name}" for name in names)
    yield f"clips: {found.counts[0]:,} in BUILD_A, {found.counts[1]:,} in BUILD_B: {said}"
    for (how, stage, cause), clips in sorted(groups.items(), key=lambda g: (-len(g[1]), g[0])):
        more = ", ..." if len(clips) > _EXAMPLES else ""
        yield f"  {len(clips):,} {how} at {stage}: {cause}"
        yield f"    {', '.join(clips[:_EXAMPLES])}{more}"


def _metrics(found: Differences) -> Iterator[str]:
    yield f"metrics: {len(found.metrics)} differ" if found.metrics else "metrics: none differ"
    for one in found.metrics[:_MOST_METRICS]:
        if not one.set:
            yield f"  {one.model}: {one.because[0]}"
            continue
        chance = {True: ", more than chance", False: ", within chance", None: ""}
        values = f"{_percent(one.here)} -> {_percent(one.there)}"
        yield f"  {one.model} {one.set} {one.metric}: {values}{chance[one.beyond_chance]}"
    if len(found.metrics) > _MOST_METRICS:
        yield f"  and {len(found.metrics) - _MOST_METRICS} more; --json lists them"
    for reason in dict.fromkeys(r for one in found.metrics if one.set for r in one.because):
        yield f"  because: {reason}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def values(found: Differences) -> dict[str, Any]:
    """The differences for JSON."""
    return {
        "build_a": str(found.here),
        "build_b": str(found.there),
        "same": found.none,
        "settings_from": list(found.origins),
        "settings": [vars(one) for one in found.settings],
        "versions": [vars(one) for one in found.versions],
        "clips": {"build_a": found.counts[0], "build_b": found.counts[1]},
        "changes": [
            {"clip": change.clip, "change": change.change, "split": change.split} | vars(cause)
            for change, cause in found.clips
        ],
        "metrics": [vars(one) for one in found.metrics],
    }
