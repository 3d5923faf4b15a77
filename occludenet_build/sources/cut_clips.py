"""Clips cut out of videos, as segments (OccludeNet-S) and recordings (-I, -M) make them.

Names, the encoder, writing and measuring one clip, the annotations of the release, and counts.
"""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from occludenet_build.core import names, tables
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import replacing, sha256_file, write_text
from occludenet_build.media.video.cut import CutSegment
from occludenet_build.media.video.encoder import Encoding, available_encoder
from occludenet_build.media.video.probe import Limits, probe
from occludenet_build.release.csv_format import Record, format_csv
from occludenet_build.release.terms import SPLITS, class_order

Row = dict[str, Any]

_LONGEST_STEM = 160  # bytes; with times, suffix and temporary name it stays below 255


@dataclass(frozen=True)
class ClipCoding:
    """How clips are encoded: the encoder and the pixel format (composite's settings)."""

    encoding: Encoding
    pix_fmt: str

    @classmethod
    def of(cls, composite: Any) -> ClipCoding:
        """Create it from the section composite, with an encoder that runs here."""
        codec = available_encoder(composite.codec)
        encoding = Encoding.of(dataclasses.replace(composite, codec=codec))
        return cls(encoding, composite.pix_fmt)

    @property
    def values(self) -> dict[str, Any]:
        """What determines the result, for keys."""
        return dataclasses.asdict(self.encoding) | {"pix_fmt": self.pix_fmt}


def stretch_name(stem: str, start: Fraction, end: Fraction) -> str:
    """Name of a clip, in the form of Kinetics: a stem, start and end in seconds.

    >>> stretch_name("Abuse001_x264", Fraction(12), Fraction(41, 2))
    'Abuse001_x264_000012_000020.500'
    """
    return f"{names.shortened(stem, _LONGEST_STEM)}_{_time(start)}_{_time(end)}"


def _time(seconds: Fraction) -> str:
    if seconds.denominator == 1:
        return f"{seconds.numerator:06d}"
    return f"{float(seconds):010.3f}"


def write_clip(root: Path, file: str, make: Callable[[Path], CutSegment]) -> dict[str, Any]:
    """Write `file` below `root` and return its columns; `make` writes the clip to a path.

    Raises ItemError: the reasons of `make`, encode_failed.
    """
    target = root / file
    with replacing(target) as temporary:
        facts = clip_facts(temporary, make(temporary))
    return facts | {"file": file, "file_hash": sha256_file(target)}


def clip_facts(path: Path, piece: CutSegment) -> dict[str, Any]:
    """Columns of a finished clip, measured by decoding it.

    Raises ItemError encode_failed where it has other frames than `piece`.
    """
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


def write_annotations(
    folder: Path,
    suffix: str,
    rows: list[Row],
    kind: type[Record],
    record: Callable[[Row], Record],
) -> None:
    """Write `annotations/{split}_{suffix}.csv` of the clips that were cut, by class and name."""
    made = [row for row in rows if row["status"] == "ok"]
    made.sort(key=lambda row: (class_order(row["label"]), row["clip"]))
    for split in SPLITS:
        records = [record(row) for row in made if row["split"] == split]
        path = folder / "annotations" / f"{split}_{suffix}.csv"
        write_text(path, format_csv(kind, records))


def log_counts(made: list[Row], prefix: str = "") -> None:
    """Log the clips per split and class."""
    for split in SPLITS:
        counts = Counter(row["label"] for row in made if row["split"] == split)
        shown = ", ".join(f"{label} {n}" for label, n in sorted(counts.items()))
        logging.info("%s%s: %s", prefix, split, shown or "none")
