"""Perceptual hashes of pictures (64 bits), and a search for similar hashes.

The hash is robust to re-encoding, scaling and small crops. The search finds similar hashes without
comparing all pairs: of two hashes that differ in at most RADIUS bits, one of the four quarters
differs in at most one bit (7 bits cannot be distributed as 2, 2, 2, 2). Each hash is therefore
indexed by its quarters, and looked up by each quarter of the probe and its 16 neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from occludenet_build.media.imaging.perceptual_hash import (
    differing_bits,
    hash_bits,
    lowest_frequencies,
)

SIDE = 64
"""Side of the grey input pictures, pixels."""
_GRID = 32
"""Side of the scaled picture that is transformed, pixels."""
_MIDDLE = 0.9
"""Share of each side that the middle of a picture has."""
_PLAIN = 6.0
"""Minimum standard deviation of the grey levels, 0 to 255; pictures below it have no hash."""
_BLACK = 20
"""Grey level: a row or column without a brighter pixel is part of a black bar."""
_WAVES = lowest_frequencies(_GRID, 64)

RADIUS = 7
"""Maximum number of differing bits of similar hashes."""
_QUARTERS = 4
_BITS = 16
_NEIGHBOURS = [0, *(1 << bit for bit in range(_BITS))]
_BLOCK = 1 << 22
"""Pairs per block; keeps the memory below about 200 MB."""


def picture_hashes(grey: np.ndarray) -> tuple[int, int] | None:
    """The hashes of a picture uint8 (SIDE, SIDE) and of its middle; None without contrast.

    Black bars are removed first. The middle of a picture is similar to a crop of it.
    """
    inside = _without_bars(grey)
    whole = picture_hash(inside)
    if whole is None:
        return None
    top, left = (round(side * (1 - _MIDDLE) / 2) for side in inside.shape)
    middle = picture_hash(inside[top : inside.shape[0] - top, left : inside.shape[1] - left])
    return whole, whole if middle is None else middle


def picture_hash(grey: np.ndarray) -> int | None:
    """The hash of a picture uint8 (H, W): signs of its 64 lowest waves about their median (pHash).

    None if the contrast is too low.
    """
    small = cv2.resize(grey, (_GRID, _GRID), interpolation=cv2.INTER_AREA).astype(np.float32)
    if small.std() < _PLAIN:
        return None
    return int.from_bytes(hash_bits(small, _WAVES).tobytes(), "big")


def _without_bars(grey: np.ndarray) -> np.ndarray:
    """The part inside black bars; the whole picture if less than half of a side is left."""
    rows = np.flatnonzero(grey.max(axis=1) > _BLACK)
    columns = np.flatnonzero(grey.max(axis=0) > _BLACK)
    if not rows.size or not columns.size:
        return grey
    inside = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return inside if min(inside.shape) >= SIDE // 2 else grey


def near_pairs(indexed: np.ndarray, probes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Similar pairs in blocks: positions int64 (M,) in `probes`, and int64 (M,) in `indexed`.

    `indexed`: uint64 (N,); `probes`: uint64 (K,). A pair may occur up to four times.
    """
    for quarter in range(_QUARTERS):
        shift = np.uint64(quarter * _BITS)
        keys = _quarter(indexed, shift)
        order = np.argsort(keys, kind="stable")
        edges = np.searchsorted(keys[order], np.arange((1 << _BITS) + 1))
        probe_keys = _quarter(probes, shift)
        for neighbour in _NEIGHBOURS:
            first = edges[probe_keys ^ neighbour]
            count = edges[(probe_keys ^ neighbour) + 1] - first
            for part in _blocks(count):
                probe = np.repeat(np.arange(part.start, part.stop), count[part])
                entry = order[_runs(first[part], count[part])]
                close = differing_bits(probes[probe], indexed[entry]) <= RADIUS
                yield probe[close], entry[close]


def _quarter(hashes: np.ndarray, shift: np.uint64) -> np.ndarray:
    return ((hashes >> shift) & np.uint64((1 << _BITS) - 1)).astype(np.int64)


def _blocks(count: np.ndarray) -> Iterator[slice]:
    """Slices of the probes with about _BLOCK pairs each."""
    total = np.cumsum(count)
    start = 0
    while start < len(count):
        done = total[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(total, done + _BLOCK, side="right")))
        yield slice(start, stop)
        start = stop


def _runs(first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """first[0], first[0] + 1, ... count[0] numbers, then those of first[1], and so on.

    >>> _runs(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(count)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - (ends - count), count)
