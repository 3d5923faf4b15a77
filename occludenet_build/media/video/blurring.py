"""Blurring places of a frame in its planes, in the pixel format that is encoded.

A place is averaged in a few cells, whatever its size, and the cells are blurred into each other.
"""

from __future__ import annotations

import av
import cv2
import numpy as np

from occludenet_build.media.video import planes
from occludenet_build.media.video.source import Display

_BLUR = 0.5
"""Sigma of the blur between cells, in cells."""


def hidden_frame(
    frame: av.VideoFrame, places: np.ndarray, display: Display, cells: int
) -> av.VideoFrame:
    """A new frame with places float32 (N, 4), x1 y1 x2 y2 in displayed pixels, hidden.

    All samples outside of the places, widened to whole chroma samples, are those of `frame`.
    """
    layout = planes.layout_of(frame)
    made = planes.new_frame(frame)
    made.pts, made.time_base, made.duration = frame.pts, frame.time_base, frame.duration
    before, after = (planes.plane_arrays(one, layout) for one in (frame, made))
    for old, new in zip(before, after, strict=True):
        new[:] = old
    for place in places:
        x, y, w, h = _coded(place, display)
        for samples, (sub_x, sub_y) in zip(after, layout.shifts, strict=True):
            left, top = x >> sub_x, y >> sub_y
            right, bottom = -(-(x + w) >> sub_x), -(-(y + h) >> sub_y)
            part = samples[top:bottom, left:right]
            part[:] = blurred(part, cells)
    return made


def _coded(place: np.ndarray, display: Display) -> tuple[int, int, int, int]:
    """Left, top, width and height of a place, widened to even coded pixels inside the frame."""
    x1, y1 = np.floor(place[:2]).astype(int).tolist()
    x2, y2 = np.ceil(place[2:]).astype(int).tolist()
    x, y, w, h = display.rect_to_coded(x1, y1, x2 - x1, y2 - y1)
    left, top = max(x - x % 2, 0), max(y - y % 2, 0)
    right = min(x + w + (x + w) % 2, display.coded_width)
    bottom = min(y + h + (y + h) % 2, display.coded_height)
    return left, top, right - left, bottom - top


def blurred(samples: np.ndarray, cells: int) -> np.ndarray:
    """Samples uint8 or uint16 (H, W) as at most `cells` means across the longer side, blurred.

    The result depends on nothing outside of `samples`.

    >>> blurred(np.uint8([[0, 0, 8, 8], [0, 0, 8, 8]]), 1).tolist()
    [[4, 4, 4, 4], [4, 4, 4, 4]]
    """
    height, width = samples.shape
    side = max(height, width) / cells
    grid = max(1, min(width, round(width / side))), max(1, min(height, round(height / side)))
    means = cv2.resize(samples, grid, interpolation=cv2.INTER_AREA)
    large = cv2.resize(means, (width, height), interpolation=cv2.INTER_NEAREST)
    if side <= 1:
        return large
    return cv2.GaussianBlur(large, (0, 0), _BLUR * side, borderType=cv2.BORDER_REPLICATE)
