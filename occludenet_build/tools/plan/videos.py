"""Number, duration and frame size of the videos, from an index, headers or Kinetics' lists."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from occludenet_build import config as cfg
from occludenet_build.core import tables
from occludenet_build.core.build import Row
from occludenet_build.core.errors import ItemError
from occludenet_build.core.settings import is_url
from occludenet_build.media.video.source import open_video
from occludenet_build.release.class_lists import expanded
from occludenet_build.sources.acquire.videos import acquire_kinetics, acquire_videos
from occludenet_build.sources.kinetics.annotations import read_annotation_csv, select_clips

LISTED = {"train": 246_535, "val": 19_907, "test": 39_806}
"""Split -> clips in the official lists of Kinetics-400; many are no longer on YouTube."""
CLASSES = 400
"""Classes of Kinetics-400."""
FRAMES = 300.0
"""Frames of a typical Kinetics clip: 10 s at 30 frames per second."""
PIXELS = FRAMES * 340 * 256
"""Pixels of a typical Kinetics clip, frames x width x height."""
HEADERS = 24
"""Maximum number of videos that are opened if there is no index."""

Cells = Counter[tuple[str, str]]
"""Number of videos by (split, class)."""


@dataclass(frozen=True)
class VideoSet:
    """The videos of a build, without unusable ones if these are known."""

    cells: Cells
    frames: float | None
    """Average number of frames per video."""
    pixels: float | None
    """Average number of pixels per video, frames x width x height."""
    origin: str
    """Source of these values."""
    usable_known: bool = False
    """Whether the videos were indexed, so that all are usable."""


def videos_of(config: cfg.Config) -> VideoSet:
    """The videos of a configuration. Raises UserError if there are none."""
    build = Path(config.build_dir)
    if config.kinetics.route != "none" and not (build / "kinetics/clips.parquet").exists():
        return kinetics_videos(config)
    listed = listing(config)
    path = build / "index" / "videos.parquet"
    index = {row["clip"]: row for row in (tables.read_rows(path) if path.exists() else ())}
    usable = [row for row in listed if index.get(row["clip"], row)["status"] == "ok"]
    cells = Counter((row["split"], row["label"]) for row in usable)
    known = [index[row["clip"]] for row in usable if row["clip"] in index]
    if known:
        facts = [(row["frames"], pixels_of(row)) for row in known]
        return VideoSet(cells, *_means(facts), "the index", usable_known=True)
    opened = list(filter(None, map(read_header, listed[:: -(-len(listed) // HEADERS) or 1])))
    return VideoSet(cells, *_means(opened), f"the headers of {len(opened)} videos")


def _means(facts: Sequence[tuple[float, float]]) -> tuple[float | None, float | None]:
    """Average (frames, pixels) of videos."""
    if not facts:
        return None, None
    frames, pixels = (sum(values) / len(facts) for values in zip(*facts, strict=True))
    return frames, pixels


def listing(config: cfg.Config) -> list[Row]:
    """The usable videos as rows of acquire. Raises UserError if there are none."""
    with tempfile.TemporaryDirectory(prefix="occludenet-plan-") as folder:
        out = Path(folder) / "videos.parquet"
        if config.kinetics.route == "none":
            acquire_videos(config, out)
        else:
            acquire_kinetics(Path(config.build_dir) / "kinetics" / "clips.parquet", out)
        return [row for row in tables.read_rows(out) if row["status"] == "ok"]


def pixels_of(row: Row) -> int:
    """Frames x width x height of a row of the index; 0 if the video did not decode."""
    return (row["frames"] or 0) * (row["width"] or 0) * (row["height"] or 0)


def read_header(row: Row) -> tuple[float, float] | None:
    """(frames, pixels) from the header of a video; None if it does not open or state them."""
    try:
        with open_video(row["path"]) as source:
            stream, seconds = source.stream, (source.container.duration or 0) / 1e6
            frames = stream.frames or seconds * float(stream.average_rate or 0)
            return (frames, frames * stream.width * stream.height) if frames else None
    except ItemError:
        return None


def kinetics_videos(config: cfg.Config) -> VideoSet:
    """The Kinetics clips to fetch, by the lists if they are files, else by published counts.

    Raises UserError for malformed lists.
    """
    settings = config.kinetics
    if any(map(is_url, settings.annotations)) or not settings.annotations:
        cells, origin = _published(settings), "published counts of Kinetics-400"
    else:
        clips = [clip for file in settings.annotations for clip in read_annotation_csv(Path(file))]
        selected = select_clips(clips, settings, config.seed)
        cells = Counter((clip.split, clip.label) for clip in selected)
        origin = "the official lists"
    origin += "; 10 s, 30 frames per second, 340 x 256"
    return VideoSet(cells, FRAMES, PIXELS, origin)


def _published(settings: cfg.Kinetics) -> Cells:
    """The published numbers of clips, distributed evenly over the classes."""
    labels = expanded(settings.classes) or [f"class {number}" for number in range(CLASSES)]
    cells: Cells = Counter()
    for split in settings.splits:
        each, rest = divmod(LISTED[split], CLASSES)
        for number, label in enumerate(labels):
            clips = each + (number < rest)
            cells[split, label] = min(clips, settings.per_class or clips)
    return cells
