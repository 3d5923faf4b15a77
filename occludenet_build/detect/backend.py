"""The one interface that finds people; `backends` has those that implement it, by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

Frames = Iterator[tuple[int, np.ndarray]]
"""(frame number, displayed RGB picture uint8 (H, W, 3)), each frame once, in order."""


@dataclass(frozen=True)
class GivenBoxes:
    """The rows of one clip in the user's box file, by frame."""

    frames: np.ndarray
    """(N,) int64, ascending."""
    boxes: np.ndarray
    """(N, 4) float32."""
    scores: np.ndarray
    """(N,) float32, 1 where the file has none."""
    tracks: np.ndarray | None
    """(N,) int32, or None."""


@dataclass(frozen=True)
class Clip:
    """One clip as the index knows it; sizes are those of the displayed picture, pixels."""

    name: str
    path: str
    width: int
    height: int
    frames: int
    fps: float
    given: GivenBoxes | None = None


@dataclass(frozen=True)
class Found:
    """The people of one frame: boxes (N, 4) float32 in the picture, scores (N,) float32."""

    frame: int
    boxes: np.ndarray
    scores: np.ndarray
    tracks: np.ndarray | None = None
    """(N,) int32 where the backend knows who is who; None: `tracks` finds it out."""


class Detector(Protocol):
    """Made once per process, used for one clip after the other."""

    def find(self, clip: Clip, frames: Frames) -> Iterator[Found]:
        """One Found per frame, in order. Takes from `frames` no more than a batch ahead."""
        ...
