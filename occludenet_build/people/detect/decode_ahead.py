"""Decoding ahead of the model: threads decode and prepare frames, which form batches of one shape.

    decoding threads:  A0-15   B0-15   C0-15   A16-31  B16-22
    consumed:                  A0-15   B0-15   C0-15   A16-31 ...

One clip more than there are threads is open at a time. The clips take turns; a turn holds as many
frames of one clip as make up TURN_PIXELS, and threads decode the next turns meanwhile. Memory holds
one turn per open clip.

`ShapeBatches` groups the frames by shape and releases a batch when it is full. Frames of a rare
shape wait for others of that shape, but at most while PATIENCE batches of other frames arrive. Then
their batch is released incomplete, so that their clip finishes and memory stays bounded.

The order of the frames depends on the clips only, not on the threads' speed, so a second run makes
the same batches.
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
from occludenet_build.media.video.source import check_indexed, rgb_frames
from occludenet_build.people.detectors.interface import Frames, IndexedClip
from occludenet_build.people.tracking.shots import CutFinder

TURN_PIXELS = 16 * 640 * 480
"""Pixels of the frames of one turn: large pictures are slow to decode, so turns are shorter."""
MOST_FRAMES = 32
"""Largest number of frames of one turn."""
PATIENCE = 8
"""Largest number of pictures that wait, in batches."""

Prepare = Callable[[np.ndarray], np.ndarray]
"""`Model.prepare`: a picture uint8 (H, W, 3) -> uint8 (H', W', 3)."""


@dataclass(frozen=True)
class Turn:
    """Consecutive frames of one clip."""

    frames: list[tuple[int, np.ndarray]] = field(default_factory=list)
    """Frame number and prepared picture, uint8 (H, W, 3)."""
    ended: bool = False
    """Whether these are the clip's last frames."""
    error: Exception | None = None
    """Why decoding failed, if it did."""


class ClipStream:
    """One open clip. Any thread may call `take`, but only one at a time."""

    def __init__(
        self,
        clip: IndexedClip,
        prepare: Prepare,
        stride: int = 1,
        free: threading.Event | None = None,
    ) -> None:
        """`free`: set while frames may be decoded; None: always."""
        self.clip, self.begun = clip, time.monotonic()
        self._free = free
        self.cuts = CutFinder()
        self._prepare, self._stride = prepare, stride
        self._frames = self.cuts.watch(indexed_frames(clip))
        # All frames are decoded, whatever the stride: a cut is found between two neighbours.
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
        except Exception as error:  # it belongs to this clip; ledger.attempt tells its kind
            return Turn(ended=True, error=error)
        return Turn(taken, ended=True)


def round_robin(
    streams: Iterable[ClipStream], threads: int
) -> Generator[tuple[ClipStream, Turn], None, None]:
    """Yields the turns of all streams, round robin, decoded by `threads` threads.

    `streams` may be lazy: a stream is taken when another one ends.
    """
    source = iter(streams)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    turns: deque[tuple[ClipStream, Future[Turn]]] = deque()

    def submit(stream: ClipStream | None) -> None:
        if stream is not None:
            turns.append((stream, pool.submit(stream.take)))

    try:
        for _ in range(threads + 1):
            submit(next(source, None))
        while turns:
            stream, future = turns.popleft()
            turn = future.result()
            submit(next(source, None) if turn.ended else stream)
            yield stream, turn
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def indexed_frames(clip: IndexedClip) -> Iterator[tuple[int, np.ndarray]]:
    """The frames (number, picture uint8 (H, W, 3)) of a clip, which is the one that was indexed.

    Raises ItemError source_changed for another file, and the reasons of rgb_frames.
    """
    frames = check_frames(clip, rgb_frames(clip.path))
    first = next(frames, None)
    if first is not None:
        if clip.sha256 is not None:  # after opening: what is no video has its own reason
            check_indexed(clip.path, clip.sha256)
        yield first
    yield from frames


def check_frames(clip: IndexedClip, frames: Frames) -> Iterator[tuple[int, np.ndarray]]:
    """Passes on frames (number, picture uint8 (H, W, 3)) while checking them against the index.

    Raises ItemError where the picture size or the number of frames differs: the file has changed.
    """
    count = 0
    for number, picture in frames:
        if picture.shape[1::-1] != (clip.width, clip.height):
            got = f"{picture.shape[1]}x{picture.shape[0]}"
            raise ItemError("source_changed", f"{got} pixels, indexed {clip.width}x{clip.height}")
        count = number + 1
        yield number, picture
    if count != clip.frames:
        raise ItemError("source_changed", f"{count} frames, indexed {clip.frames}")


@dataclass(frozen=True)
class QueuedFrame:
    """One prepared frame that waits for a batch."""

    stream: ClipStream
    number: int
    """Frame number."""
    picture: np.ndarray
    """uint8 (H, W, 3)."""
    arrived: int
    """Number of frames that arrived before it."""


def _arrival(queued: QueuedFrame) -> int:
    return queued.arrived


class ShapeBatches:
    """Groups prepared frames into batches of one shape."""

    def __init__(self, size: int) -> None:
        """`size`: frames per batch."""
        self.size = size
        self._count = 0
        self._groups: dict[tuple[int, ...], list[QueuedFrame]] = {}

    def put(
        self, stream: ClipStream, frames: list[tuple[int, np.ndarray]]
    ) -> Iterator[list[QueuedFrame]]:
        """Add prepared frames (number, uint8 (H, W, 3)); yields the batches to run now."""
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
        """Yields the remaining frames, in batches that are not full."""
        while self._groups:
            yield self._groups.pop(next(iter(self._groups)))

    def drop(self, stream: ClipStream) -> None:
        """Discard the frames of a clip that has failed."""
        for shape, group in list(self._groups.items()):
            kept = [queued for queued in group if queued.stream is not stream]
            if kept:
                self._groups[shape] = kept
            else:
                del self._groups[shape]
