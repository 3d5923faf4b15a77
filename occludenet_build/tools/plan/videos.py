"""Which videos there are, how long and large: by headers, an index or Kinetics' lists."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from occludenet_build import config as cfg
from occludenet_build.core import seeds, tables
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.settings import is_url
from occludenet_build.media.video.source import reading
from occludenet_build.release.terms import split_named

LISTED = {"train": 246_535, "val": 19_907, "test": 39_806}
"""Clips in the official lists, as published; many are gone from YouTube."""
CLASSES = 400
FRAMES = 300.0
"""Of a typical clip: 10 s at 30 frames per second."""
PIXELS = FRAMES * 340 * 256

Row = dict[str, Any]
Cell = tuple[str, str]
"""(split, class)."""


@dataclass(frozen=True)
class World:
    """The videos of a build, those that cannot be used left out where that is known."""

    cells: Counter[Cell]
    """Videos by split and class."""
    frames: float | None
    """Of a video, on average; so are `pixels`."""
    pixels: float | None
    """Frames times width times height."""
    origin: str
    """Where these figures come from."""
    usable_known: bool = False
    """The videos were indexed: each is usable."""
    rows: list[Row] = field(default_factory=list)
    """clip, path, label, split, status: of the user's own videos."""
    here: bool = True
    """The files are on this disk."""

    @property
    def videos(self) -> int:
        return self.cells.total()


def world(config: cfg.Config, sample: int) -> World:
    """The videos of a configuration; `sample` of them are opened where no index tells more."""
    build = Path(config.build_dir)
    fetched = build / "kinetics" / "clips.parquet"
    if config.kinetics.route != "none" and not fetched.exists():
        cells, origin = kinetics_cells(config.kinetics)
        return World(cells, FRAMES, PIXELS, origin, here=False)
    listed = listing(config, fetched if config.kinetics.route != "none" else None)
    known = indexed(build / "index" / "videos.parquet", {row["clip"] for row in listed})
    if known:
        usable = [row for row in listed if row["clip"] in known]
        frames = sum(f for f, _ in known.values()) / len(known)
        pixels = sum(p for _, p in known.values()) / len(known)
        return World(_cells(usable), frames, pixels, "the index", True, usable)
    each, whole, opened = probed(listed, sample, config.seed)
    return World(_cells(listed), each, whole, f"the headers of {opened} videos", False, listed)


def _cells(rows: Sequence[Row]) -> Counter[Cell]:
    return Counter((row["split"], row["label"]) for row in rows)


def listing(config: cfg.Config, fetched: Path | None) -> list[Row]:
    """The usable rows that the stage acquire lists; its command line writes them."""
    if fetched is None and config.acquire.videos is None:
        raise UserError("config: acquire.videos: wanted a folder of videos, got nothing; set it")
    settings = cfg.canonical(cfg.stage_settings(config, "acquire"))
    with tempfile.TemporaryDirectory(prefix="occludenet-plan-") as folder:
        out = Path(folder) / "videos.parquet"
        command = [sys.executable, "-m", "occludenet_build", "acquire", "videos", "--out", str(out)]
        command += ["--settings", settings] + (["--kinetics", str(fetched)] if fetched else [])
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(f"acquire videos: {done.stderr.strip().splitlines()[-1:]}")
        return [row for row in tables.read_rows(out) if row["status"] == "ok"]


def indexed(path: Path, wanted: set[str]) -> dict[str, tuple[int, int]]:
    """(frames, pixels) by clip, of the usable videos that an earlier index knows; most must be."""
    if not path.exists():
        return {}
    rows = [row for row in tables.read_rows(path) if row["clip"] in wanted]
    if len(rows) < len(wanted) / 2:
        return {}
    return {row["clip"]: (row["frames"], pixels_of(row)) for row in rows if row["status"] == "ok"}


def pixels_of(row: Row) -> int:
    """Frames times width times height of a row of the index; 0 where it did not decode."""
    return (row["frames"] or 0) * (row["width"] or 0) * (row["height"] or 0)


def drawn(rows: Sequence[Row], sample: int, seed: int) -> list[Row]:
    """So many rows, by hash."""
    return sorted(rows, key=lambda row: seeds.integer(seed, row["clip"], "plan"))[:sample]


def probed(rows: Sequence[Row], sample: int, seed: int) -> tuple[float | None, float | None, int]:
    """(frames, pixels) of a video, and how many were opened.

    A file's length goes with its frames better than the mean of a few does, where some videos take
    seconds and others an hour: the sample tells the frames of a byte, the listing all bytes.
    """
    facts = [(*fact, size_of(row)) for row in drawn(rows, sample, seed) if (fact := glance(row))]
    opened_bytes = sum(size for *_, size in facts)
    if not opened_bytes:
        return None, None, 0
    mean = sum(map(size_of, rows)) / len(rows)
    frames, pixels = (sum(fact[i] for fact in facts) / opened_bytes * mean for i in (0, 1))
    return frames, pixels, len(facts)


def size_of(row: Row) -> int:
    try:
        return Path(row["path"]).stat().st_size
    except OSError:
        return 0


def glance(row: Row) -> tuple[float, float] | None:
    """(frames, pixels) as the header of a file says; None where it does not open or say."""
    try:
        with reading(row["path"]) as source:
            stream, seconds = source.stream, (source.container.duration or 0) / 1e6
            frames = stream.frames or seconds * float(stream.average_rate or 0)
            return (frames, frames * stream.width * stream.height) if frames else None
    except ItemError:
        return None


def kinetics_cells(settings: cfg.Kinetics) -> tuple[Counter[Cell], str]:
    """Wanted clips of Kinetics by split and class, and where the figures come from."""
    local = [Path(file) for file in settings.annotations if not is_url(file)]
    listed = len(local) == len(settings.annotations)
    found = _counted(local) if listed else _published(settings)
    wanted = {
        (split, label): min(clips, settings.per_class or clips)
        for (split, label), clips in found.items()
        if split in settings.splits and (not settings.classes or label in settings.classes)
    }
    origin = "the official lists" if listed else "published counts of Kinetics-400"
    return Counter(wanted), f"{origin}; 10 s, 30 frames per second, 340 x 256"


def _published(settings: cfg.Kinetics) -> dict[Cell, int]:
    """The published counts, spread evenly over the classes; their names are not known here."""
    if settings.classes:
        return {
            (split, label): round(clips / CLASSES)
            for split, clips in LISTED.items()
            for label in settings.classes
        }
    return {
        (split, f"class {number}"): clips // CLASSES + (number < clips % CLASSES)
        for split, clips in LISTED.items()
        for number in range(CLASSES)
    }


def _counted(files: list[Path]) -> Counter[Cell]:
    found: Counter[Cell] = Counter()
    for file in files:
        with open(file, newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                if "youtube_id" not in row or "split" not in row:
                    raise UserError(
                        f"config: kinetics.annotations: wanted the columns of the official lists "
                        f"(label,youtube_id,time_start,time_end,split), {file} has others"
                    )
                split = split_named(row["split"]) or row["split"].strip()
                found[split, row.get("label") or "unlabelled"] += 1
    return found
