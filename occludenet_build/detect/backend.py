"""The two interfaces that find people; config.backends has those that implement
them, by name.

A Detector looks at one clip after the other, in worker processes. A Model sees frames of several
clips at once: `together` brings them to it and takes its boxes to their clips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

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
    actors: np.ndarray | None = None
    """(N,) bool, at most one of a frame, or None."""


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


People = tuple[np.ndarray, np.ndarray]
"""Boxes (N, 4) float32 in the picture and scores (N,) float32, the best first."""
Size = tuple[int, int]
"""Width and height of a displayed picture, pixels."""


class Model(Protocol):
    """A network on one device, used by one thread."""

    @property
    def prepare(self) -> Callable[[np.ndarray], np.ndarray]:
        """RGB uint8 (H, W, 3) as the network wants it: uint8 (H', W', 3), whose shape hangs on the
        picture's alone. Any thread may call it, and it holds nothing of the network."""
        ...

    def start(self, prepared: list[np.ndarray]) -> Any:
        """Begin with pictures of one shape; a GPU goes on with them while the next are brought."""
        ...

    def finish(self, started: Any, sizes: list[Size]) -> list[People]:
        """The people in each of them; `sizes` are those of the displayed pictures."""
        ...
