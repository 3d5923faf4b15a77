"""Frames of several clips, decoded and prepared by threads ahead of the model.

    pool of threads:  A0-15   B0-15   C0-15   A16-31  B16-22
    the model's turn:         A0-15   B0-15   C0-15   A16-31 ...

Some clips are open at a time, one more than there are threads. Each takes its turn, in which so
many of its frames come as make up TURN_PIXELS, while threads decode what the next turns bring. The
order hangs on the clips alone, never on who was faster, so a second run fills the same batches.
In memory are the frames of one turn per open clip.

Frames of several clips in batches of one shape.

A batch is run when it is full. Frames of a rare shape wait until others like them come, but not
for ever: after PATIENCE batches' worth of other frames theirs is run as it is, so that their clip
is finished and what waits stays small. Both hang on the order of the frames alone.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from occludenet_build.core.errors import ItemError
from occludenet_build.media.video.source import rgb_frames
from occludenet_build.people.detectors.interface import Clip, Frames
from occludenet_build.people.tracking.shots import CutFinder

TURN_PIXELS = 16 * 640 * 480
"""Of the frames of one turn: large pictures are slow to decode, so their turns are shorter."""
MOST_FRAMES = 32
"""Of one turn, whatever their size."""

Prepare = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Turn:
    """What one turn of a clip brings."""

    frames: list[tuple[int, np.ndarray]] = field(default_factory=list)
    """Frame number and prepared picture, uint8."""
    ended: bool = False
    """No frame comes after these."""
    error: ItemError | None = None
    """Why the clip ended before its end."""


class Stream:
    """One open clip. `take` may be called by any thread, by one at a time."""

    def __init__(
        self, clip: Clip, prepare: Prepare, stride: int = 1, free: threading.Event | None = None
    ) -> None:
        """`free`: when frames may be decoded; None: always."""
        self.clip, self.begun = clip, time.monotonic()
        self._free = free
        self.cuts = CutFinder()
        self._prepare, self._stride = prepare, stride
        self._frames = self.cuts.watch(check_frames(clip, rgb_frames(clip.path)))
        # All frames are decoded, whatever the stride: cuts lie between neighbours.
        pixels = clip.width * clip.height * stride
        self._count = min(max(1, TURN_PIXELS // pixels), MOST_FRAMES)

    def take(self) -> Turn:
        """The frames of the next turn."""
        taken: list[tuple[int, np.ndarray]] = []
        try:
            for number, picture in self._frames:
                if self._free is not None:
                    self._free.wait()
                if number % self._stride == 0:
                    taken.append((number, self._prepare(picture)))
                if len(taken) == self._count:
                    return Turn(taken)
        except ItemError as error:
            return Turn(ended=True, error=error)
        return Turn(taken, ended=True)


def in_turns(streams: Iterable[Stream], threads: int) -> Generator[tuple[Stream, Turn], None, None]:
    """All turns of all streams; `streams` may be lazy, and is drawn from as clips end."""
    source = iter(streams)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    turns: deque[tuple[Stream, Future[Turn]]] = deque()

    def send(stream: Stream | None) -> None:
        if stream is not None:
            turns.append((stream, pool.submit(stream.take)))

    try:
        for _ in range(threads + 1):
            send(next(source, None))
        while turns:
            stream, future = turns.popleft()
            turn = future.result()
            send(next(source, None) if turn.ended else stream)
            yield stream, turn
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def check_frames(clip: Clip, frames: Frames) -> Iterator[tuple[int, np.ndarray]]:
    """Frames as the index counted them; anything else is another file."""
    count = 0
    for number, picture in frames:
        if picture.shape[1::-1] != (clip.width, clip.height):
            got = f"{picture.shape[1]}x{picture.shape[0]}"
            raise ItemError("source_changed", f"{got} pixels, indexed {clip.width}x{clip.height}")
        count = number + 1
        yield number, picture
    if count != clip.frames:
        raise ItemError("source_changed", f"{count} frames, indexed {clip.frames}")


PATIENCE = 8
"""Most pictures that wait, in batches."""


@dataclass(frozen=True)
class QueuedFrame:
    """One prepared frame on its way to the model."""

    stream: Stream
    number: int
    picture: np.ndarray
    arrived: int
    """How many frames came before it."""


def _arrival(waiting: QueuedFrame) -> int:
    return waiting.arrived


class ShapeBatches:
    """Put frames in; full batches come out, and at the end the rest."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._count = 0
        self._groups: dict[tuple[int, ...], list[QueuedFrame]] = {}

    def put(
        self, stream: Stream, frames: list[tuple[int, np.ndarray]]
    ) -> Iterator[list[QueuedFrame]]:
        for number, picture in frames:
            group = self._groups.setdefault(picture.shape, [])
            group.append(QueuedFrame(stream, number, picture, self._count))
            self._count += 1
            if len(group) == self.size:
                yield self._groups.pop(picture.shape)
            yield from self._late()

    def _late(self) -> Iterator[list[QueuedFrame]]:
        oldest = min((group[0] for group in self._groups.values()), key=_arrival, default=None)
        if oldest and self._count - oldest.arrived >= PATIENCE * self.size:
            yield self._groups.pop(oldest.picture.shape)

    def rest(self) -> Iterator[list[QueuedFrame]]:
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
