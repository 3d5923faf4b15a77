"""Compare two releases: a row per output clip that either of them annotates."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import Any, NamedTuple

from occludenet_build.dataset.validate.release import Release, split_order
from occludenet_build.release.csv_format import Overall
from occludenet_build.release.terms import same_cutout

TOLERANCE_SECONDS = 0.1
"""Clips whose times differ by more are listed one by one."""

Row = dict[str, Any]

FIELDS = {
    "category": "occluder_type",
    "occluder": "occluder_file_name",
    "fps": "fps",
    "duration_seconds": "video_duration",
    "occlusion_seconds": "occlusion_duration",
    "label": "action_class",
}
"""Column of COMPARISON -> field of the overall annotation."""


class OutputKey(NamedTuple):
    """Identifies an output clip, whatever its class."""

    split: str
    clip: str
    scale: float


def compare_releases(ours: Release, theirs: Release) -> list[Row]:
    """Rows of COMPARISON, for the splits whose overall annotation both releases have."""
    splits = ours.overall & theirs.overall
    here, there = (_clips(release, splits) for release in (ours, theirs))
    keys = sorted(here.keys() | there.keys(), key=lambda k: (split_order(k.split), k))
    return [_row(key, here.get(key), there.get(key)) for key in keys]


def _clips(release: Release, splits: set[str]) -> dict[OutputKey, Overall]:
    return {
        OutputKey(source.split, source.clip, scale): record
        for (source, scale), record in release.annotated
        if source.split in splits
    }


def _row(key: OutputKey, here: Overall | None, there: Overall | None) -> Row:
    row = key._asdict() | _values(here, "") | _values(there, "_there")
    if here is None or there is None:
        return row | {"status": "missing_here" if here is None else "missing_there"}
    row["status"] = "both"
    for name in ("duration", "occlusion"):
        # The CSV files have two decimals: finer differences are floating-point noise.
        row[f"{name}_difference"] = round(row[f"{name}_seconds"] - row[f"{name}_seconds_there"], 2)
    others = any(_other(row, name) for name in ("label", "category", "occluder"))
    return row | {"differs": others or _beyond(row, "duration") or _beyond(row, "occlusion")}


def _values(record: Overall | None, suffix: str) -> Row:
    if record is None:
        return {}
    return {name + suffix: getattr(record, field) for name, field in FIELDS.items()}


def _other(row: Row, name: str) -> bool:
    here, there = row[name], row[f"{name}_there"]
    return not same_cutout(here, there) if name == "occluder" else bool(here != there)


def _beyond(row: Row, name: str) -> bool:
    return abs(row[f"{name}_difference"]) > TOLERANCE_SECONDS


def comparison_summary(rows: list[Row]) -> dict[str, Any]:
    """Counts of output clips, and absolute differences of times of the common clips, seconds."""
    status = Counter(row["status"] for row in rows)
    common = [row for row in rows if row["status"] == "both"]
    other = {
        f"other_{name}": sum(_other(row, name) for row in common)
        for name in ("label", "category", "occluder", "fps")
    }
    return {
        "splits": sorted({row["split"] for row in rows}, key=split_order),
        "common": len(common),
        "missing_here": status["missing_here"],
        "missing_there": status["missing_there"],
        **other,
        **{name: _times(common, name) for name in ("duration", "occlusion")},
    }


def _times(common: list[Row], name: str) -> dict[str, float]:
    sizes = [abs(row[f"{name}_difference"]) for row in common]
    return {
        "differing": sum(size > 0 for size in sizes),
        "beyond": sum(_beyond(row, name) for row in common),
        "median_seconds": round(statistics.median(sizes), 3) if sizes else 0.0,
        "max_seconds": max(sizes, default=0.0),
    }
