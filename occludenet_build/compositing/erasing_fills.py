"""The fills of a counterfactual, by name: what stands in the hole where the actor was.

Each changes one plane in place.

All arithmetic is on whole numbers, or the same in every order: equal planes give equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from occludenet_build.compositing.patches import resized
from occludenet_build.core import masks

_AROUND = 0.25
"""Surroundings that noise and inpainting look at: so much of the hole's longer side, ..."""
_AROUND_LEAST = 8
"""... and at least so many samples."""
_BLUR_SIDE = 160
"""Longer side of the plane at which it is blurred, samples."""
_INPAINT_SIDE = 128
"""Longer side of the window that is inpainted, samples. Inpainting at full size takes 23 ms for an
actor of 640x480 and 107 ms at 1080p; so small 2 ms, and the middle of a hole is smooth anyway."""
_INPAINT_RADIUS = 3
_BYTES = 4
"""The noise is a sum of so many uniform bytes: nearly normal, and exact on every machine."""
_BYTES_MEAN, _BYTES_SPREAD = _BYTES * 127.5, (_BYTES * (256**2 - 1) / 12) ** 0.5


@dataclass(frozen=True)
class Hole:
    """One plane (H, W) of a frame, and what is to be filled in it.

    mask: bool, where it is filled; actor: bool, the whole actor, of which an occluder may hide a
    part; unseen: bool, what a fill must not look at (the actor and, if they are erased behind an
    occluder, that one too); all of them (H, W). black, peak: code values of the plane; plate: the
    clip's temporal median (H, W), for `median`; draw: the frame's random numbers, for `noise`.
    """

    plane: np.ndarray
    mask: np.ndarray
    actor: np.ndarray
    unseen: np.ndarray
    black: int
    peak: int
    plate: np.ndarray | None = None
    draw: np.random.Generator | None = None


def zero(hole: Hole) -> None:
    """Black."""
    hole.plane[hole.mask] = hole.black


def mean(hole: Hole) -> None:
    """The mean of the rest of the plane."""
    rest = hole.plane[~hole.unseen]
    hole.plane[hole.mask] = round(float(rest.mean())) if rest.size else hole.black


def blur(hole: Hole) -> None:
    """The surroundings, blurred into the hole; the actor's own pixels weigh nothing.

    Blurred at a bounded size: what is so smooth loses nothing by it, and at 1080p a frame would
    take 1.8 s.
    """
    plane, size = hole.plane, _fitting(hole.plane.shape, _BLUR_SIDE)
    weight = (~hole.unseen).astype(np.float32)
    deviation = max(1.5, max(size) / 16)
    colour, near = (
        cv2.GaussianBlur(resized(part, size, cv2.INTER_AREA), (0, 0), deviation)
        for part in (plane * weight, weight)
    )
    rest = plane[~hole.unseen]
    far = float(rest.mean()) if rest.size else float(hole.black)
    # far inside a large hole no surroundings weigh anything: the mean takes over smoothly
    filled = (colour + 1e-3 * far) / (near + 1e-3)
    large = resized(filled, plane.shape[::-1], cv2.INTER_LINEAR)
    plane[hole.mask] = np.round(large[hole.mask]).astype(plane.dtype)


def median(hole: Hole) -> None:
    """The clip's temporal median without the actor; blurred where they stand in all frames.

    Raises ValueError without a plate.
    """
    if hole.plate is None:
        raise ValueError("the median needs the clip's plate")
    hole.plane[hole.mask] = hole.plate[hole.mask]


def noise(hole: Hole) -> None:
    """Grain with the mean and the spread of the surroundings, drawn anew in every frame.

    Raises ValueError without random numbers.
    """
    if hole.draw is None:
        raise ValueError("noise needs random numbers")
    around = _window(hole.actor)
    if around is None:
        return
    # of the actor's window, not the hole's: an occluder before the actor changes no other sample
    shape = hole.actor[around].shape
    sums = hole.draw.integers(0, 256, (_BYTES, *shape), np.uint8).sum(axis=0, dtype=np.int64)
    middle, spread = _statistics(hole, around)
    grain = middle + (sums - _BYTES_MEAN) * (spread / _BYTES_SPREAD)
    inside = hole.mask[around]
    hole.plane[around][inside] = np.clip(np.rint(grain), 0, hole.peak)[inside]


def inpaint(hole: Hole) -> None:
    """Telea's inpainting of a window around the hole, at a bounded size."""
    around = _window(hole.actor)
    if around is None:
        return
    plane, unseen = hole.plane[around], hole.unseen[around]
    if unseen.all():
        hole.plane[hole.mask] = hole.black
        return
    size = _fitting(plane.shape, _INPAINT_SIDE)
    small = resized(np.ascontiguousarray(plane), size, cv2.INTER_AREA)
    # any sample with a share of the actor in it is unknown: nothing of the actor bleeds out
    lost = resized(unseen.astype(np.float32), size, cv2.INTER_AREA) > 0
    if lost.all():
        hole.plane[hole.mask] = hole.black
        return
    filled = cv2.inpaint(small, lost.astype(np.uint8), _INPAINT_RADIUS, cv2.INPAINT_TELEA)
    large = resized(filled, plane.shape[::-1], cv2.INTER_LINEAR)
    inside = hole.mask[around]
    hole.plane[around][inside] = large[inside]


FILLS: dict[str, Callable[[Hole], None]] = {
    "zero": zero,
    "mean": mean,
    "blur": blur,
    "median": median,
    "noise": noise,
    "inpaint": inpaint,
}
"""Fill by name: changes the plane in place where the mask is true."""


def _window(actor: np.ndarray) -> tuple[slice, slice] | None:
    """The actor's tight window with its surroundings, inside the plane; None without an actor."""
    box = masks.box_of(actor)
    if box is None:
        return None
    x1, y1, x2, y2 = box
    more = max(_AROUND_LEAST, round(_AROUND * max(x2 - x1, y2 - y1)))
    return slice(max(0, y1 - more), y2 + more), slice(max(0, x1 - more), x2 + more)


def _statistics(hole: Hole, around: tuple[slice, slice]) -> tuple[float, float]:
    """Mean and standard deviation of what is seen in a window, else in the plane, else black."""
    seen = hole.plane[around][~hole.unseen[around]]
    if not seen.size:
        seen = hole.plane[~hole.unseen]
    if not seen.size:
        return float(hole.black), 0.0
    values = seen.astype(np.int64)
    middle = int(values.sum()) / values.size
    variance = int((values * values).sum()) / values.size - middle * middle
    return middle, max(0.0, variance) ** 0.5


def _fitting(shape: tuple[int, ...], side: int) -> tuple[int, ...]:
    """(width, height) of an array (H, W) scaled down so that its longer side is `side` at most."""
    scale = min(1.0, side / max(shape))
    return tuple(max(1, round(length * scale)) for length in shape[::-1])
