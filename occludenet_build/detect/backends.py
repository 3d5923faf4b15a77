"""The backends by name, each imported only when it is used."""

from __future__ import annotations

from collections.abc import Callable

from occludenet_build.config import Detect
from occludenet_build.detect.backend import Detector


def _yolo(settings: Detect, threads: int) -> Detector:
    from occludenet_build.detect.yolo import Yolo

    return Yolo(settings, threads)


def _motion(settings: Detect, threads: int) -> Detector:
    from occludenet_build.detect.motion import Motion

    return Motion(settings)


def _boxfile(settings: Detect, threads: int) -> Detector:
    from occludenet_build.detect.boxfile import BoxFile

    return BoxFile()


DETECTORS: dict[str, Callable[[Detect, int], Detector]] = {
    "yolo": _yolo,
    "motion": _motion,
    "file": _boxfile,
}
"""Name in the settings -> detector for (settings, torch threads)."""

MATTERS: dict[str, tuple[str, ...]] = {
    "yolo": ("image_size", "iou", "score", "low_score", "actor_score"),
    "motion": ("min_area_share", "score", "low_score", "actor_score"),
    "file": (),
}
"""The settings that change a backend's boxes; device and batch do not."""
