"""A picture as 64 bits that stay when it is coded again, scaled, or cropped a little."""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 64
"""Pictures come in as grey squares of this side, pixels."""
_GRID = 32
_MIDDLE = 0.9
_PLAIN = 6.0
"""Pictures whose grey levels spread less, standard deviation of 255, all look alike."""
_BLACK = 20
"""A row or column without a brighter pixel belongs to a black bar."""
_ORDER = sorted(
    ((row, column) for row in range(_GRID) for column in range(_GRID)),
    key=lambda at: (at[0] + at[1], at[0]),
)[1:65]
_ROWS, _COLUMNS = (np.array(places) for places in zip(*_ORDER, strict=True))


def picture_hashes(grey: np.ndarray) -> tuple[int, int] | None:
    """The hashes of a picture uint8 (SIDE, SIDE) and of its middle; None if it is too plain.

    Black bars do not count. The middle of one picture is like the whole of its crop.
    """
    inside = _without_bars(grey)
    whole = picture_hash(inside)
    if whole is None:
        return None
    top, left = (round(side * (1 - _MIDDLE) / 2) for side in inside.shape)
    middle = picture_hash(inside[top : inside.shape[0] - top, left : inside.shape[1] - left])
    return whole, whole if middle is None else middle


def picture_hash(grey: np.ndarray) -> int | None:
    """The signs of the 64 lowest waves of the cosine transform about their median (pHash)."""
    small = cv2.resize(grey, (_GRID, _GRID), interpolation=cv2.INTER_AREA).astype(np.float32)
    if small.std() < _PLAIN:
        return None
    waves = cv2.dct(small)[_ROWS, _COLUMNS]
    bits = np.packbits(waves > np.median(waves))
    return int.from_bytes(bits.tobytes(), "big")


def _without_bars(grey: np.ndarray) -> np.ndarray:
    """The part inside black bars, where they leave at least half of each side."""
    rows = np.flatnonzero(grey.max(axis=1) > _BLACK)
    columns = np.flatnonzero(grey.max(axis=0) > _BLACK)
    if not rows.size or not columns.size:
        return grey
    inside = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return inside if min(inside.shape) >= SIDE // 2 else grey


def differing_bits(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """uint64 hashes, broadcast -> uint8, bits that differ."""
    return np.bitwise_count(first ^ second)
