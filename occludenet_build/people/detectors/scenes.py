"""The parts of a clip through which one empty scene can be seen, and that scene.

A shot whose camera stands still is one part; its scene is the median of its pictures. Where the
camera shakes, turns or zooms a little, the pictures are laid on the one in the middle first
(`camera_motion`). Where it turns further, the shot is cut in halves until each part shows mostly
the same, down to SHORTEST seconds. A part that still does not fit has no scene: the camera moves in
a way that no similarity describes, or something fills the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from occludenet_build.people.detectors.camera_motion import (
    IDENTITY,
    STILL,
    Reference,
    Registration,
    laid_on,
)
from occludenet_build.people.detectors.empty_scene import EmptyScene

SAMPLES = 32
"""Pictures whose median is the scene."""
LEAST_SAMPLES = 8
"""Fewer pictures show no scene."""
SHORTEST = 1.5
"""A part of a moving camera's shot is not cut into parts shorter than this, seconds."""
MOST = 0.9
"""Share of a part's pictures that must lie on its reference."""

STANDS = 0.5
"""Share of a part's pictures that must show that the camera stands still."""
UNMOVED = 0.35
"""Share of corners that stay exactly where they are only before a camera that stands still."""
ALIKE = 0.6
"""Share of the pixels that a still camera keeps, whoever walks by."""
SAME = 10
"""Grey levels by which a pixel may differ and is the same."""
BETTER = 0.6
"""Share that a motion of the camera may leave of what changes without it; more is no motion."""
CAMERA, BRIEF = "camera", "brief"
"""Why a part has no scene: the camera moves, or too few pictures."""
Pictures = Mapping[int, np.ndarray]
"""Frame number -> downscaled picture uint8 (H, W, 3)."""


@dataclass(frozen=True)
class Part:
    """Consecutive frames, and the scene behind them; without a scene, frames without an answer."""

    start: int
    end: int
    """Exclusive."""
    scene: EmptyScene | None = None
    reference: Reference | None = None
    """What its pictures are laid on; None where the camera stands still."""
    why: str | None = None
    """Why there is no scene: CAMERA or BRIEF; None with one."""


def parts_of(pictures: Pictures, start: int, end: int, fps: float) -> list[Part]:
    """The parts of a shot, the frames `start` to `end` - 1; `pictures` samples the clip."""
    inside = [number for number in pictures if start <= number < end]
    if len(inside) < LEAST_SAMPLES:
        return [Part(start, end, why=BRIEF)]
    chosen = [inside[k] for k in evenly(len(inside), SAMPLES)]
    part = _part([pictures[k] for k in chosen], start, end)
    if part.scene is not None or end - start < 2 * SHORTEST * fps:
        return [part]
    middle = (start + end) // 2
    return parts_of(pictures, start, middle, fps) + parts_of(pictures, middle, end, fps)


def evenly(count: int, most: int) -> list[int]:
    """At most `most` of the numbers 0 to `count` - 1, evenly spaced, first and last included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()


def _part(samples: list[np.ndarray], start: int, end: int) -> Part:
    grey = [cv2.cvtColor(sample, cv2.COLOR_RGB2GRAY) for sample in samples]
    reference = Reference(grey[len(grey) // 2])
    found = _registered(reference, grey)
    if _stands_still(reference, found, grey):
        return Part(start, end, EmptyScene(np.stack(samples)))
    laid = [(s, f) for s, f in zip(samples, found, strict=True) if f is not None and f.holds]
    if len(laid) < MOST * len(samples):
        return Part(start, end, why=CAMERA)
    shown = [laid_on(np.full(s.shape[:2], 255, np.uint8), f.transform) == 255 for s, f in laid]
    moved = [laid_on(s, f.transform) for s, f in laid]
    return Part(start, end, EmptyScene(np.stack(moved), np.stack(shown)), reference)


def _stands_still(
    reference: Reference, found: Sequence[Registration | None], grey: Sequence[np.ndarray]
) -> bool:
    """Whether the camera does: hardly ever seen to move, and mostly seen not to.

    A motion that a few corners suggest is believed only if it explains more of the picture than no
    motion does: before a wall, the corners of whoever walks by are the most.
    """
    still, moved = 0, 0
    for registration, picture in zip(found, grey, strict=True):
        alike = _explained(reference.grey, picture)
        if registration is not None and registration.holds and registration.shift >= STILL:
            laid = laid_on(picture, registration.transform)
            shown = laid_on(np.full_like(picture, 255), registration.transform) == 255
            if 1 - _explained(reference.grey[shown], laid[shown]) < BETTER * (1 - alike):
                moved += 1
                continue
        unmoved = registration.unmoved if registration is not None else 0.0
        still += alike >= ALIKE or unmoved > UNMOVED
    return moved <= (1 - MOST) * len(grey) and still >= STANDS * len(grey)


def _explained(one: np.ndarray, other: np.ndarray) -> float:
    """Share of the pixels, grey, uint8 (...), that are the same in both, but for the exposure."""
    change = other.astype(np.int16) - one
    return float((np.abs(change - np.median(change)) <= SAME).mean())


def _registered(reference: Reference, grey: list[np.ndarray]) -> list[Registration | None]:
    """Each picture on the reference, which is the middle one, from the middle outwards."""
    middle = len(grey) // 2
    found: list[Registration | None] = [None] * len(grey)
    for order in (range(middle, len(grey)), range(middle - 1, -1, -1)):
        guess = IDENTITY
        for k in order:
            found[k] = here = reference.register(grey[k], guess)
            guess = here.transform if here is not None and here.holds else guess
    return found
