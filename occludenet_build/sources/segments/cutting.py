"""Cut segments out of videos: find the video, name and write the clip, write the annotations."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

from occludenet_build.core import names, tables
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.files import replacing, sha256_file, write_text
from occludenet_build.core.ledger import ClipResult, attempt, lost
from occludenet_build.core.names import VIDEO_SUFFIXES
from occludenet_build.media.video.cut import CutSegment, cut_video
from occludenet_build.media.video.encoder import Encoding
from occludenet_build.media.video.probe import Limits, probe
from occludenet_build.release.csv_format import SingleView, format_csv
from occludenet_build.release.terms import SPLITS, class_order
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
    encoding: Encoding
    pix_fmt: str
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
    target, segment = job.root / job.file, job.segment
    with replacing(target) as temporary:
        piece = cut_video(
            job.source, segment.start, segment.end, temporary, job.encoding, job.pix_fmt
        )
        facts = _facts(temporary, piece)
    return facts | {
        "source_sha256": sha256_file(job.source),
        "file": job.file,
        "file_hash": sha256_file(target),
    }


def _facts(path: Path, piece: CutSegment) -> dict[str, Any]:
    """Columns of the finished clip, measured by decoding it."""
    info = probe(path, Limits())
    if info.frames != piece.frames:
        raise ItemError("encode_failed", f"{info.frames} frames of {piece.frames} decode")
    width, height = info.display.size
    return {
        "frames": piece.frames,
        "first_pts": piece.first_pts,
        "last_pts": piece.last_pts,
        "time_base": tables.fraction_text(piece.time_base),
        "cut_seconds": float(piece.start_seconds),
        "fps": float(info.fps),
        "duration_seconds": float(info.duration),
        "width": width,
        "height": height,
        "sound": piece.sound,
    }


_LONGEST_STEM = 160  # bytes; with times, suffix and temporary name it stays below 255


class VideoFolder:
    """The videos below a folder, by name."""

    def __init__(self, folder: Path | str) -> None:
        """List the files of `folder`. Raises UserError where it is not a folder."""
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise UserError(f"segments.videos: wanted a folder, got {folder}")
        self._paths = sorted(names.files_below(self.folder))
        self._named: dict[str, list[PurePosixPath]] = defaultdict(list)
        for path in self._paths:
            if path.suffix.lower() in VIDEO_SUFFIXES:
                for name in {path.name, path.stem}:
                    self._named[name].append(path)

    def find(self, name: str, label: str) -> PurePosixPath:
        """Path of a video, relative to the folder.

        Of several with that name, the one in the folder of the class `label`. Raises ItemError
        missing or ambiguous.
        """
        wanted = PurePosixPath(name)
        exact = [path for path in self._paths if path == wanted]
        found = exact or self._named.get(wanted.name, [])
        if len(wanted.parts) > 1 and not exact:  # the name has part of the folder, or no suffix
            found = [path for path in found if _ends_with(path.parent, wanted.parent)]
        if len(found) > 1:
            of_class = [path for path in found if path.parent.name.casefold() == label.casefold()]
            found = of_class if len(of_class) == 1 else found
        if not found:
            raise ItemError("missing", f"no video {name!r} in {self.folder}")
        if len(found) > 1:
            raise ItemError("ambiguous", ", ".join(str(path) for path in found[:5]))
        return found[0]


def _ends_with(path: PurePosixPath, end: PurePosixPath) -> bool:
    return path.parts[-len(end.parts) :] == end.parts


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
    return f"{names.shortened(text, _LONGEST_STEM)}_{_time(start)}_{_time(end)}"


def _time(seconds: Fraction) -> str:
    if seconds.denominator == 1:
        return f"{seconds.numerator:06d}"
    return f"{float(seconds):010.3f}"


Row = dict[str, Any]


def write_annotations(folder: Path, rows: list[Row]) -> None:
    """Write `annotations/{split}_s.csv` of the clips that were cut, sorted by class and name."""
    made = [row for row in rows if row["status"] == "ok"]
    made.sort(key=lambda row: (class_order(row["label"]), row["clip"]))
    for split in SPLITS:
        records = [_record(row) for row in made if row["split"] == split]
        write_text(folder / "annotations" / f"{split}_s.csv", format_csv(SingleView, records))


def _record(row: Row) -> SingleView:
    name = PurePosixPath(row["file"]).name
    return SingleView(row["label"], name, row["fps"], row["duration_seconds"])


def log_counts(rows: list[Row]) -> None:
    """Log the clips per split and class, and the videos that several splits share."""
    made = [row for row in rows if row["status"] == "ok"]
    for split in SPLITS:
        counts = Counter(row["label"] for row in made if row["split"] == split)
        shown = ", ".join(f"{label} {n}" for label, n in sorted(counts.items()))
        logging.info("%s: %s", split, shown or "none")
    splits: dict[str, set[str]] = {}
    for row in made:
        splits.setdefault(row["path"], set()).add(row["split"])
    shared = sorted(path for path, found in splits.items() if len(found) > 1)
    if shared:
        names = ", ".join(Path(path).name for path in shared[:5])
        logging.warning("%d videos have clips in more than one split: %s", len(shared), names)
