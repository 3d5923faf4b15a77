"""The numbers that the frames of tests/support/export.py show, read from pixels."""

from __future__ import annotations

import numpy as np


def read_code(picture, size: tuple[int, int] = (96, 64)) -> tuple[int, int]:
    """(number of the frame, number of the clip) of a picture, (H, W, 3) or (H, W).

    size: width and height of the picture as it was drawn; a scaled one is read at its own scale.
    """
    grey = np.asarray(picture, float)
    grey = grey.mean(axis=2) if grey.ndim == 3 else grey
    high, wide = grey.shape[0] / size[1], grey.shape[1] / size[0]
    numbers = []
    for row in range(2):
        levels = [grey[int((8 * row + 4) * high), int((8 * bit + 4) * wide)] for bit in range(8)]
        numbers.append(int("".join("1" if level > 128 else "0" for level in levels), 2))
    return numbers[0], numbers[1]
