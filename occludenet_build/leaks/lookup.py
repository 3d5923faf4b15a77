"""An index of 64-bit hashes: those near a given one, without comparing all.

Of two hashes that differ in at most RADIUS bits, one of their four quarters differs in at most one
bit (7 bits cannot be spread as 2, 2, 2, 2). So each hash is filed four times, by its quarters, and
looked up under each quarter of the probe and its 16 neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from occludenet_build.leaks.hashes import differing_bits

RADIUS = 7
"""All hashes within so many bits are found."""
_QUARTERS = 4
_BITS = 16
_NEIGHBOURS = [0, *(1 << bit for bit in range(_BITS))]
_BLOCK = 1 << 22
"""Pairs that are looked at in one go: memory stays below about 200 MB."""


def near(filed: np.ndarray, probes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions (M,) in `probes` and (M,) in `filed`, uint64 arrays, of near pairs, in blocks.

    A pair may come up to four times.
    """
    for quarter in range(_QUARTERS):
        shift = np.uint64(quarter * _BITS)
        keys = _quarter(filed, shift)
        order = np.argsort(keys, kind="stable")
        edges = np.searchsorted(keys[order], np.arange((1 << _BITS) + 1))
        wanted = _quarter(probes, shift)
        for neighbour in _NEIGHBOURS:
            first = edges[wanted ^ neighbour]
            count = edges[(wanted ^ neighbour) + 1] - first
            for part in _blocks(count):
                mine = np.repeat(np.arange(part.start, part.stop), count[part])
                theirs = order[_runs(first[part], count[part])]
                close = differing_bits(probes[mine], filed[theirs]) <= RADIUS
                yield mine[close], theirs[close]


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
