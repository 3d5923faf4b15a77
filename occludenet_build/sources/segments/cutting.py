"""Cut segments out of videos: name and write the clip, write the annotations, count."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

from occludenet_build.core import names
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import sha256_file
from occludenet_build.core.ledger import ClipResult, attempt, lost
from occludenet_build.core.names import VIDEO_SUFFIXES
from occludenet_build.media.video.cut import CutSegment, cut_video
from occludenet_build.release.csv_format import SingleView
from occludenet_build.sources import cut_clips
from occludenet_build.sources.cut_clips import ClipCoding
from occludenet_build.sources.segments.table import Segment


@dataclass(frozen=True)
class CutJob:
    """Input of a worker for one clip."""

    clip: str
    key: str
    segment: Segment
    label: str
    source: Path | None
    root: Path
    file: str
    coding: ClipCoding
    problem: ItemError | None = None
    """The error that prevents the cut, if it is already known."""


def cut_segment(job: CutJob) -> ClipResult:
    """Cut one clip. The row of a segment that cannot be cut has a reason."""
    return attempt(_known(job), lambda: (_clip(job), None))


def lost_segment(job: CutJob, error: ItemError) -> ClipResult:
    """The row of a segment whose worker had to be ended or died."""
    return lost(_known(job), error)


def _known(job: CutJob) -> dict[str, Any]:
    """The columns that are known before cutting."""
    segment = job.segment
    return {
        "clip": job.clip,
        "key": job.key,
        "video": segment.video,
        "path": str(job.source) if job.source else None,
        "start_seconds": float(segment.start),
        "end_seconds": float(segment.end),
        "label": job.label,
        "split": segment.split,
    }


def _clip(job: CutJob) -> dict[str, Any]:
    """Write the clip and return its columns."""
    if job.problem is not None:
        raise job.problem
    assert job.source is not None
    start, end = job.segment.start, job.segment.end
    source, coding = job.source, job.coding

    def cut(out: Path) -> CutSegment:
        return cut_video(source, start, end, out, coding.encoding, coding.pix_fmt)

    facts = cut_clips.write_clip(job.root, job.file, cut)
    return facts | {"source_sha256": sha256_file(source)}


def segment_clip_names(segments: list[Segment]) -> list[str]:
    """A unique name for the clip of each segment, also on a case-insensitive file system."""
    plain = [segment_clip_name(s.video, s.start, s.end) for s in segments]
    return names.disambiguate(plain, [(s.video, str(s.start)) for s in segments])


def segment_clip_name(video: str, start: Fraction, end: Fraction) -> str:
    """Name of a clip, in the form of Kinetics; start and end in seconds.

    >>> segment_clip_name("Abuse/Abuse001_x264.mp4", Fraction(12), Fraction(41, 2))
    'Abuse001_x264_000012_000020.500'
    """
    path = PurePosixPath(video)
    stem = path.stem if path.suffix.lower() in VIDEO_SUFFIXES else path.name
    text = stem.encode("utf-8", "replace").decode().lstrip(".") or "video"
    return cut_clips.stretch_name(text, start, end)


Row = dict[str, Any]


def write_annotations(folder: Path, rows: list[Row]) -> None:
    """Write `annotations/{split}_s.csv` of the clips that were cut, sorted by class and name."""
    cut_clips.write_annotations(folder, "s", rows, SingleView, _record)


def _record(row: Row) -> SingleView:
    name = PurePosixPath(row["file"]).name
    return SingleView(row["label"], name, row["fps"], row["duration_seconds"])


def log_counts(rows: list[Row]) -> None:
    """Log the clips per split and class, and the videos that several splits share."""
    made = [row for row in rows if row["status"] == "ok"]
    cut_clips.log_counts(made)
    splits: dict[str, set[str]] = {}
    for row in made:
        splits.setdefault(row["path"], set()).add(row["split"])
    shared = sorted(path for path, found in splits.items() if len(found) > 1)
    if shared:
        names = ", ".join(Path(path).name for path in shared[:5])
        logging.warning("%d videos have clips in more than one split: %s", len(shared), names)
