"""Number, duration and frame size of the videos, from headers, an index or Kinetics' lists."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from occludenet_build import config as cfg
from occludenet_build.core import seeds, tables
from occludenet_build.core.build import Row
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.settings import is_url
from occludenet_build.media.video.source import open_video
from occludenet_build.release.terms import split_of_name

LISTED = {"train": 246_535, "val": 19_907, "test": 39_806}
"""Split -> clips in the official lists of Kinetics-400; many are no longer on YouTube."""
CLASSES = 400
"""Classes of Kinetics-400."""
FRAMES = 300.0
"""Frames of a typical Kinetics clip: 10 s at 30 frames per second."""
PIXELS = FRAMES * 340 * 256
"""Pixels of a typical Kinetics clip, frames x width x height."""

Cell = tuple[str, str]
"""(split, class)."""


@dataclass(frozen=True)
class VideoSet:
    """The videos of a build, without unusable ones if these are known."""

    cells: Counter[Cell]
    """Number of videos by (split, class)."""
    frames: float | None
    """Average number of frames per video."""
    pixels: float | None
    """Average number of pixels per video, frames x width x height."""
    origin: str
    """Source of these values."""
    usable_known: bool = False
    """Whether the videos were indexed, so that all are usable."""
    rows: list[Row] = field(default_factory=list)
    """Rows of the user's own videos: clip, path, label, split, status."""
    on_disk: bool = True
    """Whether the files are on this disk."""

    @property
    def total(self) -> int:
        """Number of videos."""
        return self.cells.total()


def videos_of(config: cfg.Config, sample: int) -> VideoSet:
    """The videos of a configuration; without an index, `sample` of them are opened."""
    build = Path(config.build_dir)
    fetched = build / "kinetics" / "clips.parquet"
    if config.kinetics.route != "none" and not fetched.exists():
        cells, origin = kinetics_cells(config.kinetics)
        return VideoSet(cells, FRAMES, PIXELS, origin, on_disk=False)
    listed = listing(config, fetched if config.kinetics.route != "none" else None)
    known = indexed(build / "index" / "videos.parquet", {row["clip"] for row in listed})
    if known:
        usable = [row for row in listed if row["clip"] in known]
        frames = sum(f for f, _ in known.values()) / len(known)
        pixels = sum(p for _, p in known.values()) / len(known)
        return VideoSet(_cells(usable), frames, pixels, "the index", True, usable)
    frames_each, pixels_each, opened = probed(listed, sample, config.seed)
    origin = f"the headers of {opened} videos"
    return VideoSet(_cells(listed), frames_each, pixels_each, origin, False, listed)


def _cells(rows: Sequence[Row]) -> Counter[Cell]:
    return Counter((row["split"], row["label"]) for row in rows)


def listing(config: cfg.Config, fetched: Path | None) -> list[Row]:
    """The usable videos as rows of acquire, by running `occludenet acquire videos`.

    Raises UserError if no folder is set or the command fails.
    """
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
    """Clip -> (frames, pixels) of the usable videos in an earlier index.

    Empty if the index has less than half of the clips in `wanted`.
    """
    if not path.exists():
        return {}
    rows = [row for row in tables.read_rows(path) if row["clip"] in wanted]
    if len(rows) < len(wanted) / 2:
        return {}
    return {row["clip"]: (row["frames"], pixels_of(row)) for row in rows if row["status"] == "ok"}


def pixels_of(row: Row) -> int:
    """Frames x width x height of a row of the index; 0 if the video did not decode."""
    return (row["frames"] or 0) * (row["width"] or 0) * (row["height"] or 0)


def drawn(rows: Sequence[Row], sample: int, seed: int) -> list[Row]:
    """A sample of rows, drawn by hash."""
    return sorted(rows, key=lambda row: seeds.uniform_integer(seed, row["clip"], "plan"))[:sample]


def probed(rows: Sequence[Row], sample: int, seed: int) -> tuple[float | None, float | None, int]:
    """Average (frames, pixels) of a video, and the number of opened videos.

    The sample gives frames and pixels per byte, which are multiplied by the average file size of
    all rows. For videos of very different durations this is more precise than the sample mean.
    """
    headers = ((row, read_header(row)) for row in drawn(rows, sample, seed))
    facts = [(*header, size_of(row)) for row, header in headers if header]
    opened_bytes = sum(size for *_, size in facts)
    if not opened_bytes:
        return None, None, 0
    mean = sum(map(size_of, rows)) / len(rows)
    frames, pixels = (sum(fact[i] for fact in facts) / opened_bytes * mean for i in (0, 1))
    return frames, pixels, len(facts)


def size_of(row: Row) -> int:
    """Size of a video file in bytes; 0 if it does not exist."""
    try:
        return Path(row["path"]).stat().st_size
    except OSError:
        return 0


def read_header(row: Row) -> tuple[float, float] | None:
    """(frames, pixels) from the header of a video; None if it does not open or state them."""
    try:
        with open_video(row["path"]) as source:
            stream, seconds = source.stream, (source.container.duration or 0) / 1e6
            frames = stream.frames or seconds * float(stream.average_rate or 0)
            return (frames, frames * stream.width * stream.height) if frames else None
    except ItemError:
        return None


def kinetics_cells(settings: cfg.Kinetics) -> tuple[Counter[Cell], str]:
    """Number of Kinetics clips to fetch by (split, class), and the source of the values."""
    local = [Path(file) for file in settings.annotations if not is_url(file)]
    listed = len(local) == len(settings.annotations)
    available = _counted(local) if listed else _published(settings)
    selected = {
        (split, label): min(clips, settings.per_class or clips)
        for (split, label), clips in available.items()
        if split in settings.splits and (not settings.classes or label in settings.classes)
    }
    origin = "the official lists" if listed else "published counts of Kinetics-400"
    return Counter(selected), f"{origin}; 10 s, 30 frames per second, 340 x 256"


def _published(settings: cfg.Kinetics) -> dict[Cell, int]:
    """The published numbers of clips, distributed evenly over the classes."""
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
    """Number of clips in official CSV lists by (split, class). Raises UserError."""
    counts: Counter[Cell] = Counter()
    for file in files:
        with open(file, newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                if "youtube_id" not in row or "split" not in row:
                    raise UserError(
                        f"config: kinetics.annotations: wanted the columns of the official lists "
                        f"(label,youtube_id,time_start,time_end,split), {file} has others"
                    )
                split = split_of_name(row["split"]) or row["split"].strip()
                counts[split, row.get("label") or "unlabelled"] += 1
    return counts
