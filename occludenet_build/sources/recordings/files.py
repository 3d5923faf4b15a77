"""The first pass over the recordings: find each file, decode it once, note its facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build.config.recordings import RecordingSet
from occludenet_build.core import tables
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import sha256_file, size_and_mtime
from occludenet_build.core.ledger import STATUS, ClipResult, attempt, lost, result_key
from occludenet_build.core.names import require_utf8
from occludenet_build.core.tables import column
from occludenet_build.media.video.probe import Limits, probe
from occludenet_build.sources.recordings.takes import Take, View
from occludenet_build.sources.video_folder import VideoFolder

FILES = pa.schema(
    [
        *STATUS,
        column("path", "string", "path of the recording; null if none was found"),
        column("sha256", "string", "sha256 of the recording"),
        column("duration", "string", "duration in seconds, num/den"),
        column("frames", "int32", "number of frames"),
        column("width", "int32", "width of the displayed frame, pixels"),
        column("height", "int32", "height of the displayed frame, pixels"),
    ]
)
"""Schema of the facts of the recordings; `clip` is <set>/<name in the table>."""

LENIENT = Limits(max_decode_errors=1 << 30)
"""Damage in a recording matters only to the clips that contain it, which `cut_video` refuses."""


@dataclass(frozen=True)
class FileJob:
    """Input of a worker for one recording."""

    id: str
    key: str
    path: Path | None
    problem: ItemError | None
    """Why there is no path."""


def file_id(set: str, file: str) -> str:
    """Id of a recording in the ledger."""
    return f"{set}/{file}"


def file_jobs(
    one: RecordingSet, takes: Sequence[Take], folder: VideoFolder, version: str
) -> Iterator[FileJob]:
    """A job per recording of a set."""
    for take in takes:
        for view in take.views:
            path, problem = _found(view, take, folder)
            made_from = f"{path} {size_and_mtime(path)}" if path else str(problem)
            key = result_key("recordings file", version, {}, made_from)
            yield FileJob(file_id(one.name, view.file), key, path, problem)


def _found(view: View, take: Take, folder: VideoFolder) -> tuple[Path | None, ItemError | None]:
    try:
        path = folder.folder / folder.find(view.file, take.label)
        require_utf8(path)
        return path, None
    except ItemError as error:
        return None, error


def read_file(job: FileJob) -> ClipResult:
    """The facts of one recording, or why it cannot be used."""
    return attempt(_known(job), lambda: (_facts(job), None))


def lost_file(job: FileJob, error: ItemError) -> ClipResult:
    """The row of a recording whose worker had to be ended or died."""
    return lost(_known(job), error)


def _known(job: FileJob) -> dict[str, Any]:
    return {"clip": job.id, "key": job.key, "path": str(job.path) if job.path else None}


def _facts(job: FileJob) -> dict[str, Any]:
    if job.problem is not None:
        raise job.problem
    assert job.path is not None
    info = probe(job.path, LENIENT)
    width, height = info.display.size
    return {
        "sha256": sha256_file(job.path),
        "duration": tables.fraction_text(info.duration),
        "frames": info.frames,
        "width": width,
        "height": height,
    }


@dataclass(frozen=True)
class FileFacts:
    """A recording that can be used."""

    path: Path
    sha256: str
    duration: Fraction
    """Seconds."""
    frames: int
    width: int
    height: int

    @property
    def frame_seconds(self) -> Fraction:
        """Mean time from frame to frame, seconds."""
        return self.duration / self.frames

    @classmethod
    def of(cls, row: dict[str, Any]) -> FileFacts:
        """Create it from an ok row of FILES."""
        about = (Path(row["path"]), row["sha256"])
        size = (row["frames"], row["width"], row["height"])
        return cls(*about, Fraction(row["duration"]), *size)
