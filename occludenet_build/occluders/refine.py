"""Maskers that move the outline of a polygon to where the picture has its edge.

A refiner takes the photo, uint8 (H, W, 3) RGB, and the mask of the polygon, bool (H, W), and
returns a mask of the same form. It is named in REFINERS by a function that makes it once per
process; one that needs weights (segment-anything, with the polygon's box and mask as its prompt)
loads them there, and needs an environment that has torch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Protocol

import cv2
import numpy as np

from occludenet_build.core.masks import box_of


class Refiner(Protocol):
    def __call__(self, rgb: np.ndarray, mask: np.ndarray) -> np.ndarray: ...


_BAND = 0.02
"""The outline may move by this share of the square root of the mask's pixels."""
_LEAST_BAND_PX = 3
_AROUND = 3
"""Bands of background around the object that its colours are learnt from."""
_ITERATIONS = 4
_LEAST_OVERLAP = 0.8
"""Intersection over union with the polygon below which something else was found."""


def grabcut(rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """OpenCV's GrabCut in a band along the outline: inside and outside of it nothing changes."""
    band = max(_LEAST_BAND_PX, round(_BAND * float(np.count_nonzero(mask)) ** 0.5))
    window = _window(mask, band * (_AROUND + 1))
    part = np.ascontiguousarray(mask[window]).view(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    core, reach = cv2.erode(part, kernel), cv2.dilate(part, kernel)
    known = np.where(part == 1, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    known[core == 1], known[reach == 0] = cv2.GC_FGD, cv2.GC_BGD
    if not core.any() or reach.all():
        return mask
    cv2.setRNGSeed(0)  # its colour models start from a draw
    bgr = np.ascontiguousarray(rgb[window][..., ::-1])
    inside, outside = np.zeros((1, 65)), np.zeros((1, 65))
    whole = (0, 0, known.shape[1], known.shape[0])
    cv2.grabCut(bgr, known, whole, outside, inside, _ITERATIONS, cv2.GC_INIT_WITH_MASK)
    refined = np.zeros_like(mask)
    refined[window] = _with_core(np.isin(known, (cv2.GC_FGD, cv2.GC_PR_FGD)), core)
    return refined


def _window(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    x1, y1, x2, y2 = box_of(mask) or (0, 0, 0, 0)
    return slice(max(0, y1 - margin), y2 + margin), slice(max(0, x1 - margin), x2 + margin)


def _with_core(found: np.ndarray, core: np.ndarray) -> np.ndarray:
    """The pieces that hold some of the core, smoothed: specks along the outline go."""
    smooth = cv2.medianBlur(found.astype(np.uint8), 5)
    _, labels = cv2.connectedComponents(smooth, connectivity=4)
    kept = np.unique(labels[(core == 1) & (smooth == 1)])
    return np.isin(labels, kept[kept > 0])


REFINERS: dict[str, Callable[[], Refiner]] = {"grabcut": lambda: grabcut}
"""Name in occluders.refine -> what makes the refiner."""


@cache
def refiner(name: str) -> Refiner:
    return REFINERS[name]()


def refined(rgb: np.ndarray, mask: np.ndarray, name: str) -> tuple[np.ndarray, float | None]:
    """(mask, its overlap with the polygon); the polygon and None if none was asked for or if what
    was found is another thing."""
    if name == "none":
        return mask, None
    found = refiner(name)(rgb, mask)
    overlap = float(np.count_nonzero(found & mask) / np.count_nonzero(found | mask))
    return (found, overlap) if overlap >= _LEAST_OVERLAP else (mask, None)
