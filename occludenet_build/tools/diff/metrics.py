"""Metrics of two builds: which moved, by more than chance, and what they depend on that differs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occludenet_build.tools.diff.clips import Change
from occludenet_build.tools.diff.settings import Difference, of_stage

METRICS = ("top1", "top5")
_FILES = ("evaluate/*.json", "evaluate/*/*.json", "models/*/*.json", "integralaction/*.json")
"""Files with a list `sets` of metrics per test set."""


@dataclass(frozen=True)
class Moved:
    """A metric that differs."""

    model: str
    """Path of its file without suffix, as evaluate/car-0."""
    set: str
    """Empty: the model as a whole, which one build lacks."""
    metric: str
    here: float | None
    """Per cent; None: BUILD_A has none."""
    there: float | None
    beyond_chance: bool | None
    """Whether each lies outside of the 95 % interval of the other; None: one has none."""
    because: tuple[str, ...]
    """What the model or its test depends on that differs."""


def moved(
    here: Path,
    there: Path,
    changes: Sequence[Change],
    settings: Sequence[Difference],
    versions: Sequence[Difference],
) -> list[Moved]:
    """All metrics that differ, by model, set and metric."""
    one, two = dict(_metrics(here)), dict(_metrics(there))
    because = causes(changes, settings, versions)
    found, models = [], [{model for model, _, _ in known} for known in (one, two)]
    for model in sorted(models[0] ^ models[1]):
        lacks = "BUILD_A" if model in models[1] else "BUILD_B"
        found.append(Moved(model, "", "", None, None, None, (f"{lacks} has no results of it",)))
    for key in sorted(k for k in one.keys() | two.keys() if k[0] in models[0] & models[1]):
        a, b = (known.get(key, (None, None, None)) for known in (one, two))
        if a[0] != b[0]:
            found.append(Moved(*key, a[0], b[0], _outside(a, b), because))
    return found


Value = tuple[float | None, float | None, float | None]
"""A metric with the ends of its interval; None: not known."""


def _outside(here: Value, there: Value) -> bool | None:
    if None in here or None in there:
        return None
    (a, low, high), (b, other_low, other_high) = here, there
    return not (low <= b <= high or other_low <= a <= other_high)  # type: ignore[operator]


def _metrics(build: Path) -> Iterator[tuple[tuple[str, str, str], Value]]:
    paths = sorted(path for pattern in _FILES for path in build.glob(pattern))
    for path in paths:
        try:
            sets = json.loads(path.read_text())["sets"]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # another file of the stage
        model = path.relative_to(build).as_posix().removesuffix(".json")
        for values in sets if isinstance(sets, list) else ():
            yield from (
                ((model, str(values.get("set")), m), _value(values, m))
                for m in METRICS
                if m in values
            )


def _value(values: Mapping[str, Any], metric: str) -> Value:
    names = (metric, f"{metric}_low", f"{metric}_high")
    first, low, high = (values.get(name) for name in names)
    return first, low, high


def causes(
    changes: Sequence[Change], settings: Sequence[Difference], versions: Sequence[Difference]
) -> tuple[str, ...]:
    """What trainings and tests depend on that differs; says so if nothing does."""
    splits = Counter((change.split or "?", change.change) for change in changes)
    found = [f"{n} clips of {split} {change}" for (split, change), n in sorted(splits.items())]
    for stage in ("train", "evaluate"):
        found += [f"setting {one}" for one in of_stage([*settings], stage)]
        found += [f"version {one}" for one in versions if one.name == stage]
    unique = dict.fromkeys(found)
    return tuple(unique) or ("nothing recorded differs: another machine, or weights",)
