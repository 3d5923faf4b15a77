"""Perceptual hash (pHash): which low-frequency DCT coefficients of an image exceed their median.

The stage leaks hashes frames of videos and the stage occluders hashes cut-outs. Each has its own
size, coefficients and thresholds, which were measured for its images.
"""

from __future__ import annotations

import cv2
import numpy as np

CoefficientIndex = tuple[np.ndarray, np.ndarray]
"""Rows and columns of N DCT coefficients, int64 (N,) each."""


def lowest_frequencies(side: int, count: int) -> CoefficientIndex:
    """Index of the `count` lowest frequencies of a square, without the constant: int64 (N,) twice.

    `side`: side of the square, in pixels.

    >>> lowest_frequencies(8, 5)
    (array([0, 1, 0, 1, 2]), array([1, 0, 2, 1, 0]))
    """
    rows, columns = np.indices((side, side)).reshape(2, -1)
    order = np.lexsort((rows, rows + columns))[1 : count + 1]
    return rows[order], columns[order]


def hash_bits(grey: np.ndarray, waves: CoefficientIndex) -> np.ndarray:
    """Hash bits: which coefficients exceed their median, uint8 (ceil(N / 8),), 8 bits per element.

    `grey`: the image scaled to a square, float32 (S, S), S even. `waves`: index of the N
    coefficients of its discrete cosine transform (DCT) to use.
    """
    strengths = cv2.dct(grey)[waves]
    return np.packbits(strengths > np.median(strengths))


def differing_bits(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Number of differing bits of hashes, uint64 (N, ...) twice, broadcast: uint8 (N, ...)."""
    return np.bitwise_count(first ^ second)
