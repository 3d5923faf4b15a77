"""A picture scaled into the shape that a yolo model takes, and its boxes back again.

The numbers are those of ultralytics' LetterBox and scale_boxes: one scale for both sides, each
side rounded to whole pixels, grey around it, the odd pixel right and below.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from occludenet_build.core import boxes as geometry

GREY = 114


@dataclass(frozen=True)
class Letterbox:
    """Where a picture of (width, height) lies in a shape; all in pixels."""

    width: int
    height: int
    shape: tuple[int, int]
    """Height and width of the whole."""
    inner: tuple[int, int]
    """Width and height of the scaled picture in it."""
    left: int
    top: int

    def put(self, picture: np.ndarray) -> np.ndarray:
        """uint8 (height, width, 3) -> uint8 (*shape, 3), contiguous."""
        if self.inner == (self.width, self.height) == self.shape[::-1]:
            return np.ascontiguousarray(picture)
        whole = np.empty((*self.shape, 3), np.uint8)
        right, bottom = self.left + self.inner[0], self.top + self.inner[1]
        inside = whole[self.top : bottom, self.left : right]
        if self.inner == (self.width, self.height):
            inside[:] = picture
        else:
            cv2.resize(picture, self.inner, dst=inside, interpolation=cv2.INTER_LINEAR)
        whole[: self.top], whole[bottom:] = GREY, GREY
        whole[self.top : bottom, : self.left], whole[self.top : bottom, right:] = GREY, GREY
        return whole

    def back(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes float32 (N, 4) of the whole, in the picture; what lies in the grey is cut off."""
        gain = np.array([self.inner[0] / self.width, self.inner[1] / self.height] * 2, np.float32)
        inside = (boxes - np.array([self.left, self.top] * 2, np.float32)) / gain
        return geometry.clipped(inside, self.width, self.height)


@lru_cache(maxsize=256)
def fitted(size: tuple[int, int], shape: tuple[int, int], stride: int, tight: bool) -> Letterbox:
    """For pictures of `size` (width, height) in `shape` (height, width).

    `tight` leaves off the grey by whole strides: a 640x360 picture makes 640x384, not 640x640.

    >>> fitted((426, 240), (640, 640), 32, True).shape
    (384, 640)
    """
    scale = min(shape[0] / size[1], shape[1] / size[0])
    inner = max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
    across, down = shape[1] - inner[0], shape[0] - inner[1]
    if tight:
        across, down = across % stride, down % stride
    whole = inner[1] + down, inner[0] + across
    # the 0.1 sends halves down on one side and up on the other
    return Letterbox(*size, whole, inner, round(across / 2 - 0.1), round(down / 2 - 0.1))
