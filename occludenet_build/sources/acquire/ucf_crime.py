"""The ledger of UCF-Crime: which of its 1,900 published videos are there.

    ucf_crime.csv           a row per published video: class, split, name (as the lists have it,
                            folder included), status (present, empty_file or missing), path, bytes
    ucf_crime_classes.csv   counts per class and split: published, present, missing, share (0 to 1)

It is written beside a listing of videos of which at least half have names of UCF-Crime. Files are
found by class and number, in any folder: parts and mirrors name folders differently.

Source of the names: the lists that the authors publish with their code
(github.com/WaqasSultani/AnomalyDetectionCVPR2018): Anomaly_Train.txt, 1,610 videos, and
Temporal_Anomaly_Annotation.txt, the 290 test videos. Within a class, numbers are unique over both.
"""

from __future__ import annotations

import csv
import io
import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from occludenet_build.core import files

_NORMAL = "Normal"
_NUMBERS = {
    "Abuse": ("1-50", "28,30"),
    "Arrest": ("1-44,46-51", "1,7,24,30,39"),
    "Arson": ("1-3,5-32,34-42,44-53", "7,9-11,16,18,22,35,41"),
    "Assault": ("1-20,22-42,44-52", "6,10-11"),
    "Burglary": ("1-100", "5,17-18,21,24,32-33,35,37,61,76,79,92"),
    "Explosion": (
        "1-30,32-48,50-52",
        "2,4,7-8,10-11,13,16-17,20-22,25,27-29,33,35-36,39,43",
    ),
    "Fighting": ("2-51", "3,18,33,42,47"),
    _NORMAL: (
        "1-950",
        "3,6,10,14-15,18-19,24-25,27,33-34,41-42,48,50-51,56,59,63,67,70,100,129,150,168,175,182,"
        "189,196,203,210,217,224,246-248,251,289,310,312,317,345,352,360,365,401,417,439,452-453,"
        "478,576,597,603,606,621,634,641,656,686,696,702,704,710,717,722,725,745,758,778,780-783,"
        "798,801,828,831,866-915,923-941,943-944",
    ),
    "RoadAccidents": (
        "1-44,46-151",
        "1-2,4,9-12,16-17,19-22,121-125,127-128,131-133",
    ),
    "Robbery": ("1-150", "48,50,102,106,137"),
    "Shooting": (
        "1-15,17-34,36-44,46-48,50-54",
        "2,4,7-8,10-11,13,15,18-19,21-22,24,26,28,32-34,37,43,46-48",
    ),
    "Shoplifting": (
        "1,3-10,12-22,24-34,36-45,47-55",
        "1,4-5,7,10,15-17,20-22,27-29,31,33-34,37,39,44,49",
    ),
    "Stealing": (
        "2-4,6-32,35-37,42-55,57-63,65-75,77-84,86-89,91-98,100-114",
        "19,36,58,62,79",
    ),
    "Vandalism": ("1-50", "7,15,17,28,36"),
}
"""Class -> (numbers of its videos, those of the test split)."""
_STEM = re.compile(r"(?P<label>[a-z]+?)(?:_?videos)?_?(?P<number>\d{3})(?:_x264.*)?", re.I)
_HEADER = ("class", "split", "name", "status", "path", "bytes")
_CLASSES_HEADER = ("class", "split", "published", "present", "missing", "share")
_WORST = 4
Key = tuple[str, int]
"""Class and number of a video."""


@dataclass(frozen=True)
class PublishedVideo:
    """A video of the published lists."""

    label: str
    number: int
    split: str
    """train or test."""

    @property
    def name(self) -> str:
        """Folder and file as in the lists.

        >>> PublishedVideo("Abuse", 28, "test").name, PublishedVideo("Normal", 3, "test").name
        ('Abuse/Abuse028_x264.mp4', 'Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4')
        """
        if self.label != _NORMAL:
            return f"{self.label}/{self.label}{self.number:03d}_x264.mp4"
        folder, mark = ("Testing", "_") if self.split == "test" else ("Training", "")
        return f"{folder}_Normal_Videos_Anomaly/Normal_Videos{mark}{self.number:03d}_x264.mp4"


