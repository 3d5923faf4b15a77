"""Summary of the bank: counts per category and split, empty categories, contact sheets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.core import seeds
from occludenet_build.core.files import write_bytes_if_changed
from occludenet_build.media.imaging import sheets
from occludenet_build.media.imaging.thumbnails import on_checkerboard, read_cutout
from occludenet_build.occlusion.occluders import RELEASE

_LADDER = (20_000, 15_000, 10_000, 5_000, 2_000, 1_000, 500, 200, 100, 50, 1)
"""Lower thresholds for which the summary counts the masks of a category, pixels."""
_THRESHOLDS_IN_LINE = 3
"""Number of lower thresholds in a line of the summary."""
_PER_SHEET, _COLUMNS, _TILE_PX = 96, 12, 132
"""Cut-outs per contact sheet, cut-outs per row, and side of a tile."""


def bank_summary(
    rows: Sequence[Mapping[str, Any]],
    categories: Sequence[str],
    min_pixels: int,
    fractions: Mapping[str, float],
) -> dict[str, Any]:
    """Counts by category, and `lines`: a sentence for each empty category or split.

    Per category: instances (crowds included), kept, splits {name: kept}, largest (mask, pixels),
    at_least [[pixels, masks of that size or more]], reasons {reason: instances}, release (cut-outs
    in the bank of the release).
    """
    wanted_splits = [name for name, share in fractions.items() if share > 0]
    counts = {c: _category(rows, c, min_pixels, wanted_splits) for c in categories}
    lines = [line for name, count in counts.items() for line in _lines(name, count, min_pixels)]
    return {"min_pixels": min_pixels, "categories": counts, "lines": lines}


def _category(
    rows: Sequence[Mapping[str, Any]], name: str, min_pixels: int, splits: Sequence[str]
) -> dict[str, Any]:
    instances = [row for row in rows if row["category"] == name]
    kept = [row for row in instances if row["status"] == "ok"]
    sizes = [row["pixels"] for row in instances if row.get("pixels")]
    by_split = Counter(row["split"] for row in kept)
    return {
        "instances": len(instances),
        "kept": len(kept),
        "splits": {split: by_split[split] for split in splits},
        "largest": max(sizes, default=0),
        "at_least": _at_least(sizes, min_pixels),
        "reasons": dict(Counter(r["reason"] for r in instances if r["status"] != "ok")),
        "release": RELEASE.get(name),
    }


def _at_least(sizes: Sequence[int], min_pixels: int) -> list[tuple[int, int]]:
    """(threshold, masks) of the set threshold, then of the lower ones that add masks."""
    counts = [(min_pixels, sum(size >= min_pixels for size in sizes))]
    for threshold in _LADDER:
        count = sum(size >= threshold for size in sizes)
        if threshold < min_pixels and count > counts[-1][1]:
            counts.append((threshold, count))
    return counts


def _lines(name: str, count: Mapping[str, Any], min_pixels: int) -> list[str]:
    if not count["instances"]:
        return [f"{name}: no instance in the file"]
    if not count["kept"]:
        return [_empty_line(name, count, min_pixels)]
    empty = [split for split, kept in count["splits"].items() if not kept]
    if not empty:
        return []
    line = f"{name}: {count['kept']} kept, none of them in {' and '.join(empty)}"
    return [line + _lower(count, min_pixels)]


def _empty_line(name: str, count: Mapping[str, Any], min_pixels: int) -> str:
    large = count["at_least"][0][1]
    start = f"{name}: {large} of {count['instances']} instances have {min_pixels} px or more"
    if large:
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(count["reasons"].items()))
        return f"{start}, and none could be cut out ({reasons})"
    return start + _lower(count, min_pixels)


def _lower(count: Mapping[str, Any], min_pixels: int) -> str:
    """The counts for lower thresholds, as the end of a sentence."""
    lower = [f"{t} px would give {n}" for t, n in count["at_least"] if t < min_pixels]
    return f"; {', '.join(lower[:_THRESHOLDS_IN_LINE])}" if lower else ""


def write_sheets(
    folder: Path, rows: Iterable[Mapping[str, Any]], categories: Iterable[str], seed: int
) -> dict[str, str]:
    """Write a contact sheet per category; return category -> JPEG, relative to `folder`.

    `folder` and `rows` are those of the table. Removes the sheets of other categories.
    """
    kept = [row for row in rows if row["status"] == "ok"]
    written: dict[str, str] = {}
    for category in categories:
        chosen = _sample([row for row in kept if row["category"] == category], seed)
        if chosen:
            written[category] = f"sheets/{category}.jpg"
            write_bytes_if_changed(folder / written[category], _sheet(folder, chosen))
    for path in (folder / "sheets").glob("*.jpg"):
        if f"sheets/{path.name}" not in written.values():
            path.unlink()
    return written


def _sample(rows: list[Mapping[str, Any]], seed: int) -> list[Mapping[str, Any]]:
    """Up to _PER_SHEET rows, chosen by hash, the largest first."""
    rows = sorted(
        rows, key=lambda row: seeds.uniform_integer(seed, row["occluder"], "contact sheet")
    )
    return sorted(rows[:_PER_SHEET], key=lambda row: (-row["pixels"], row["occluder"]))


def _sheet(folder: Path, rows: Sequence[Mapping[str, Any]]) -> bytes:
    tiles = [_tile(folder / row["file"], f"{row['pixels']} {row['split']}") for row in rows]
    return sheets.jpeg(sheets.grid(tiles, _COLUMNS), 88)


def _tile(path: Path, caption: str) -> np.ndarray:
    rgba = read_cutout(path)
    if rgba is None:
        raise RuntimeError(f"wanted the RGBA cut-out that was just written, got none: {path}")
    label = sheets.text_image([caption], dark=False, width=_TILE_PX)
    return np.vstack([on_checkerboard(rgba, _TILE_PX), label])
