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
    """RLE of the pixels of mask `a` that are not in mask `b`, without decoding them."""
    outside = complement(b)
    both = [_rle(a, height, width), _rle(outside, height, width)]
    return coco.merge(both, intersect=True)["counts"]


def complement(counts: bytes) -> bytes:
    """RLE of the pixels that are not in a mask.

    It has the same runs, after a first run of zeros of length 0, or without it. The numbers in an
    RLE are the lengths of the first three runs, then how much longer a run is than the one before
    the last; so all of them stay but one.

    >>> complement(encode(np.eye(2, dtype=bool))) == encode(~np.eye(2, dtype=bool))
    True
    """
    numbers, ends = _first_numbers(counts, 4)
    if numbers[0]:
        if len(numbers) < 3:
            return _number(0) + counts
        third = _number(numbers[2] - numbers[0])
        return _number(0) + counts[: ends[1]] + third + counts[ends[2] :]
    if len(numbers) < 4:
        return counts[ends[0] :]
    return counts[ends[0] : ends[2]] + _number(numbers[3] + numbers[1]) + counts[ends[3] :]


def _first_numbers(counts: bytes, most: int) -> tuple[list[int], list[int]]:
    """The first numbers of an RLE, at most `most`, and where each ends.

    A byte holds five bits of a number, lowest first, and whether more follow; the highest bit of
    the last byte is the sign.
    """
    numbers, ends, value, shift = [], [], 0, 0
    for end, byte in enumerate(counts, 1):
        bits = byte - 48
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            numbers.append(value - (1 << shift) if bits & 16 else value)
            ends.append(end)
            value = shift = 0
            if len(ends) == most:
                break
    return numbers, ends


def _number(value: int) -> bytes:
    """A number as it stands in an RLE."""
    found = bytearray()
    while True:
        bits, value = value & 31, value >> 5
        ends = value == (-1 if bits & 16 else 0)
        found.append(48 + bits + (0 if ends else 32))
        if ends:
            return bytes(found)


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
