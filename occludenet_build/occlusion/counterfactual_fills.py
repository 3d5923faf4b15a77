"""Fills of counterfactuals, by name: the pixels that replace the erased actor.

Each fill changes one plane in place. Results are deterministic: arithmetic is on integers or
independent of the order, so equal planes give equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from occludenet_build.media.imaging import masks
from occludenet_build.media.imaging.fit import resize_deterministic

_MARGIN = 0.25
"""Margin around the actor that noise and inpainting use: share of its longer side, ..."""
_MIN_MARGIN = 8
"""... but at least this number of samples."""
_BLUR_SIDE = 160
"""Longer side of the scaled plane that is blurred, samples."""
_INPAINT_SIDE = 128
"""Longer side of the scaled window that is inpainted, samples. Inpainting takes 23 ms at full size
for an actor of 640x480, 107 ms at 1080p, and 2 ms at this size; the middle of a large hole is
smooth at any size."""
_INPAINT_RADIUS = 3
_BYTES = 4
"""Noise is the sum of this number of uniform bytes: nearly normal, and exact on every machine."""
_BYTES_MEAN, _BYTES_SPREAD = _BYTES * 127.5, (_BYTES * (256**2 - 1) / 12) ** 0.5


@dataclass(frozen=True)
class Hole:
    """One plane of a frame and the region to fill.

    `plane`: uint8 or uint16 (H, W). Masks, bool (H, W): `mask`, the region to fill; `actor`, the
    whole actor, also where an occluder hides them; `unseen`, samples that a fill must not use (the
    actor, and an occluder that is already in the picture). `black`, `peak`: code values of the
    plane; `plate`: the clip's temporal median (H, W) in the plane's dtype, for `median`; `draw`:
    the frame's random numbers, for `noise`.
    """

    plane: np.ndarray
    mask: np.ndarray
    actor: np.ndarray
    unseen: np.ndarray
    black: int
    peak: int
    plate: np.ndarray | None = None
    draw: np.random.Generator | None = None


def fill_zero(hole: Hole) -> None:
    """Fill with black."""
    hole.plane[hole.mask] = hole.black


def fill_mean(hole: Hole) -> None:
    """Fill with the mean of the rest of the plane."""
    rest = hole.plane[~hole.unseen]
    hole.plane[hole.mask] = round(float(rest.mean())) if rest.size else hole.black


def fill_blur(hole: Hole) -> None:
    """Fill with a Gaussian blur of the surroundings; unseen samples have weight 0.

    The blur runs at a bounded size: the result is smooth anyway, and at full size a frame of 1080p
    takes 1.8 s.
    """
    plane, size = hole.plane, _scaled_size(hole.plane.shape, _BLUR_SIDE)
    weight = (~hole.unseen).astype(np.float32)
    deviation = max(1.5, max(size) / 16)
    colour, near = (
        cv2.GaussianBlur(resize_deterministic(part, size, cv2.INTER_AREA), (0, 0), deviation)
        for part in (plane * weight, weight)
    )
    rest = plane[~hole.unseen]
    far = float(rest.mean()) if rest.size else float(hole.black)
    # deep inside a large hole all weights vanish: the result tends to the mean
    filled = (colour + 1e-3 * far) / (near + 1e-3)
    large = resize_deterministic(filled, plane.shape[::-1], cv2.INTER_LINEAR)
    plane[hole.mask] = np.round(large[hole.mask]).astype(plane.dtype)


def fill_median(hole: Hole) -> None:
    """Fill with the clip's temporal median without the actor; blurred where no frame is free.

    Raises ValueError without a plate.
    """
    if hole.plate is None:
        raise ValueError("the median needs the clip's plate")
    hole.plane[hole.mask] = hole.plate[hole.mask]


def fill_noise(hole: Hole) -> None:
    """Fill with noise of the mean and standard deviation of the surroundings, new in each frame.

    Raises ValueError without random numbers.
    """
    if hole.draw is None:
        raise ValueError("noise needs random numbers")
    around = _window(hole.actor)
    if around is None:
        return
    # drawn for the actor's window, not the hole's: an occluder does not change other samples
    shape = hole.actor[around].shape
    sums = hole.draw.integers(0, 256, (_BYTES, *shape), np.uint8).sum(axis=0, dtype=np.int64)
    middle, spread = _statistics(hole, around)
    grain = middle + (sums - _BYTES_MEAN) * (spread / _BYTES_SPREAD)
    inside = hole.mask[around]
    hole.plane[around][inside] = np.clip(np.rint(grain), 0, hole.peak)[inside]


def fill_inpaint(hole: Hole) -> None:
    """Fill with Telea's inpainting (2004) of a window around the actor, at a bounded size."""
    around = _window(hole.actor)
    if around is None:
        return
    plane, unseen = hole.plane[around], hole.unseen[around]
    if unseen.all():
        hole.plane[hole.mask] = hole.black
        return
    size = _scaled_size(plane.shape, _INPAINT_SIDE)
    small = resize_deterministic(np.ascontiguousarray(plane), size, cv2.INTER_AREA)
    # samples that contain any of the actor are unknown, so nothing of the actor bleeds out
    lost = resize_deterministic(unseen.astype(np.float32), size, cv2.INTER_AREA) > 0
    if lost.all():
        hole.plane[hole.mask] = hole.black
        return
    filled = cv2.inpaint(small, lost.astype(np.uint8), _INPAINT_RADIUS, cv2.INPAINT_TELEA)
    large = resize_deterministic(filled, plane.shape[::-1], cv2.INTER_LINEAR)
    inside = hole.mask[around]
    hole.plane[around][inside] = large[inside]


FILLS: dict[str, Callable[[Hole], None]] = {
    "zero": fill_zero,
    "mean": fill_mean,
    "blur": fill_blur,
    "median": fill_median,
    "noise": fill_noise,
    "inpaint": fill_inpaint,
}
"""Name in counterfactual.fill -> function that fills a hole in place."""


def _window(actor: np.ndarray) -> tuple[slice, slice] | None:
    """The actor's bounding window with a margin, inside the plane; None without an actor."""
    box = masks.box_of(actor)
    if box is None:
        return None
    x1, y1, x2, y2 = box
    more = max(_MIN_MARGIN, round(_MARGIN * max(x2 - x1, y2 - y1)))
    return slice(max(0, y1 - more), y2 + more), slice(max(0, x1 - more), x2 + more)


def _statistics(hole: Hole, around: tuple[slice, slice]) -> tuple[float, float]:
    """Mean and standard deviation of the seen samples of a window, else of the plane.

    Black and 0 without seen samples.
    """
    seen = hole.plane[around][~hole.unseen[around]]
    if not seen.size:
        seen = hole.plane[~hole.unseen]
    if not seen.size:
        return float(hole.black), 0.0
    values = seen.astype(np.int64)
    middle = int(values.sum()) / values.size
    variance = int((values * values).sum()) / values.size - middle * middle
    return middle, max(0.0, variance) ** 0.5


def _scaled_size(shape: tuple[int, ...], side: int) -> tuple[int, ...]:
    """(width, height) of an array (H, W), scaled down to a longer side of at most `side`."""
    scale = min(1.0, side / max(shape))
    return tuple(max(1, round(length * scale)) for length in shape[::-1])
