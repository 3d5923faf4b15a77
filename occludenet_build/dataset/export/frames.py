"""The frames of clips as pictures, a folder per clip, for the formats whose readers want them.

A folder is written whole or not at all. `.frames.csv` in the folder of the export says what made
each folder (source, pattern, size), so that a second export, also after a kill, writes only what is
not there. The same source gives the same bytes.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from occludenet_build.core.errors import ItemError, as_item_error
from occludenet_build.core.files import csv_text, replacing_folder, short_hash
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.dataset.clips import ExportClip
from occludenet_build.dataset.export.job import Job
from occludenet_build.media.video.source import rgb_frames

JPEG_QUALITY = 95
"""Of pictures in JPEG, 1 to 100: higher than what the readers' own scripts write."""
JOURNAL = ".frames.csv"
"""Folder of frames, and the key of what made it; no key while it is written."""
_VERSION = "1"


@dataclass(frozen=True)
class FrameFolder:
    """The folder of the frames of a clip."""

    clip: ExportClip
    path: str
    """Below the folder of the export."""
    pattern: str
    """Name of a frame by its number, such as `img_{:05d}.jpg`; JPEG or PNG."""
    short_side: int | None = None
    """Shorter side, pixels; None: as in the clip."""
    first: int = 1
    """Number of the first frame in the pattern."""

    @property
    def key(self) -> str:
        """Hash of everything that determines the pictures."""
        parts = (
            self.clip.file_hash,
            self.pattern,
            f"{self.short_side}",
            f"{JPEG_QUALITY}",
            f"{self.first}",
        )
        return short_hash("frames", _VERSION, *parts)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures, pixels."""
        return scaled((self.clip.width, self.clip.height), self.short_side)


def scaled(size: tuple[int, int], short_side: int | None) -> tuple[int, int]:
    """(width, height) with the shorter side given and the same shape, pixels.

    >>> scaled((340, 256), None), scaled((1920, 1080), 256), scaled((48, 64), 96)
    ((340, 256), (455, 256), (96, 128))
    """
    short = min(size)
    if short_side is None or short < 1:
        return size
    return round(size[0] * short_side / short), round(size[1] * short_side / short)


def write_frames(job: Job, folders: Sequence[FrameFolder]) -> list[ExportClip]:
    """Write the folders of frames; return the clips whose folders are there.

    Clips that do not decode to the number of frames that the build states are left out of the
    export with a reason. With `pixels: false` nothing is written, and all clips are returned.
    """
    for one in folders:
        job.name(one.clip, one.path)
    if not job.settings.pixels:
        return [one.clip for one in folders]
    journal = _Journal(job.folder / JOURNAL)
    due = [one for one in folders if not _is_there(job.folder, one, journal)]
    if due:
        job.output.changing()
        journal.note((one.path, "") for one in due)
    tasks = (_Task(job.build.root / one.clip.file, job.folder / one.path, one) for one in due)
    done = in_processes(_write_folder, tasks, job.threads, lambda task, error: (task.folder, error))
    for one, error in progress(done, len(due), "clip") if due else ():
        if error is None:
            journal.note([(one.path, one.key)])
        else:
            job.leave_out(one.clip, error.reason, error.detail)
    kept = [one for one in folders if one.clip.name not in job.left_out]
    for one in kept:
        job.output.folder_of_files(one.path)
    rows = sorted((one.path, one.key) for one in kept)
    job.output.text(JOURNAL, csv_text(("folder", "key"), rows))
    return [one.clip for one in kept]


def _is_there(root: Path, one: FrameFolder, journal: _Journal) -> bool:
    if journal.keys.get(one.path) != one.key:
        return False
    folder = root / one.path
    return folder.is_dir() and sum(1 for _ in folder.iterdir()) == one.clip.frames


class _Journal:
    """What made the folders, so far; lines are appended, and the last one of a folder counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys: dict[str, str] = {}
        if path.is_file():
            with open(path, newline="", encoding="utf-8") as stream:
                self.keys = {row[0]: row[1] for row in csv.reader(stream) if len(row) == 2}

    def note(self, rows: Iterable[tuple[str, str]]) -> None:
        """Append lines; they begin with a line break, as a kill may have left half a line."""
        with open(self.path, "a", newline="", encoding="utf-8") as stream:
            stream.write("\n" + csv_text((), rows).lstrip("\n"))


@dataclass(frozen=True)
class _Task:
    source: Path
    target: Path
    folder: FrameFolder


def _write_folder(task: _Task) -> tuple[FrameFolder, ItemError | None]:
    """Write the frames of one clip, in a worker process."""
    one, count = task.folder, 0
    try:
        with replacing_folder(task.target) as folder:
            for number, picture in rgb_frames(task.source):
                _write(folder / one.pattern.format(number + one.first), picture, one)
                count = number + 1
            _check_count(count, one.clip)
        return one, None
    except Exception as error:
        return one, as_item_error(error)


def _check_count(count: int, clip: ExportClip) -> None:
    if count != clip.frames:
        raise ItemError("other_frames", f"{count} decode, the build states {clip.frames}")


def _write(path: Path, picture: np.ndarray, folder: FrameFolder) -> None:
    """Write a frame, RGB uint8 (H, W, 3), at the size of the folder."""
    size = scaled((picture.shape[1], picture.shape[0]), folder.short_side)
    if size != (picture.shape[1], picture.shape[0]):
        smaller = size[0] < picture.shape[1]
        picture = cv2.resize(
            picture, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        )
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if path.suffix == ".jpg" else []
    done, encoded = cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ItemError("encode_failed", f"a frame of {folder.clip.name}")
    path.write_bytes(encoded.tobytes())
