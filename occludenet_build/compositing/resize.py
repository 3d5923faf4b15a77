"""Resizing that machines agree on."""

from __future__ import annotations

import cv2
import numpy as np


def resized(pixels: np.ndarray, size: tuple[int, ...], method: int) -> np.ndarray:
    """Resized to (width, height), with the same bytes on every processor.

    Intel's library inside OpenCV rounds otherwise with every instruction set. The switch is the
    thread's own.
    """
    before = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)
    try:
        return cv2.resize(pixels, size, interpolation=method)
    finally:
        cv2.ipp.setUseIPP(before)
