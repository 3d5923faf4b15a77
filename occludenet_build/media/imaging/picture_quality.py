"""Measures of a picture: blur, exposure, and whether it is the same as another one."""

from __future__ import annotations

import cv2
import numpy as np

BLACK, WHITE = 26, 250
"""Grey values, of 255, below which a pixel is black (10 %) and above which it is white (98 %)."""
_SAME = 1
"""Grey values, of 255, by which a block of the same picture may differ after encoding."""


def blur(picture: np.ndarray) -> float:
    """Blur of a picture uint8 (H, W, 3), RGB: 0 (sharp) to 1.

    It is 1 minus the share of detail that blurring the picture again removes (Crete et al., "The
    blur effect: perception and estimation with a new no-reference perceptual blur metric", 2007).
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return max(_blur_along(grey), _blur_along(grey.T))


def _blur_along(grey: np.ndarray) -> float:
    """Blur of a grey picture float32 (H, W) along its columns."""
    grey = np.ascontiguousarray(grey)
    detail = np.abs(np.diff(grey, axis=0))
    left = np.abs(np.diff(cv2.blur(grey, (1, 9)), axis=0))
    total = float(detail.sum())
    return 1 - float(np.maximum(0, detail - left).sum()) / total if total > 0 else 1.0


def exposure(picture: np.ndarray) -> tuple[float, float]:
    """Shares of the pixels of a picture uint8 (H, W, 3), RGB, that are black and white: 0 to 1."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return float((grey < BLACK).mean()), float((grey > WHITE).mean())


def is_same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two pictures show the same, but for what encoding changes.

    Both are grey, uint8 (H, W), and reduced so much that a pixel is the mean of a block.
    """
    return bool(cv2.absdiff(one, other).max() <= _SAME)
