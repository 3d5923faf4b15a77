"""Ground truth of action detection as tubes: the `*-GT.pkl` of UCF101-24, JHMDB, MOC and STADO.

A tube is a box per frame over consecutive frames. Facts of the format: ACT and MOC
(github.com/MCG-NJU/MOC-Detector, MIT), STADO (github.com/haoxiangxu23/stado, MIT).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.core.errors import UserError
from occludenet_build.core.pickles import dump_arrays, load_arrays

SHORTEST = 7
"""K: a tube of fewer frames cannot be trained on (MOC-Detector, option K)."""


@dataclass(frozen=True)
class TubeTruth:
    """What a `*-GT.pkl` holds; a video is named `<class>/<clip>`."""

    labels: list[str]
    """Class names; their positions are the label ids."""
    train_videos: list[list[str]]
    """Videos of each split; one list per split."""
    test_videos: list[list[str]]
    nframes: dict[str, int]
    """Number of frames."""
    resolution: dict[str, tuple[int, int]]
    """Height, width in pixels."""
    gttubes: dict[str, dict[int, list[np.ndarray]]]
    """Video -> label id -> tubes, float32 (N, 5): frame from 1, x1, y1, x2, y2 in pixels from 0,
    where x2 and y2 are the last column and row of the box."""
    gt_occ: dict[str, np.ndarray] = field(default_factory=dict)
    """STADO: uint8 (H, W), 255 in the box, 0 outside and where an occluder is; may be empty."""
    gt_visible: dict[str, dict[int, str]] = field(default_factory=dict)
    """Ours: frame from 1 -> visible part of the actor, COCO RLE counts; may be empty."""

    def write(self) -> bytes:
        """The pickle."""
        return dump_arrays(
            {name: value for name, value in vars(self).items() if value or _needed(name)}
        )

    def boxes(self, video: str) -> Iterator[tuple[int, int, np.ndarray]]:
        """(label id, frame from 0, box float32 (4,) half-open x1, y1, x2, y2) of all tubes."""
        for label, tubes in sorted(self.gttubes[video].items()):
            for tube in tubes:
                for frame, *box in tube:
                    yield label, int(frame) - 1, half_open(np.asarray(box, np.float32))


def inclusive(box: np.ndarray) -> np.ndarray:
    """A half-open box (4,) in pixels as float32 (4,) whose x2, y2 are its last column and row.

    The measures of ACT and MOC add 1 to x2 - x1 and y2 - y1.

    >>> inclusive(np.array([0, 0, 10, 20])).tolist()
    [0.0, 0.0, 9.0, 19.0]
    """
    return box.astype(np.float32) - np.array([0, 0, 1, 1], np.float32)


def half_open(box: np.ndarray) -> np.ndarray:
    """The inverse of `inclusive`: float32 (4,) of a box (4,)."""
    return box.astype(np.float32) + np.array([0, 0, 1, 1], np.float32)


def tubes_of(boxes: dict[int, np.ndarray], shortest: int = SHORTEST) -> list[np.ndarray]:
    """Tubes of one person: runs of consecutive frames, at least `shortest` long.

    `boxes`: frame from 0 -> half-open box (4,) in pixels. Tubes float32 (N, 5), with rows as in
    TubeTruth.gttubes.

    >>> boxes = {n: np.array([n, 0, n + 4, 8]) for n in (0, 1, 2, 5)}
    >>> [tube[:, :2].tolist() for tube in tubes_of(boxes, shortest=2)]
    [[[1.0, 0.0], [2.0, 1.0], [3.0, 2.0]]]
    """
    numbers = np.array(sorted(boxes), int)
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
    return [
        np.stack([np.r_[np.float32(n + 1), inclusive(boxes[n])] for n in run.tolist()])
        for run in runs
        if len(run) >= max(shortest, 1)
    ]


def read_tubes(path: Path) -> TubeTruth:
    """Read a `*-GT.pkl` without running it (core.pickles).

    Raises UserError where it is no such file, a key is missing, or its parts contradict each other.
    """
    content = load_arrays(path)
    wanted = [name for name in TubeTruth.__dataclass_fields__ if _needed(name)]
    got = sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__
    if not isinstance(content, dict) or not set(wanted) <= set(content):
        raise _refused(path, f"the keys {', '.join(wanted)}", str(got))
    known = {name: content[name] for name in TubeTruth.__dataclass_fields__ if name in content}
    try:
        truth = TubeTruth(**(known | {"gttubes": _tubes(known["gttubes"])}))
        _check(truth, path)
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError) as error:
        raise _refused(path, "tubes (N, 5) per video and label", str(error)) from error
    return truth


def _needed(name: str) -> bool:
    return not name.startswith("gt_")


def _tubes(given: Any) -> dict[str, dict[int, list[np.ndarray]]]:
    found: dict[str, dict[int, list[np.ndarray]]] = {}
    for video, by_label in given.items():
        found[video] = {int(k): [np.asarray(t, np.float32) for t in v] for k, v in by_label.items()}
    return found


def _check(truth: TubeTruth, path: Path) -> None:
    for video, by_label in truth.gttubes.items():
        frames = truth.nframes[video]
        for label, tubes in by_label.items():
            if not 0 <= label < len(truth.labels):
                raise _refused(path, f"label ids below {len(truth.labels)}", f"{label} of {video}")
            for tube in tubes:
                if tube.ndim != 2 or tube.shape[1] != 5:
                    raise _refused(path, "tubes of shape (N, 5)", f"{tube.shape} of {video}")
                if not ((tube[:, 0] >= 1) & (tube[:, 0] <= frames)).all():
                    raise _refused(path, f"frames from 1 to {frames}", f"others in {video}")
    for train, test in zip(truth.train_videos, truth.test_videos, strict=True):
        unknown = [video for video in (*train, *test) if video not in truth.gttubes]
        if unknown:
            raise _refused(path, "tubes of every listed video", f"none of {unknown[0]}")


def _refused(path: Path, wanted: str, got: str) -> UserError:
    return UserError(f"{path}: wanted {wanted}, got {got[:160]}; give a *-GT.pkl of MOC's layout")
