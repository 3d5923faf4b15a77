"""From a photo and a mask to the RGBA picture: the release's crop, and soft edges where asked for.

    alpha 255 ------.                 feather = f: alpha falls over f pixels across the outline,
                     `.               one half on it, so that the mask (alpha of one half or more)
      0                `----------    stays what it was.
              -f/2  0  f/2

Where alpha is neither 0 nor 255 the photo shows a mix of object and background. Its colour is not
taken: each such pixel has the colour of the nearest pixel well inside the object.
"""

from __future__ import annotations

import cv2
import numpy as np

from occludenet_build.core.masks import box_of

Box = tuple[int, int, int, int]
"""x1 y1 x2 y2, pixels, half-open."""

_NEAR = 2
"""A stated box that is off the mask by more pixels is not this mask's."""


def release_crop(mask: np.ndarray, box_xywh: tuple[float, float, float, float] | None) -> Box:
    """The crop of the release: COCO's stated box, cut off to whole numbers.

    It may lose the last column or row of the mask, or keep an empty one, and gives the percent in
    the release's names (photo 524291: 71.25; the tight box of the same mask would be 71.46).
    Without a stated box that fits, the tight box.
    """
    tight = box_of(mask) or (0, 0, 0, 0)
    if box_xywh is None:
        return tight
    x, y, w, h = box_xywh
    stated = (max(0, int(x)), max(0, int(y)), int(x + w), int(y + h))
    off = [abs(a - b) for a, b in zip(stated, tight, strict=True)]
    if max(off) > _NEAR or stated[0] >= stated[2] or stated[1] >= stated[3]:
        return tight
    return stated[0], stated[1], min(stated[2], mask.shape[1]), min(stated[3], mask.shape[0])


def rgba(rgb: np.ndarray, mask: np.ndarray, crop: Box, feather: float = 0.0) -> np.ndarray:
    """The cut-out, uint8 (h, w, 4), straight alpha, black where transparent.

    `rgb` uint8 (H, W, 3), `mask` bool (H, W). A soft edge makes the picture larger than the crop
    by half its width on each side.
    """
    x1, y1, x2, y2 = crop
    part, inside = rgb[y1:y2, x1:x2], mask[y1:y2, x1:x2]
    if not feather:
        alpha = inside[..., None]
        return np.concatenate([part * alpha, alpha * np.uint8(255)], axis=2)
    room = int(np.ceil(feather / 2))
    framed = cv2.copyMakeBorder(part, room, room, room, room, cv2.BORDER_REPLICATE)
    return _soft(framed, np.pad(inside, room), feather)


def _soft(rgb: np.ndarray, mask: np.ndarray, feather: float) -> np.ndarray:
    depth = _depth(mask)
    alpha = np.clip(0.5 + depth / feather, 0, 1)
    colours = rgb[_nearest(_sources(mask, depth, feather))]
    opaque = alpha == 1
    colours[opaque] = rgb[opaque]
    whole = np.round(255 * alpha).astype(np.uint8)[..., None]
    return np.concatenate([colours * (whole > 0), whole], axis=2)


def _depth(mask: np.ndarray) -> np.ndarray:
    """float32 (H, W): pixels to the outline, positive inside, half a pixel beside it."""
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.where(mask, inside - 0.5, 0.5 - outside)


def _sources(mask: np.ndarray, depth: np.ndarray, feather: float) -> np.ndarray:
    """bool (H, W): where colours come from. Parts too thin to have an inside keep their own."""
    core = depth >= feather / 2
    if not core.any():
        return mask
    reach = cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return core | (mask & (reach > 2 * feather))


def _nearest(sources: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index (rows, columns) of the nearest source of every pixel."""
    _, labels = cv2.distanceTransformWithLabels(
        (~sources).astype(np.uint8),
        cv2.DIST_L2,
        cv2.DIST_MASK_5,
        labelType=cv2.DIST_LABEL_PIXEL,
    )
    rows, columns = np.nonzero(sources)
    at = np.zeros(int(labels.max()) + 1, np.int64)
    at[labels[rows, columns]] = np.arange(rows.size)
    found = at[labels]
    return rows[found], columns[found]