def published_videos() -> dict[Key, PublishedVideo]:
    """All videos of the lists, by class and number, sorted."""
    found = {}
    for label, (every, test) in _NUMBERS.items():
        tested = set(_numbers(test))
        for number in _numbers(every):
            split = "test" if number in tested else "train"
            found[label, number] = PublishedVideo(label, number, split)
    return found


def _numbers(ranges: str) -> Iterable[int]:
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def parse_video_name(name: str) -> Key | None:
    """Class and number of a file by its name; None for a name that UCF-Crime does not have.

    >>> parse_video_name("Normal_Videos_003_x264.mp4"), parse_video_name("abuse001.avi")
    (('Normal', 3), ('Abuse', 1))
    >>> parse_video_name("Abuse999_x264.mp4") is None
    True
    """
    found = _STEM.fullmatch(PurePosixPath(name).stem)
    if found is None:
        return None
    key = _LABELS.get(found["label"].casefold(), ""), int(found["number"])
    return key if key in _PUBLISHED else None


_PUBLISHED = published_videos()
_LABELS = {label.casefold(): label for label in _NUMBERS}


def write_ledger(root: Path, listed: Iterable[PurePosixPath], out: Path) -> None:
    """Write the ledger into the folder `out`, and log a line, if these are videos of UCF-Crime.

    `listed`: paths of the videos below `root`. Of several files of a video the largest counts.
    """
    keys = {path: parse_video_name(path.name) for path in listed}
    named = {path: key for path, key in keys.items() if key is not None}
    if not named or 2 * len(named) < len(keys):
        return
    there: dict[Key, tuple[int, Path]] = {}
    for path, key in sorted(named.items()):
        size = _size(root / path)
        if size is not None and size > there.get(key, (-1, root))[0]:
            there[key] = size, root / path
    rows = [_row(video, there.get(key)) for key, video in _PUBLISHED.items()]
    classes = class_rows(rows)
    files.write_text(out / "ucf_crime.csv", _as_csv(rows, _HEADER))
    files.write_text(out / "ucf_crime_classes.csv", _as_csv(classes, _CLASSES_HEADER))
    _log(rows, classes, out)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _row(video: PublishedVideo, found: tuple[int, Path] | None) -> dict[str, Any]:
    size, path = found or (None, None)
    status = "missing" if path is None else "present" if size else "empty_file"
    facts = {"status": status, "path": path, "bytes": size}
    return {"class": video.label, "split": video.split, "name": video.name} | facts


def class_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Counts per class and split of rows of ucf_crime.csv, in their order."""
    published, present = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row in rows:
        group = row["class"], row["split"]
        published[group] += 1
        present[group] += row["status"] == "present"
    return [
        {
            **dict(zip(("class", "split"), group, strict=True)),
            "published": count,
            "present": present[group],
            "missing": count - present[group],
            "share": f"{present[group] / count:.4f}",
        }
        for group, count in sorted(published.items())
    ]


def _as_csv(rows: Iterable[Mapping[str, Any]], header: tuple[str, ...]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _log(rows: list[dict[str, Any]], classes: list[dict[str, Any]], out: Path) -> None:
    lacking = Counter[str]()
    for group in classes:
        lacking[group["class"]] += group["missing"]
    splits = ", ".join(
        f"{split} {sum(g['present'] for g in classes if g['split'] == split)} of "
        f"{sum(g['published'] for g in classes if g['split'] == split)}"
        for split in ("train", "test")
    )
    worst = ", ".join(f"{label} {count}" for label, count in lacking.most_common(_WORST) if count)
    logging.info(
        "UCF-Crime: %d of %d published videos are there (%s)%s; %s names each",
        *(len(rows) - lacking.total(), len(rows), splits),
        *(f", missing most: {worst}" if worst else "", out / "ucf_crime.csv"),
    )
