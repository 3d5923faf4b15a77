"""The actor's boxes of a clip: from a build by the clip's name, or from the user.

A build's boxes know where a shot ends and another person becomes the actor, so that they are
smoothed as composite smooths them; the rows of an array are one person in one shot, apart from gaps
and jumps (`geometry.smooth_boxes`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from occludenet_build.core import tables
from occludenet_build.core.build import BuildTables, DetailStore
from occludenet_build.core.errors import UserError
from occludenet_build.occlusion.geometry import ActorBox
from occludenet_build.occlusion.jobs import actor_boxes
from occludenet_build.occlusion.transform.pixels import is_tensor, is_tv_tensor

FPS = 30.0
"""Frame rate of boxes that come without one, frames per second."""
_LARGEST = 16
"""Sides of a box relative to those of the frame, at most: more is an error in the caller's units,
for which an occluder would take gigabytes."""


@dataclass(frozen=True)
class ClipActor:
    """The actor in every frame of a clip."""

    boxes: Mapping[int, ActorBox]
    """Frame -> the actor's box, in displayed pixels."""
    frames: int
    """Frames of the whole clip."""
    fps: float = FPS
    """Average frame rate, frames per second."""
    size: tuple[int, int] | None = None
    """(width, height) of the frames that the boxes are of; None: not known."""

    @cached_property
    def array(self) -> np.ndarray:
        """float32 (T, 4): x1, y1, x2, y2 in displayed pixels, half-open; nan: no actor."""
        found = np.full((self.frames, 4), np.nan, np.float32)
        for number, actor in self.boxes.items():
            found[number] = actor.box
        return found


class _Facts(NamedTuple):
    """What is known of a clip without its boxes."""

    shard: str
    """Of detect."""
    frames: int
    fps: float
    size: tuple[int, int] | None
    failed: str | None
    """Why detect has nothing of it; None: it has."""


class BuildBoxes:
    """The actor's boxes of a build, `detect/`, by the clip's name in `index/videos.parquet`.

    Holds no open file when it is pickled, and opens its own in every process.
    """

    def __init__(self, root: Path, rows: Mapping[str, _Facts]) -> None:
        """`rows`: clip -> what is known of it without its boxes."""
        self.root, self._rows = root, dict(rows)
        self._opened: tuple[int, DetailStore] | None = None

    @classmethod
    def open(cls, build: Path | str) -> BuildBoxes:
        """The boxes of the build in a folder. Raises UserError where it has none."""
        folder = BuildTables(Path(build), "BuildBoxes.open")
        files = folder.files("detect")
        indexed = folder.table("index", ["clip", "fps", "width", "height"])
        if not files or indexed is None:
            raise UserError(
                f"BuildBoxes: wanted detect/*.parquet and index/videos.parquet in {build}, got "
                "a folder without them; run detect, or give your own boxes"
            )
        known = {row.pop("clip"): row for row in indexed.to_pylist()}
        rows: dict[str, _Facts] = {}
        for path in files:
            for row in tables.read_table(path, ["clip", "status", "reason", "frames"]).to_pylist():
                failed = row["reason"] if row["status"] == "failed" else None
                facts = known.get(row["clip"], {})
                size = (facts["width"], facts["height"]) if facts.get("width") else None
                fps = facts.get("fps") or FPS
                rows[row["clip"]] = _Facts(path.stem, row["frames"], fps, size, failed)
        return cls(folder.root, rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, clip: object) -> bool:
        return clip in self._rows

    def __getitem__(self, clip: str) -> ClipActor:
        """The actor of a clip; without boxes where detect found none.

        Raises UserError for a clip that detect does not have, or could not decode.
        """
        if clip not in self._rows:
            raise UserError(
                f"BuildBoxes: wanted a clip of {self.root / 'detect'}, got {clip!r}; names are "
                "those in index/videos.parquet, of files without their suffix"
            )
        shard, frames, fps, size, failed = self._rows[clip]
        if failed:
            raise UserError(f"BuildBoxes: wanted boxes of {clip}, got none: {failed}; leave it out")
        store = self._store()
        found = store.rows(clip, shard, ["clip"])
        boxes = {} if found is None else actor_boxes(store.actor(clip, shard))
        return ClipActor(boxes, frames, fps, size)

    def _store(self) -> DetailStore:
        """The store, opened by this process: after a fork two would share a place in the file."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), DetailStore(self.root / "detect" / "store")
        return self._opened[1]

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_opened": None}

    def __repr__(self) -> str:
        return f"BuildBoxes({str(self.root)!r}, {len(self)} clips)"


def actor_of(given: Any, size: tuple[int, int], fps: float | None = None) -> ClipActor:
    """The actor given by a caller, for frames of `size` (width, height).

    `given`: a ClipActor; an array or tensor (T, 4) of x1, y1, x2, y2 in pixels, any dtype; a list
    of T such boxes; a `tv_tensors.BoundingBoxes` (T, 4) of any format. A box with nan, or without
    area, or None in a list, is a frame without the actor. `fps`: None takes the actor's own.

    Raises UserError for another shape, or boxes of a picture of another size.
    """
    if isinstance(given, ClipActor):
        if given.size not in (None, size):
            raise _other_size(size, given.size)
        return given if fps is None else replace(given, fps=fps)
    corners = _corners(given, size)
    usable = np.isfinite(corners).all(axis=1)
    usable &= (corners[:, 2:] > corners[:, :2]).all(axis=1)
    sides = np.ptp(corners[usable].reshape(-1, 2, 2), axis=1)
    if (sides > _LARGEST * np.array(size)).any():
        raise _unusable(f"sides up to {sides.max():g} for frames of {size[0]}x{size[1]}")
    rows = zip(usable.nonzero()[0].tolist(), corners[usable].tolist(), strict=True)
    return ClipActor({n: ActorBox(tuple(box)) for n, box in rows}, len(corners), fps or FPS)


def _corners(given: Any, size: tuple[int, int]) -> np.ndarray:
    """float64 (T, 4)"""
    if is_tv_tensor(given, "BoundingBoxes"):
        given = _converted(given, size)
    if is_tensor(given):
        given = given.detach().cpu().numpy()
    if isinstance(given, (list, tuple)):
        given = [(np.nan,) * 4 if box is None else box for box in given]
    try:
        corners = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise _unusable(f"{type(given).__name__} ({error})") from error
    if corners.ndim != 2 or corners.shape[1] != 4:
        raise _unusable(f"{corners.shape}")
    return corners


def _converted(given: Any, size: tuple[int, int]) -> Any:
    from torchvision.transforms.v2.functional import convert_bounding_box_format

    if tuple(given.canvas_size) != size[::-1]:
        raise _other_size(size, tuple(given.canvas_size)[::-1])
    return convert_bounding_box_format(given, new_format="XYXY")


def _other_size(size: tuple[int, int], of: Any) -> UserError:
    return UserError(
        f"occlude: wanted boxes of frames of {size[0]}x{size[1]}, got boxes of {of[0]}x{of[1]}; "
        "occlude before you resize, or resize both together"
    )


def _unusable(got: str) -> UserError:
    return UserError(
        "occlude: wanted the actor's box in every frame of the clip, (T, 4) of x1, y1, x2, y2 in "
        f"pixels, nan or None where there is none, got {got}"
    )
