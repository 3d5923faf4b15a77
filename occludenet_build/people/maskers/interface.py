"""What a masker gets and gives: the one interface that all backends share.

Packages that only one backend needs and that need not be there.
"""

from __future__ import annotations

import importlib
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from occludenet_build.config.backends import MASKERS
from occludenet_build.core.errors import UserError
from occludenet_build.media.video import source

BoxedFrame = tuple[int, np.ndarray, np.ndarray]
"""(frame number, displayed picture uint8 (H, W, 3) RGB, box float32 (4,) x1 y1 x2 y2)."""
TrackKey = tuple[int, int]
"""(shot, track)."""
MaskedFrame = tuple[int, np.ndarray]
"""(frame number, mask bool (H, W))."""


@dataclass(frozen=True)
class Clip:
    """A clip with the actor's boxes: frame number -> float32 (4,), displayed pixels.

    tracks: frame number -> the shot and the track of its box; a user's own track may go on over a
    cut, what is masked may not.
    """

    path: Path
    boxes: Mapping[int, np.ndarray]
    frame_count: int
    tracks: Mapping[int, TrackKey] = field(default_factory=dict)

    def runs(self) -> list[list[int]]:
        """The frames that have a box, in stretches without a gap or a change of track.

        >>> boxes = dict.fromkeys([0, 1, 2, 5, 6], np.zeros(4, np.float32))
        >>> who = {0: (0, 1), 1: (0, 1), 2: (1, 1), 5: (1, 1), 6: (1, 1)}
        >>> Clip(Path("a.mp4"), boxes, 9, who).runs()
        [[0, 1], [2], [5, 6]]
        """
        numbers = sorted(self.boxes)
        runs = [numbers[:1]] if numbers else []
        for before, number in pairwise(numbers):
            if number > before + 1 or self.tracks.get(number) != self.tracks.get(before):
                runs.append([])
            runs[-1].append(number)
        return runs

    def frames(self) -> Iterator[BoxedFrame]:
        """The frames that have a box."""
        for number, rgb in self._pictures(self.boxes.keys()):
            yield number, rgb, self.boxes[number]

    def sampled(self, count: int) -> Iterator[tuple[int, np.ndarray]]:
        """About `count` frames (number, picture) spread evenly over the whole clip."""
        step = max(1, self.frame_count // count)
        yield from islice(self._pictures(range(step // 2, self.frame_count, step)), count)

    def _pictures(self, wanted: Container[int]) -> Iterator[tuple[int, np.ndarray]]:
        with source.reading(self.path) as video:
            for number, frame in enumerate(video):
                if number in wanted:
                    yield number, source.to_rgb(frame)


class Masker(Protocol):
    """A backend. It may be used for many clips, one after the other."""

    def masks(self, clip: Clip) -> Iterator[MaskedFrame]:
        """Masks of the actor in the order of the frames; a frame without one is left out."""
        ...


def batches(frames: Iterator[BoxedFrame], size: int) -> Iterator[list[BoxedFrame]]:
    """Frames in lists of at most `size`."""
    while batch := list(islice(frames, size)):
        yield batch


def required_module(name: str, backend: str) -> Any:
    """A module of the package that a backend needs.

    Raises UserError, one line that says what to install, where the package does not import.
    """
    row = MASKERS[backend]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"{backend}: wanted the Python package {row.package}, it does not import ({error}); "
            f"install {row.project}, or choose another actor_masks.backend"
        ) from error
