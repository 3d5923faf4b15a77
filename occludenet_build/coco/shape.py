"""What the outline of a mask tells before its photo is opened: measures without a unit."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from occludenet_build.core.masks import box_of

_RIM = 3
"""So many pixels from the photo's edge count as on it: outlines are drawn by hand."""
_SQUARE = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Shape:
    """The measures of one mask; their names are columns of the table and settings of the gates."""

    border: float
    """Share of the outline that lies on the photo's border: the object goes on beyond it."""
    holes: float
    """Share of the filled mask that is holes."""
    largest_part: float
    """Share of the mask in its largest connected piece."""
    thickness: float
    """Width of the widest circle inside, over the square root of the pixels; a square: 1."""


def shape_of(mask: np.ndarray) -> Shape:
    """The shape of a mask, bool (H, W) of the photo, not empty.

    >>> mask = np.zeros((90, 90), bool)
    >>> mask[20:61, 20:61] = True
    >>> [round(measure, 2) for measure in vars(shape_of(mask)).values()]
    [0.0, 0.0, 1.0, 1.02]
    """
    x1, y1, x2, y2 = box_of(mask) or (0, 0, 0, 0)
    framed = cv2.copyMakeBorder(
        mask[y1:y2, x1:x2].astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0
    )
    pixels = int(np.count_nonzero(framed))
    outline = (framed - cv2.erode(framed, _SQUARE))[1:-1, 1:-1].astype(bool)
    rim = _rim(mask.shape)[y1:y2, x1:x2]
    widest = float(cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max())
    return Shape(
        border=float(np.count_nonzero(outline & rim) / np.count_nonzero(outline)),
        holes=_holes(framed, pixels),
        largest_part=_largest(framed) / pixels,
        thickness=2 * widest / pixels**0.5,
    )


def _rim(shape: tuple[int, ...]) -> np.ndarray:
    rim = np.ones(shape, bool)
    rim[_RIM:-_RIM, _RIM:-_RIM] = False
    return rim


def _holes(framed: np.ndarray, pixels: int) -> float:
    filled = framed.copy()
    cv2.floodFill(filled, None, (0, 0), (2,))
    holes = int(np.count_nonzero(filled == 0))
    return holes / (pixels + holes)


def _largest(framed: np.ndarray) -> int:
    _, _, statistics, _ = cv2.connectedComponentsWithStats(framed, connectivity=8)
    return int(statistics[1:, cv2.CC_STAT_AREA].max())
