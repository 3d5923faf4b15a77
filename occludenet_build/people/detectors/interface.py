"""The two interfaces of a detector, their data types, and how a backend is loaded by its name.

A backend implements one of the two:

    Detector  searches one clip after the other, in worker processes: motion, file
    Model     runs a network on batches with frames of several clips: yolo, torchvision

To add a backend: its class in a module of this package, and a row in `config.backends`, which names
the class. The module is imported only when the backend is used, so it may import a package that
only this backend needs.

Frames are numbered from 0 in display order. Pictures are RGB, uint8, (H, W, 3). Boxes are float32,
(N, 4), in the order x1, y1, x2, y2: pixels of the displayed picture, x2 and y2 exclusive.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from occludenet_build.config.backends import DETECTORS, modules_of
from occludenet_build.config.people import Detect
from occludenet_build.core import extras

Frames = Iterator[tuple[int, np.ndarray]]
"""(frame number, displayed picture uint8 (H, W, 3)), each frame once, in display order."""
People = tuple[np.ndarray, np.ndarray]
"""Boxes float32 (N, 4) in the displayed picture and scores float32 (N,), highest score first."""
Size = tuple[int, int]
"""Width and height of a displayed picture, pixels."""


@dataclass(frozen=True)
class GivenBoxes:
    """The rows of one clip in the user's box file (detect.boxes), sorted by frame."""

    frames: np.ndarray
    """int64 (N,): frame numbers, ascending."""
    boxes: np.ndarray
    """float32 (N, 4): x1 y1 x2 y2, pixels."""
    scores: np.ndarray
    """float32 (N,): 0 to 1; 1 where the file has no column score."""
    tracks: np.ndarray | None
    """int32 (N,): track numbers; None where the file has no column track."""
    actors: np.ndarray | None = None
    """bool (N,): whether the box is the actor's, at most one per frame; None without a column
    actor."""


@dataclass(frozen=True)
class IndexedClip:
    """One clip as the index describes it."""

    name: str
    path: str
    width: int
    """Of the displayed picture, pixels."""
    height: int
    """Of the displayed picture, pixels."""
    frames: int
    """Number of frames."""
    fps: float
    """Average frame rate, frames per second."""
    given: GivenBoxes | None = None
    """The user's boxes of this clip, for the backend file."""
    sha256: str | None = None
    """Hash of the file when it was indexed; None: not compared."""


@dataclass(frozen=True)
class FrameDetections:
    """The people that a backend detects in one frame."""

    frame: int
    """Frame number from 0."""
    boxes: np.ndarray
    """float32 (N, 4): x1 y1 x2 y2, pixels of the displayed picture."""
    scores: np.ndarray
    """float32 (N,): 0 to 1."""
    tracks: np.ndarray | None = None
    """int32 (N,): track numbers, where the backend knows them; None: `tracking` links the boxes."""


class Detector(Protocol):
    """Searches one clip after the other.

    A backend with `network=False` in `config.backends`. Each worker process constructs one, as
    `cls(settings)`, and uses it for all of its clips.
    """

    def find(self, clip: IndexedClip, frames: Frames) -> Iterator[FrameDetections]:
        """Yields the people of every frame of `clip`, in the order of the frames.

        frames: (number, displayed picture uint8 (H, W, 3) RGB). The decoder runs as `frames` is
        consumed, so an implementation reads at most one batch ahead of what it yields.

        Each result has boxes float32 (N, 4), x1 y1 x2 y2 in pixels of the displayed picture, and
        scores float32 (N,), 0 to 1. A frame without people has a result too, with N = 0.
        Raises ItemError where it cannot tell; the clip's row gets that reason.
        """
        ...


class Model(Protocol):
    """Runs a network on batches of prepared pictures.

    A backend with `network=True` in `config.backends`. It is constructed once per process, as
    `cls(settings, threads, device)`, and one thread calls `start` and `finish`. A batch holds
    frames of several clips:

        start(batch 0), start(batch 1), finish(batch 0), start(batch 2), finish(batch 1), ...
    """

    @property
    def prepare(self) -> Callable[[np.ndarray], np.ndarray]:
        """The function that scales a picture to the network's input, without the network.

        It maps an RGB picture uint8 (H, W, 3) to uint8 (H', W', 3). The output's shape depends on
        the input's shape only, since a batch is made of pictures of one shape. Several threads
        call it at the same time.
        """
        ...

    def start(self, prepared: list[np.ndarray]) -> Any:
        """Starts inference on a batch and returns what `finish` takes.

        prepared: B pictures uint8 (H, W, 3), all of one shape, as `prepare` returns them. On a GPU
        the call may return before the network has finished; decoding continues meanwhile.
        """
        ...

    def finish(self, started: Any, sizes: list[Size]) -> list[People]:
        """Returns the people of each picture of a batch that `start` began.

        sizes: width and height of the B displayed pictures, pixels. Each result is boxes float32
        (N, 4), x1 y1 x2 y2 in pixels of the displayed picture and inside it, and scores float32
        (N,), 0 to 1, highest first.
        """
        ...


def load_detector(settings: Detect) -> Detector:
    """The backend `settings.backend`, which searches one clip at a time."""
    return _backend_class(settings)(settings)


def load_model(settings: Detect, threads: int, device: str) -> Model:
    """The backend `settings.backend`, a network on `device` with `threads` CPU threads."""
    return _backend_class(settings)(settings, threads, device)


def require_packages(settings: Detect) -> None:
    """Raises UserError where a package that `settings.backend` imports is not installed."""
    modules = modules_of("detect", {"backend": settings.backend, "weights": settings.weights})
    extras.require(modules, f"detect.backend {settings.backend}")


def runs_network(settings: Detect) -> bool:
    """Whether `settings.backend` is a network, a `Model`; otherwise it is a `Detector`."""
    return DETECTORS[settings.backend].network


def _backend_class(settings: Detect) -> Any:
    module, _, name = DETECTORS[settings.backend].loads.partition(":")
    return getattr(importlib.import_module(f"{__package__}.{module}"), name)
