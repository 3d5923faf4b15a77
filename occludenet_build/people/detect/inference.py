"""From clips to their rows: one clip at a time with a detector, or many in batches with a model.

`detect_clip` serves backends that search one clip at a time, in worker processes.
`detect_in_batches` serves networks:

    streams    threads decode and prepare the frames of a few clips (decode_ahead)
    batches    frames of one shape, from any of these clips
    model      detects the people of a batch; a GPU works on one while the next is prepared
    rows       are made as soon as the last frame of a clip is done (to_table)

A clip that cannot be decoded becomes a failed row and changes nothing in the other clips. Only the
few open clips take memory.
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
from occludenet_build.core.engines import backend_text, device_of
from occludenet_build.core.errors import UserError
from occludenet_build.core.ledger import ClipResult, attempt
from occludenet_build.core.torch_models import keep_large_blocks
from occludenet_build.people.detect.decode_ahead import (
    ClipStream,
    QueuedFrame,
    ShapeBatches,
    Turn,
    indexed_frames,
    round_robin,
)
from occludenet_build.people.detect.to_table import rows_of
from occludenet_build.people.detectors import interface
from occludenet_build.people.detectors.interface import (
    Detector,
    FrameDetections,
    IndexedClip,
    Model,
    load_model,
    require_packages,
)
from occludenet_build.people.detectors.oom_fallback import ShrinkingBatch
from occludenet_build.people.tracking.shots import CutFinder

REFUSALS = ("camera_moves", "no_person_like_motion")
"""Reasons of the backend motion, which says no rather than guess."""


@dataclass(frozen=True)
class DetectJob:
    """Everything that a worker process needs for one clip."""

    clip: IndexedClip
    key: str
    """Its key in the ledger."""
    settings: Detect
    weights_sha256: str | None
    """Hash of the weights; None for a backend without."""


@cache
def _detector(settings: Detect) -> Detector:
    return interface.load_detector(settings)


def detect_clip(job: DetectJob) -> ClipResult:
    """Detect the people of one clip. A clip that cannot be decoded becomes a failed row."""
    detector = _detector(job.settings)
    return attempt(
        initial_row(job), lambda: _detect(job.clip, job.settings, detector), skipped=REFUSALS
    )


def initial_row(job: DetectJob) -> dict[str, Any]:
    """The columns of a clip's row that are known before detection."""
    return {
        "clip": job.clip.name,
        "key": job.key,
        "backend": backend_text(job.settings.backend, job.settings.engine),
        "weights_sha256": job.weights_sha256,
    }


def _detect(
    clip: IndexedClip, settings: Detect, detector: Detector
) -> tuple[dict[str, Any], pa.Table]:
    finder = CutFinder()
    frames = finder.watch(indexed_frames(clip))
    return rows_of(clip, settings, list(detector.find(clip, frames)), finder.cuts)


@cache
def cached_model(settings: Detect, threads: int) -> Model:
    """The model of these settings, loaded once per process.

    Raises UserError where detect.half asks for half precision without a CUDA device.
    """
    keep_large_blocks()
    require_packages(settings)
    device = device_of(settings.device, settings.engine)
    if settings.half and not device.startswith("cuda"):
        raise UserError(
            f"detect.half: wanted a CUDA device for true, got {device}; leave detect.half out"
        )
    return ShrinkingBatch(partial(load_model, settings, threads), device, settings.batch)


def detect_in_batches(
    jobs: Iterable[DetectJob], settings: Detect, threads: int
) -> Iterator[ClipResult]:
    """Yields a result per job, in the order in which clips are finished; `jobs` may be lazy.

    `threads`: CPU threads of the model, and of decoding without detect.decode_threads.
    """
    # The model is loaded first: if this fails, the error is the user's, not a clip's.
    model = cached_model(settings, threads)
    decoders = settings.decode_threads or max(1, threads)
    logging.info("batches of %d frames, %d decoding threads", settings.batch, decoders)
    cv2.setNumThreads(1)  # each decoding thread scales pictures itself
    inference = BatchInference(model, settings)
    streams = (inference.open(job) for job in jobs)
    with closing(round_robin(streams, decoders)) as turns:
        for stream, turn in turns:
            inference.add(stream, turn)
            yield from inference.finished()
    inference.flush()
    yield from inference.finished()


