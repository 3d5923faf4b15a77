"""Many clips through one model: decode ahead, batch by shape, follow, row by row.

    streams    threads decode and prepare the frames of a few clips
    batches    frames of one shape, of whichever clips
    model      the people of a batch; while a GPU works on one, the next is brought
    rows       as soon as the last frame of a clip has its people

A clip that does not read is a failed row, and nothing of the others changes. Open at a time are a
few clips; of the others there is nothing in memory.

One clip from its file to its rows, by a detector that sees one clip at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import cv2
import pyarrow as pa

from occludenet_build.config.people import Detect
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.ledger import Result, attempt
from occludenet_build.core.torch_models import keep_large_blocks, resolve_device
from occludenet_build.media.video.source import rgb_frames
from occludenet_build.people.detect.decode_ahead import (
    QueuedFrame,
    ShapeBatches,
    Stream,
    Turn,
    check_frames,
    in_turns,
)
from occludenet_build.people.detect.to_table import rows_of
from occludenet_build.people.detectors import interface
from occludenet_build.people.detectors.interface import Clip, Detector, Found, Model, model
from occludenet_build.people.detectors.oom_fallback import ShrinkingBatch
from occludenet_build.people.tracking.shots import CutFinder


@dataclass(frozen=True)
class DetectJob:
    """All that a worker process needs for one clip."""

    clip: Clip
    key: str
    settings: Detect
    weights_sha256: str | None


@cache
def _detector(settings: Detect) -> Detector:
    return interface.detector(settings)


def detect_clip(job: DetectJob) -> Result:
    """Find the people of one clip. A clip that does not read becomes a failed row."""
    detector = _detector(job.settings)
    return attempt(initial_row(job), lambda: _look(job.clip, job.settings, detector))


def initial_row(job: DetectJob) -> dict[str, Any]:
    """What is known of a clip's row before any work."""
    return {
        "clip": job.clip.name,
        "key": job.key,
        "backend": job.settings.backend,
        "weights_sha256": job.weights_sha256,
    }


def _look(clip: Clip, settings: Detect, detector: Detector) -> tuple[dict[str, Any], pa.Table]:
    finder = CutFinder()
    frames = finder.watch(check_frames(clip, rgb_frames(clip.path)))
    return rows_of(clip, settings, list(detector.find(clip, frames)), finder.cuts)


@cache
def loaded(settings: Detect, threads: int) -> Model:
    """The model of these settings, once per process."""
    keep_large_blocks()
    device = resolve_device(settings.device)
    if settings.half and not device.startswith("cuda"):
        raise UserError(
            f"detect.half: wanted a CUDA device for true, got {device}; leave detect.half out"
        )
    return ShrinkingBatch(partial(model, settings, threads), device, settings.batch)


def detect_in_batches(
    jobs: Iterable[DetectJob], settings: Detect, threads: int
) -> Iterator[Result]:
    """A result per job, in the order in which they are finished; `jobs` may be lazy."""
    # The model first: a fault of it is the user's, not a clip's.
    model = loaded(settings, threads)
    decoders = settings.decode_threads or max(1, threads)
    logging.info("batches of %d, %d threads decode", settings.batch, decoders)
    cv2.setNumThreads(1)  # each of them scales pictures itself
    search = BatchInference(model, settings)
    streams = (search.open(job) for job in jobs)
    with closing(in_turns(streams, decoders)) as turns:
        for stream, turn in turns:
            search.take(stream, turn)
            yield from search.finished()
    search.rest()
    yield from search.finished()


@dataclass
class _Open:
    """A clip whose rows are not made yet."""

    job: DetectJob
    stream: Stream
    found: list[Found] = field(default_factory=list)
    under_way: int = 0
    """Frames that were taken and have no Found yet."""
    ended: bool = False
    error: ItemError | None = None


class BatchInference:
    """Takes the turns of streams, and has the results of those that are finished."""

    def __init__(self, model: Model, settings: Detect) -> None:
        self.model, self.settings = model, settings
        self._batches = ShapeBatches(settings.batch)
        self._begun: deque[tuple[list[QueuedFrame], Any]] = deque()
        self._open: dict[Stream, _Open] = {}
        # A model on the CPU takes all threads of the job: decoders that took turns with each of
        # them would hold up all, so they work between two batches. Those that are asked for by
        # number have cores of their own.
        shared = not settings.decode_threads and resolve_device(settings.device) == "cpu"
        self._cores = threading.Event() if shared else None
        if self._cores is not None:
            self._cores.set()

    def open(self, job: DetectJob) -> Stream:
        stream = Stream(job.clip, self.model.prepare, self.settings.stride, self._cores)
        self._open[stream] = _Open(job, stream)
        return stream

    def take(self, stream: Stream, turn: Turn) -> None:
        clip = self._open[stream]
        clip.ended, clip.error = turn.ended, turn.error
        clip.under_way += len(turn.frames)
        if clip.error is not None:
            self._batches.drop(stream)
        for batch in self._batches.put(stream, turn.frames):
            self._run(batch)

    def rest(self) -> None:
        """No turn comes any more."""
        for batch in self._batches.rest():
            self._run(batch)
        while self._begun:
            self._collect()

    def _run(self, batch: list[QueuedFrame]) -> None:
        # The next is begun before the last is asked for: a GPU does not stand still in between.
        with self._alone():
            self._begun.append((batch, self.model.start([w.picture for w in batch])))
        if len(self._begun) > 1:
            self._collect()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no thread decodes, if they share the cores."""
        if self._cores is None:
            yield
            return
        self._cores.clear()
        try:
            yield
        finally:
            self._cores.set()

    def _collect(self) -> None:
        batch, started = self._begun.popleft()
        sizes = [(w.stream.clip.width, w.stream.clip.height) for w in batch]
        for waiting, people in zip(batch, self.model.finish(started, sizes), strict=True):
            clip = self._open.get(waiting.stream)
            if clip is not None:  # else it has failed since
                clip.found.append(Found(waiting.number, *people))
                clip.under_way -= 1

    def finished(self) -> Iterator[Result]:
        """Results of the clips of which all is known; each is given once."""
        for clip in list(self._open.values()):
            if clip.error is not None or (clip.ended and clip.under_way == 0):
                del self._open[clip.stream]
                yield _result(clip)


def _result(clip: _Open) -> Result:
    def make() -> tuple[dict[str, Any], Any]:
        if clip.error is not None:
            raise clip.error
        job = clip.job
        return rows_of(job.clip, job.settings, clip.found, clip.stream.cuts.cuts)

    result = attempt(initial_row(clip.job), make)
    seconds = time.monotonic() - clip.stream.begun
    return Result(result.row | {"seconds": seconds}, result.detail)
