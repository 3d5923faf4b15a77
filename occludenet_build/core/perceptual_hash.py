"""The bits of a perceptual hash (pHash): signs of the lowest waves of a picture.

leaks hashes frames of videos by it, occluders the cut-outs of the bank; each with its own size,
waves and thresholds, which were measured for what it compares.
"""

from __future__ import annotations

import cv2
import numpy as np

Index = tuple[np.ndarray, np.ndarray]
"""Rows and columns of coefficients, int (N,) each."""


def lowest_waves(side: int, count: int) -> Index:
    """The `count` lowest frequencies of a square of `side`, without the constant: int64 (N,) twice.

    >>> lowest_waves(8, 5)
    (array([0, 1, 0, 1, 2]), array([1, 0, 2, 1, 0]))
    """
    rows, columns = np.indices((side, side)).reshape(2, -1)
    order = np.lexsort((rows, rows + columns))[1 : count + 1]
    return rows[order], columns[order]


def wave_signs(grey: np.ndarray, waves: Index) -> np.ndarray:
    """Which waves are stronger than their median: uint8 (ceil(N / 8),), eight bits in each.

    `grey` float32 (S, S), S even: the picture scaled to a square. `waves`: the N coefficients of
    its discrete cosine transform that count.
    """
    strengths = cv2.dct(grey)[waves]
    return np.packbits(strengths > np.median(strengths))


def differing_bits(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Bits in which hashes differ: uint64 (N, ...) twice, broadcast -> uint8 (N, ...)."""
    return np.bitwise_count(first ^ second)