@dataclass
class _Open:
    """A clip that is not finished."""

    job: DetectJob
    stream: ClipStream
    found: list[FrameDetections] = field(default_factory=list)
    pending: int = 0
    """Frames that are decoded but have no detections yet."""
    ended: bool = False
    """Whether all its frames are decoded."""
    error: Exception | None = None


class BatchInference:
    """Collects frames of open clips into batches, runs the model, and yields finished clips."""

    def __init__(self, model: Model, settings: Detect) -> None:
        self.model, self.settings = model, settings
        self._batches = ShapeBatches(settings.batch)
        self._started: deque[tuple[list[QueuedFrame], Any]] = deque()
        self._open: dict[ClipStream, _Open] = {}
        # A model on the CPU uses all threads of the job, and a decoder on one of their cores delays
        # all of them. So decoders pause during a batch, unless the user gives them their own cores
        # (detect.decode_threads).
        device = device_of(settings.device, settings.engine)
        shared = not settings.decode_threads and device == "cpu"
        self._may_decode = threading.Event() if shared else None
        if self._may_decode is not None:
            self._may_decode.set()

    def open(self, job: DetectJob) -> ClipStream:
        """The stream of a clip's frames; decoding starts with its first turn."""
        stream = ClipStream(job.clip, self.model.prepare, self.settings.stride, self._may_decode)
        self._open[stream] = _Open(job, stream)
        return stream

    def add(self, stream: ClipStream, turn: Turn) -> None:
        """Add the frames of one turn, and run the model on the batches that are full."""
        clip = self._open[stream]
        clip.ended, clip.error = turn.ended, turn.error
        clip.pending += len(turn.frames)
        if clip.error is not None:
            self._batches.drop(stream)
        for batch in self._batches.put(stream, turn.frames):
            self._run(batch)

    def flush(self) -> None:
        """Run the model on the remaining frames, after the last turn."""
        for batch in self._batches.rest():
            self._run(batch)
        while self._started:
            self._collect()

    def _run(self, batch: list[QueuedFrame]) -> None:
        # A batch starts before the last one's results are read, so a GPU is never idle between two.
        with self._decoding_paused():
            self._started.append((batch, self.model.start([w.picture for w in batch])))
        if len(self._started) > 1:
            self._collect()

    @contextmanager
    def _decoding_paused(self) -> Iterator[None]:
        """Pauses the decoding threads where they share the cores with the model."""
        if self._may_decode is None:
            yield
            return
        self._may_decode.clear()
        try:
            yield
        finally:
            self._may_decode.set()

    def _collect(self) -> None:
        batch, started = self._started.popleft()
        sizes = [(w.stream.clip.width, w.stream.clip.height) for w in batch]
        for queued, people in zip(batch, self.model.finish(started, sizes), strict=True):
            clip = self._open.get(queued.stream)
            if clip is not None:  # else the clip has failed meanwhile
                clip.found.append(FrameDetections(queued.number, *people))
                clip.pending -= 1

    def finished(self) -> Iterator[ClipResult]:
        """Yields the results of clips that are done since the last call."""
        for clip in list(self._open.values()):
            if clip.error is not None or (clip.ended and clip.pending == 0):
                del self._open[clip.stream]
                yield _result(clip)


def _result(clip: _Open) -> ClipResult:
    def make() -> tuple[dict[str, Any], Any]:
        if clip.error is not None:
            raise clip.error
        job = clip.job
        return rows_of(job.clip, job.settings, clip.found, clip.stream.cuts.cuts)

    result = attempt(initial_row(clip.job), make)
    seconds = time.monotonic() - clip.stream.begun
    return ClipResult(result.row | {"seconds": seconds}, result.detail)
