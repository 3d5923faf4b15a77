"""Masks as COCO run-length encodings (RLE), a few hundred bytes per frame.

A mask is a bool array (H, W), with row 0 at the top. Its RLE is the `counts` bytes of pycocotools;
tables store height and width in separate columns.
"""

from __future__ import annotations

import cv2
import numpy as np
from pycocotools import mask as coco


def encode(mask: np.ndarray) -> bytes:
    """Encode a mask, bool (H, W), as RLE.

    Raises ValueError for another shape or dtype.

    >>> decode(encode(np.eye(2, dtype=bool)), 2, 2).tolist()
    [[True, False], [False, True]]
    """
    if mask.ndim != 2 or mask.dtype != bool:
        raise ValueError(f"wanted a mask bool (H, W), got {mask.dtype} {mask.shape}")
    # The RLE runs down the columns. OpenCV transposes faster than numpy.
    columns = cv2.transpose(np.ascontiguousarray(mask).view(np.uint8))
    return coco.encode(columns.reshape(mask.shape[::-1]).T)["counts"]


def decode(counts: bytes, height: int, width: int) -> np.ndarray:
    """Decode an RLE to a contiguous mask, bool (H, W)."""
    columns = coco.decode(_rle(counts, height, width)).T
    return cv2.transpose(columns).reshape(height, width).view(bool)


def area(counts: bytes, height: int, width: int) -> int:
    """Number of pixels of a mask."""
    return int(coco.area(_rle(counts, height, width)))


def intersection(a: bytes, b: bytes, height: int, width: int) -> int:
    """Number of pixels in the intersection of two masks of one frame, without decoding them."""
    both = coco.merge([_rle(a, height, width), _rle(b, height, width)], intersect=True)
    return int(coco.area(both))


def difference(a: bytes, b: bytes, height: int, width: int) -> bytes:
    """RLE of the pixels of mask `a` that are not in mask `b`."""
    return encode(decode(a, height, width) & ~decode(b, height, width))


def run_lengths(counts: bytes, height: int, width: int) -> list[int]:
    """The uncompressed RLE of COCO: lengths of runs down the columns, the first one of zeros.

    >>> run_lengths(encode(np.array([[False, True], [True, True]])), 2, 2)
    [1, 3]
    >>> run_lengths(encode(np.array([[True, False]])), 1, 2)
    [0, 1, 1]
    """
    flat = decode(counts, height, width).T.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(edges, prepend=0, append=flat.size).tolist()
    return [0, *runs] if flat[0] else runs


def bounds(counts: bytes, height: int, width: int) -> list[int]:
    """Tight box of a mask that is not empty, without decoding it: x, y, width, height in pixels.

    >>> bounds(encode(np.array([[False, True], [False, True]])), 2, 2)
    [1, 0, 1, 2]
    """
    return [int(value) for value in coco.toBbox(_rle(counts, height, width))]


def box_of(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """Tight bounding box of a mask, bool (H, W): half-open x1, y1, x2, y2 in pixels.

    None if the mask is empty.
    """
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not columns.size:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _rle(counts: bytes, height: int, width: int) -> dict[str, object]:
    return {"size": [height, width], "counts": counts}
