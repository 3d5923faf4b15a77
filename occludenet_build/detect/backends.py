"""The backends by name, each imported only when it is used."""

from __future__ import annotations

from collections.abc import Callable

from occludenet_build.config import Detect
from occludenet_build.detect.backend import Detector, Model


def _motion(settings: Detect) -> Detector:
    from occludenet_build.detect.motion import Motion

    return Motion(settings)


def _boxfile(settings: Detect) -> Detector:
    from occludenet_build.detect.boxfile import BoxFile

    return BoxFile()


def _yolo(settings: Detect, threads: int, device: str) -> Model:
    from occludenet_build.detect.yolo import Yolo

    return Yolo(settings, threads, device)


def _torchvision(settings: Detect, threads: int, device: str) -> Model:
    from occludenet_build.detect.torchvision_models import Torchvision

    return Torchvision(settings, threads, device)


DETECTORS: dict[str, Callable[[Detect], Detector]] = {"motion": _motion, "file": _boxfile}
"""Those that look at one clip after the other, by name in the settings."""

MODELS: dict[str, Callable[[Detect, int, str], Model]] = {
    "yolo": _yolo,
    "torchvision": _torchvision,
}
"""Those that see many clips together: name -> model for (settings, torch threads, device)."""

_EVERY_MODEL = ("image_size", "iou", "score", "low_score", "actor_score", "half", "stride")

MATTERS: dict[str, tuple[str, ...]] = {
    "yolo": _EVERY_MODEL,
    "torchvision": (*_EVERY_MODEL, "torchvision_model"),
    "motion": ("min_area_share", "score", "low_score", "actor_score"),
    "file": (),
}
"""The settings that change a backend's boxes; device, batch and threads do not."""
