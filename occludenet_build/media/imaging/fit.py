"""Pictures brought to another size: the same bytes on every processor.

Occluders, fills, plates and backgrounds are resized here, and so are the sceneries of the arms that
swap them: what is pasted into a clip must not depend on the machine that made it.
"""

from __future__ import annotations

import cv2
import numpy as np


def resize_deterministic(pixels: np.ndarray, size: tuple[int, ...], method: int) -> np.ndarray:
    """An array (H, W) or (H, W, C), uint8 or float32, resized to (width, height).

    `method` is one of OpenCV's INTER_*. The result has the same bytes on every processor: Intel's
    IPP inside OpenCV rounds differently for each instruction set, so the function disables it for
    its thread.
    """
    before = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)
    try:
        return cv2.resize(pixels, size, interpolation=method)
    finally:
        cv2.ipp.setUseIPP(before)


def cover(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture, uint8 (h, w, 3), scaled to cover `size` (width, height) and cropped in its middle.

    >>> cover(np.zeros((10, 40, 3), np.uint8), (20, 20)).shape
    (20, 20, 3)
    """
    width, height = size
    factor = max(width / picture.shape[1], height / picture.shape[0])
    scaled = (max(width, round(picture.shape[1] * factor)),
              max(height, round(picture.shape[0] * factor)))  # fmt: skip
    if scaled != picture.shape[1::-1]:
        method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        picture = resize_deterministic(picture, scaled, method)
    left, top = (scaled[0] - width) // 2, (scaled[1] - height) // 2
    return picture[top : top + height, left : left + width]
