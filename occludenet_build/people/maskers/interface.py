"""The interface of a masker, its data types, and the import of optional packages.

A backend of actor_masks implements `Masker`. To add one: its class in a module of this package, and
a row in `config.backends`, which names the class. The module is imported only when the backend is
used; a package that only this backend needs is imported by `required_module`.

Frames are numbered from 0 in display order. Pictures are RGB, uint8, (H, W, 3). Boxes are float32,
(4,), in the order x1, y1, x2, y2: pixels of the displayed picture, x2 and y2 exclusive. Masks are
bool, (H, W), in the size of the displayed picture.
"""

from __future__ import annotations

import importlib
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from occludenet_build.config.backends import MASKERS
from occludenet_build.core.errors import UserError
from occludenet_build.media.video import source

BoxedFrame = tuple[int, np.ndarray, np.ndarray]
"""(frame number, displayed picture uint8 (H, W, 3) RGB, box float32 (4,) x1 y1 x2 y2)."""
Frame = TypeVar("Frame")
TrackKey = tuple[int, int]
"""(shot, track number)."""
MaskedFrame = tuple[int, np.ndarray]
"""(frame number, mask bool (H, W))."""


@dataclass(frozen=True)
class BoxedClip:
    """A clip with the boxes of one person, mostly the actor."""

    path: Path
    boxes: Mapping[int, np.ndarray]
    """Frame number -> box float32 (4,): x1 y1 x2 y2, pixels of the displayed picture."""
    frame_count: int
    """Number of frames of the clip, with or without a box."""
    tracks: Mapping[int, TrackKey] = field(default_factory=dict)
    """Frame number -> shot and track of its box. The shot counts too: a user's own track may
    continue across a cut, a mask may not."""

    def runs(self) -> list[list[int]]:
        """The frames with a box, divided at each gap and each change of shot or track.

        >>> boxes = dict.fromkeys([0, 1, 2, 5, 6], np.zeros(4, np.float32))
        >>> who = {0: (0, 1), 1: (0, 1), 2: (1, 1), 5: (1, 1), 6: (1, 1)}
        >>> BoxedClip(Path("a.mp4"), boxes, 9, who).runs()
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
        """Yields the frames with a box, in order.

        Each is (number, displayed picture uint8 (H, W, 3) RGB, box float32 (4,)).
        """
        for number, rgb in self._pictures(self.boxes.keys()):
            yield number, rgb, self.boxes[number]

    def sampled(self, count: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yields about `count` frames, evenly spaced over the clip, with or without a box.

        Each is (number, displayed picture uint8 (H, W, 3) RGB).
        """
        step = max(1, self.frame_count // count)
        yield from islice(self._pictures(range(step // 2, self.frame_count, step)), count)

    def _pictures(self, numbers: Container[int]) -> Iterator[tuple[int, np.ndarray]]:
        with source.open_video(self.path) as video:
            for number, frame in enumerate(video):
                if number in numbers:
                    yield number, source.to_rgb(frame)


class Masker(Protocol):
    """A backend of actor_masks, used for many clips, one after the other.

    A backend with `network=True` in `config.backends` is constructed once, as
    `cls(settings, threads)`; any other once per clip, in worker processes, as `cls(settings)`.
    """

    def masks(self, clip: BoxedClip) -> Iterator[MaskedFrame]:
        """Yields (frame number, mask bool (H, W)) of the person in the clip's boxes.

        In the order of the frames, in the size of the displayed picture; a frame for which the
        backend finds no mask is left out.
        """
        ...


def batches(frames: Iterator[Frame], size: int) -> Iterator[list[Frame]]:
    """Yields frames, of any kind, in lists of at most `size`."""
    while batch := list(islice(frames, size)):
        yield batch


def required_module(name: str, backend: str) -> Any:
    """Import the module `name` of the package that `backend` needs.

    Raises UserError, with what to install, where the package cannot be imported.
    """
    row = MASKERS[backend]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"{backend}: wanted the Python package {row.package}, it does not import ({error}); "
            f"install {row.project}, or choose another actor_masks.backend"
        ) from error
