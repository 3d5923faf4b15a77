"""Outlines of cut-outs: refined to edges of the picture, cropped as in the release, feathered.

A refiner moves the outline of a polygon to the nearby edges of the picture. It takes the photo, RGB
uint8 (H, W, 3), and the mask of the polygon, bool (H, W), and returns a mask of the same form. For
each name REFINERS has a function that makes the refiner once per process. A refiner with weights
(segment-anything, with the polygon's box and mask as its prompt) would load them there, and would
need an environment with torch.

    alpha 255 ------.                 feather = f: alpha falls over f pixels across the outline
                     `.               and is one half on it, so the mask (alpha of one half or
      0                `----------    more) is unchanged.
              -f/2  0  f/2

Where alpha is neither 0 nor 255, the photo has a mix of object and background. That colour is not
used: each such pixel gets the colour of the nearest pixel well inside the object.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Protocol

import cv2
import numpy as np

from occludenet_build.media.imaging.masks import box_of

Box = tuple[int, int, int, int]
"""x1 y1 x2 y2, pixels, half-open."""

_MAX_BOX_ERROR = 2
"""Pixels: a stated box that differs by more from that of the mask is not used."""
_BAND = 0.02
"""Width of the band in which the outline may move: share of the square root of the mask's
pixels."""
_MIN_BAND_PX = 3
_AROUND = 3
"""Width of the background around the object for the colour models, in bands."""
_ITERATIONS = 4
_MIN_IOU = 0.8
"""Intersection over union with the polygon below which the refined mask is another object."""


class Refiner(Protocol):
    """Moves the outline of a mask, bool (H, W), on a photo uint8 (H, W, 3), RGB."""

    def __call__(self, rgb: np.ndarray, mask: np.ndarray) -> np.ndarray: ...


def grabcut(rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The mask refined by OpenCV's GrabCut (Rother et al. 2004): bool (H, W).

    `rgb` uint8 (H, W, 3), `mask` bool (H, W). Only pixels in a band along the outline change.
    """
    band = max(_MIN_BAND_PX, round(_BAND * float(np.count_nonzero(mask)) ** 0.5))
    window = _window(mask, band * (_AROUND + 1))
    part = np.ascontiguousarray(mask[window]).view(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    core, reach = cv2.erode(part, kernel), cv2.dilate(part, kernel)
    known = np.where(part == 1, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    known[core == 1], known[reach == 0] = cv2.GC_FGD, cv2.GC_BGD
    if not core.any() or reach.all():
        return mask
    cv2.setRNGSeed(0)  # the colour models are initialised at random
    bgr = np.ascontiguousarray(rgb[window][..., ::-1])
    inside, outside = np.zeros((1, 65)), np.zeros((1, 65))
    whole = (0, 0, known.shape[1], known.shape[0])
    cv2.grabCut(bgr, known, whole, outside, inside, _ITERATIONS, cv2.GC_INIT_WITH_MASK)
    refined = np.zeros_like(mask)
    refined[window] = _parts_with_core(np.isin(known, (cv2.GC_FGD, cv2.GC_PR_FGD)), core)
    return refined


def _window(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    x1, y1, x2, y2 = box_of(mask) or (0, 0, 0, 0)
    return slice(max(0, y1 - margin), y2 + margin), slice(max(0, x1 - margin), x2 + margin)


def _parts_with_core(foreground: np.ndarray, core: np.ndarray) -> np.ndarray:
    """The smoothed parts bool (H, W) that contain core pixels; removes specks along the outline."""
    smooth = cv2.medianBlur(foreground.astype(np.uint8), 5)
    _, labels = cv2.connectedComponents(smooth, connectivity=4)
    kept = np.unique(labels[(core == 1) & (smooth == 1)])
    return np.isin(labels, kept[kept > 0])


REFINERS: dict[str, Callable[[], Refiner]] = {"grabcut": lambda: grabcut}
"""Name in occluders.refine -> function that makes the refiner."""


@cache
def refiner(name: str) -> Refiner:
    """The refiner of this name, made once per process."""
    return REFINERS[name]()


def refine_mask(rgb: np.ndarray, mask: np.ndarray, name: str) -> tuple[np.ndarray, float | None]:
    """The refined mask, bool (H, W), and its IoU with the polygon.

    `rgb` uint8 (H, W, 3); `mask` bool (H, W), that of the polygon; `name`: none or one of REFINERS.
    Returns the polygon's mask and None for `none`, or if the refined mask is another object.
    """
    if name == "none":
        return mask, None
    better = refiner(name)(rgb, mask)
    overlap = float(np.count_nonzero(better & mask) / np.count_nonzero(better | mask))
    return (better, overlap) if overlap >= _MIN_IOU else (mask, None)


def release_crop(mask: np.ndarray, box_xywh: tuple[float, float, float, float] | None) -> Box:
    """The crop of a mask bool (H, W) as in the release: COCO's stated box in integers.

    It can lose the last column or row of the mask, or keep an empty one, and gives the percent in
    the release's names (photo 524291: 71.25; with the mask's bounding box 71.46). The mask's
    bounding box if there is no stated box that fits.
    """
    tight = box_of(mask) or (0, 0, 0, 0)
    if box_xywh is None:
        return tight
    x, y, w, h = box_xywh
    stated = (max(0, int(x)), max(0, int(y)), int(x + w), int(y + h))
    off = [abs(a - b) for a, b in zip(stated, tight, strict=True)]
    if max(off) > _MAX_BOX_ERROR or stated[0] >= stated[2] or stated[1] >= stated[3]:
        return tight
    return stated[0], stated[1], min(stated[2], mask.shape[1]), min(stated[3], mask.shape[0])


def cutout_rgba(rgb: np.ndarray, mask: np.ndarray, crop: Box, feather: float = 0.0) -> np.ndarray:
    """The cut-out, RGBA uint8 (h, w, 4), straight alpha, black where transparent.

    `rgb` uint8 (H, W, 3), `mask` bool (H, W); `feather`: width of the soft edge, pixels. A soft
    edge makes the picture larger than the crop by half of that width on each side.
    """
    x1, y1, x2, y2 = crop
    part, inside = rgb[y1:y2, x1:x2], mask[y1:y2, x1:x2]
    if not feather:
        alpha = inside[..., None]
        return np.concatenate([part * alpha, alpha * np.uint8(255)], axis=2)
    margin = int(np.ceil(feather / 2))
    framed = cv2.copyMakeBorder(part, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    return _soft(framed, np.pad(inside, margin), feather)


def _soft(rgb: np.ndarray, mask: np.ndarray, feather: float) -> np.ndarray:
    """RGBA uint8 (H, W, 4) with a feathered alpha."""
    depth = _depth(mask)
    alpha = np.clip(0.5 + depth / feather, 0, 1)
    colours = rgb[_nearest(_sources(mask, depth, feather))]
    opaque = alpha == 1
    colours[opaque] = rgb[opaque]
    whole = np.round(255 * alpha).astype(np.uint8)[..., None]
    return np.concatenate([colours * (whole > 0), whole], axis=2)


def _depth(mask: np.ndarray) -> np.ndarray:
    """Distance to the outline, pixels, float32 (H, W): positive inside; half a pixel next to it."""
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.where(mask, inside - 0.5, 0.5 - outside)


def _sources(mask: np.ndarray, depth: np.ndarray, feather: float) -> np.ndarray:
    """Pixels whose colours are used, bool (H, W). Parts too thin to have a core keep their own."""
    core = depth >= feather / 2
    if not core.any():
        return mask
    reach = cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return core | (mask & (reach > 2 * feather))


def _nearest(sources: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns, int64 (H, W) each, of the nearest source of every pixel."""
    _, labels = cv2.distanceTransformWithLabels(
        (~sources).astype(np.uint8),
        cv2.DIST_L2,
        cv2.DIST_MASK_5,
        labelType=cv2.DIST_LABEL_PIXEL,
    )
    rows, columns = np.nonzero(sources)
    at = np.zeros(int(labels.max()) + 1, np.int64)
    at[labels[rows, columns]] = np.arange(rows.size)
    nearest = at[labels]
    return rows[nearest], columns[nearest]
