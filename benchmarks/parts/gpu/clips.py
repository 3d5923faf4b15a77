"""Clips and weights of the measurements: given ones, or drawn clips and random weights.

Speed does not depend on the weights, except for the few boxes that pass NMS.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from occludenet_build.people.maskers.interface import BoxedClip
from occludenet_build.recognition.clip_table import ClipRow

from ..detect import inputs
from .task import Task

VIDEOS = (".mp4", ".mkv", ".webm", ".avi", ".mov")
MOST = 16
"""Given clips that are used: the first by name."""
LABELS = [f"class{number}" for number in range(400)]
"""As many as Kinetics-400 has."""


def paths(task: Task) -> list[Path]:
    """The given clips, or drawn ones of the size of Kinetics' (tiny: of a few small frames).

    Raises RuntimeError where the given folder has none.
    """
    if task.clips is not None:
        found = sorted(p for p in task.clips.rglob("*") if p.suffix.lower() in VIDEOS)
        if not found:
            raise RuntimeError(f"wanted clips ({', '.join(VIDEOS)}) in {task.clips}, found none")
        return found[:MOST]
    sizes = [(128, 96), (96, 128)] if task.tiny else [(340, 256), (454, 256)]
    frames = 8 if task.tiny else 300
    folder = task.folder.parent / "drawn"  # the measurements share them
    folder.mkdir(exist_ok=True)
    made = [folder / f"drawn{number}.mp4" for number in range(len(sizes))]
    for number, (path, size) in enumerate(zip(made, sizes, strict=True)):
        if not path.exists():
            inputs.drawn(folder, number, size, frames)
    return made


def index_rows(task: Task, frames: int) -> list[inputs.Row]:
    """Index rows with at least `frames` frames in all; files come again under other names."""
    known = [inputs.index_row(path) for path in paths(task)]
    rows: list[inputs.Row] = []
    total = 0
    while total < frames or len(rows) < len(known):
        row = known[len(rows) % len(known)]
        rows.append(row | {"clip": f"{len(rows)}-{row['clip']}"})
        total += int(str(row["frames"]))
    return rows


def boxed(task: Task) -> BoxedClip:
    """A clip with a box in every frame."""
    row = inputs.index_row(paths(task)[0])
    width, height, frames = (int(str(row[name])) for name in ("width", "height", "frames"))
    box = np.float32([width / 4, height / 4, 3 * width / 4, height - 4])
    return BoxedClip(Path(str(row["path"])), dict.fromkeys(range(frames), box), frames)


def clip_rows(task: Task, count: int) -> list[ClipRow]:
    """Rows of `count` training clips without counterfactuals; a file may come several times."""
    known = [inputs.index_row(path) for path in paths(task)]
    rows = []
    for number in range(count):
        row = known[number % len(known)]
        file, frames = str(row["path"]), int(str(row["frames"]))
        names = str(number), "D", 0.5, "train", LABELS[number % len(LABELS)], file
        rows.append(ClipRow(*names, str(row["sha256"]), None, None, frames, None, None))
    return rows


def yolo_weights(task: Task) -> tuple[Path, bool]:
    """Weights for detect, and whether they are given ones; else random ones of yolov5su's size."""
    given = sorted(task.weights.glob("yolo*.pt")) if task.weights else []
    given = [path for path in given if "seg" not in path.name and "pose" not in path.name]
    if given:
        return given[0], True
    name = "yolov5n" if task.tiny else "yolov5s"
    return inputs.random_weights(task.folder / "random.pt", name), False


def sam_weights(task: Task, size: str) -> Path | None:
    """Given weights of SAM's `size`, as the published files are named; None without."""
    given = sorted(task.weights.glob(f"sam_{size}*.pth")) if task.weights else []
    return given[0] if given else None
