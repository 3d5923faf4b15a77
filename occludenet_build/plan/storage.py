"""Bytes that a build keeps, by room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occludenet_build.plan.build import Build
from occludenet_build.plan.counts import Counts
from occludenet_build.plan.fit import Line, line

BLOCK = 4096
"""File systems give room in blocks: a small file takes a whole one."""

ROOMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "acquire": ("videos", ("acquire/videos.parquet", "acquire/coco.json")),
    "index": ("videos", ("index",)),
    "detect": ("search_frames", ("detect",)),
    "occluders": ("objects", ("occluders",)),
    "select": ("candidates", ("select",)),
    "leaks": ("chosen", ("leaks",)),
    "actor_masks": ("actor_frames", ("actor_masks",)),
    "composite": ("kept_px", ("composite", "{dataset}", "{dataset}-clean")),
    "counterfactual": ("erased_px", ("counterfactual", "{dataset}-counterfactual")),
    "annotate": ("truth_rows", ("annotate", "{dataset}/annotations")),
    "validate": ("released", ("validate",)),
    "train": ("trainings", ("train",)),
    "evaluate": ("predictions", ("evaluate",)),
    "attention": ("trainings", ("attention",)),  # pictures of some clips, and small tables
    "paper": ("one", ("paper",)),
    "report": ("one", ("report",)),
    "logs": ("jobs", ("logs", "benchmarks")),
}
"""Room -> (the count that drives what it stores, its places in build_dir)."""


@dataclass(frozen=True)
class Stored:
    unit: str
    bytes: Line

    def of(self, counts: Counts) -> float | None:
        units = counts.get(self.unit)
        return None if units is None else self.bytes.at(units) if units else 0.0


def learn(builds: Sequence[Build]) -> dict[str, Stored]:
    found = {}
    for room, (unit, _) in ROOMS.items():
        points = [
            (units, float(used(build.folder, room, build.dataset)))
            for build in builds
            if (units := build.counts.get(unit))
        ]
        if points and any(size for _, size in points):
            found[room] = Stored(unit, line(points))
    return found


def of_json(values: dict[str, Any]) -> Stored:
    return Stored(values["unit"], Line(**values["bytes"]))


def used(build: Path, room: str, dataset: str) -> int:
    """Bytes on disk of a room of a build; the room composite without annotate's part of it."""
    places = [build / name.format(dataset=dataset) for name in ROOMS[room][1]]
    inside = size(build / dataset / "annotations") if room == "composite" else 0
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
