"""Kinetics-400 before it is here: how many clips, by the official lists or as published."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

from occludenet_build.config import Kinetics
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import is_url
from occludenet_build.release.terms import split_named

LISTED = {"train": 246_535, "val": 19_907, "test": 39_806}
"""Clips in the official lists, as published; many are gone from YouTube."""
CLASSES = 400
FRAMES = 300.0
"""Of a typical clip: 10 s at 30 frames per second."""
PIXELS = FRAMES * 340 * 256


def cells(settings: Kinetics, seed: int) -> tuple[Counter[tuple[str, str]], str]:
    """Wanted clips by split and class, and where the figures come from."""
    local = [Path(file) for file in settings.annotations if not is_url(file)]
    if len(local) == len(settings.annotations):
        found, origin = _counted(local), "the official lists"
    else:
        found, origin = published(), "published counts of Kinetics-400"
    wanted: Counter[tuple[str, str]] = Counter()
    for (split, label), clips in found.items():
        if split in settings.splits and (not settings.classes or label in settings.classes):
            wanted[split, label] = min(clips, settings.per_class or clips)
    if not wanted and settings.classes and origin.startswith("published"):
        # names of classes are not known here, their number is
        shares = {split: LISTED[split] / CLASSES for split in settings.splits}
        for split, share in shares.items():
            for label in settings.classes:
                wanted[split, label] = min(round(share), settings.per_class or round(share))
    return wanted, f"{origin}; 10 s, 30 frames per second, 340 x 256"


def published() -> Counter[tuple[str, str]]:
    """The published counts, spread evenly over classes that have no names here."""
    spread: Counter[tuple[str, str]] = Counter()
    for split, clips in LISTED.items():
        for number in range(CLASSES):
            spread[split, f"class {number}"] = clips // CLASSES + (number < clips % CLASSES)
    return spread


def _counted(files: list[Path]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for file in files:
        with open(file, newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                if "youtube_id" not in row or "split" not in row:
                    raise UserError(
                        f"config: kinetics.annotations: wanted the columns of the official lists "
                        f"(label,youtube_id,time_start,time_end,split), {file} has others"
                    )
                split = split_named(row["split"]) or row["split"]
                found[split, row.get("label") or "unlabelled"] += 1
    return found
