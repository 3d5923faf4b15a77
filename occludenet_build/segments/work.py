"""One segment from its video to its clip and its row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occludenet_build.core import tables
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import replacing, sha256_file
from occludenet_build.core.ledger import Result, attempt
from occludenet_build.core.video.cut import Piece, cut
from occludenet_build.core.video.encoder import Encoding
from occludenet_build.core.video.probe import probe
from occludenet_build.segments.table import Segment


@dataclass(frozen=True)
class Job:
    """All that a worker needs for one clip."""

    clip: str
    key: str
    segment: Segment
    label: str
    source: Path | None
    root: Path
    file: str
    encoding: Encoding
    pix_fmt: str
    problem: ItemError | None = None
    """Why it cannot be cut, where that is known beforehand."""


def make(job: Job) -> Result:
    """Cut one clip. What cannot be cut becomes a row with its reason."""
    segment = job.segment
    row: dict[str, Any] = {
        "clip": job.clip,
        "key": job.key,
        "video": segment.video,
        "path": str(job.source) if job.source else None,
        "start_seconds": float(segment.start),
        "end_seconds": float(segment.end),
        "label": job.label,
        "split": segment.split,
    }
    return attempt(row, lambda: (_clip(job), None))


def _clip(job: Job) -> dict[str, Any]:
    """The file, and the columns that say what it is."""
    if job.problem is not None:
        raise job.problem
    assert job.source is not None
    target, segment = job.root / job.file, job.segment
    with replacing(target) as temporary:
        piece = cut(job.source, segment.start, segment.end, temporary, job.encoding, job.pix_fmt)
        facts = _facts(temporary, piece)
    return facts | {
        "source_sha256": sha256_file(job.source),
        "file": job.file,
        "file_hash": sha256_file(target),
    }


def _facts(path: Path, piece: Piece) -> dict[str, Any]:
    """What the finished file is, from decoding it."""
    info = probe(path, max_decode_errors=0, max_pixels=1 << 40)
    if info.frames != piece.frames:
        raise ItemError("encode_failed", f"{info.frames} frames of {piece.frames} decode")
    width, height = info.display.size
    return {
        "frames": piece.frames,
        "first_pts": piece.first_pts,
        "last_pts": piece.last_pts,
        "time_base": tables.fraction(piece.time_base),
        "cut_seconds": float(piece.start_seconds),
        "fps": float(info.fps),
        "duration_seconds": float(info.duration),
        "width": width,
        "height": height,
        "sound": piece.sound,
    }
