"""Which videos there are, and what they are like: by their headers, or as an index knows them."""

from __future__ import annotations

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
from occludenet_build.core.video.source import reading
from occludenet_build.plan import kinetics

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
        facts = kinetics.FRAMES, kinetics.PIXELS
        cells, origin = kinetics.cells(config.kinetics, config.seed)
        return World(cells, *facts, origin, here=False)
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
    """The usable rows that the room acquire lists; it is run by its own door, as rooms are."""
    if fetched is None and config.acquire.videos is None:
        raise UserError("config: acquire.videos: wanted a folder of videos, got nothing; set it")
    settings = cfg.canonical(cfg.room_settings(config, "acquire"))
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
    """Frames times width times height of a row of the index."""
    return row["frames"] * row["width"] * row["height"]


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
