"""Frames of several clips in batches of one shape.

A batch is run when it is full. Frames of a rare shape wait until others like them come, but not
for ever: after PATIENCE batches' worth of other frames theirs is run as it is, so that their clip
is finished and what waits stays small. Both hang on the order of the frames alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from occludenet_build.detect.streams import Stream

PATIENCE = 8
"""Most pictures that wait, in batches."""


@dataclass(frozen=True)
class Waiting:
    """One prepared frame on its way to the model."""

    stream: Stream
    number: int
    picture: np.ndarray
    arrived: int
    """How many frames came before it."""


def _arrival(waiting: Waiting) -> int:
    return waiting.arrived


class Batches:
    """Put frames in; full batches come out, and at the end the rest."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._count = 0
        self._groups: dict[tuple[int, ...], list[Waiting]] = {}

    def put(self, stream: Stream, frames: list[tuple[int, np.ndarray]]) -> Iterator[list[Waiting]]:
        for number, picture in frames:
            group = self._groups.setdefault(picture.shape, [])
            group.append(Waiting(stream, number, picture, self._count))
            self._count += 1
            if len(group) == self.size:
                yield self._groups.pop(picture.shape)
            yield from self._late()

    def _late(self) -> Iterator[list[Waiting]]:
        oldest = min((group[0] for group in self._groups.values()), key=_arrival, default=None)
        if oldest and self._count - oldest.arrived >= PATIENCE * self.size:
            yield self._groups.pop(oldest.picture.shape)

    def rest(self) -> Iterator[list[Waiting]]:
        """What still waits."""
        while self._groups:
            yield self._groups.pop(next(iter(self._groups)))

    def drop(self, stream: Stream) -> None:
        """Forget the frames of a clip that came to nothing."""
        for shape, group in list(self._groups.items()):
            left = [w for w in group if w.stream is not stream]
            if left:
                self._groups[shape] = left
            else:
                del self._groups[shape]
