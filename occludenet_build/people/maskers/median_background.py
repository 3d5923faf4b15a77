"""The static background behind the actor: the temporal median of a clip, where it is reliable.

It serves clips of a fixed camera only. The median is taken over frames sampled from the whole clip,
without the pixels inside the actor's box of each frame: otherwise an actor who stays in place would
become background.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from occludenet_build.media.imaging import boxes
from occludenet_build.people.maskers.interface import BoxedClip

_SAMPLES = 20
"""Frames whose median is the background."""
_SIDE = 320
"""Longest side of the median, pixels: memory does not depend on the picture's size."""
_LEAST_SEEN = 4
"""Sampled frames in which a pixel must lie outside the box for its background to be known."""
_SAME = 18
"""Largest difference of a channel due to noise and compression, grey levels."""
_STATIC_SHARE = 0.96
"""Least share of the pixels outside the box that equal the median; with less, the camera moves."""
_GROWTH = 0.1
"""Growth of the boxes, share of their sides: a hand outside the box is no background."""


@dataclass(frozen=True)
class Background:
    """The background of a clip, at reduced size."""

    rgb: np.ndarray
    """uint8 (h, w, 3): the median."""
    known: np.ndarray
    """bool (h, w): where the median is reliable."""

    def window(
        self, rect: tuple[int, int, int, int], picture: tuple[int, int], size: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The background in a window of the picture: uint8 (h, w, 3), and where known: bool (h, w).

        rect: x1 y1 x2 y2 of the window, pixels of the picture; picture: its (H, W); size: width
        and height of the result.
        """
        ratio = self.rgb.shape[1] / picture[1], self.rgb.shape[0] / picture[0]
        sx = (rect[2] - rect[0]) * ratio[0] / size[0]
        sy = (rect[3] - rect[1]) * ratio[1] / size[1]
        # Maps the window's pixel centres to the median's.
        shift_x = rect[0] * ratio[0] + (sx - 1) / 2
        shift_y = rect[1] * ratio[1] + (sy - 1) / 2
        matrix = np.array([[sx, 0, shift_x], [0, sy, shift_y]], np.float64)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        rgb = cv2.warpAffine(self.rgb, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        known = cv2.warpAffine(self.known.view(np.uint8) * 255, matrix, size, flags=flags)
        return rgb, known > 254


def estimate_background(clip: BoxedClip) -> Background | None:
    """The background of a clip, or None where the camera moves or too few frames are decoded."""
    pictures, outside = [], []
    for number, rgb in clip.sampled(_SAMPLES):
        small, inside = _reduced(rgb, clip.boxes.get(number))
        pictures.append(small)
        outside.append(~inside)
    if len(pictures) < _LEAST_SEEN:
        return None
    stack, free = np.stack(pictures), np.stack(outside)
    median, seen = _median(stack, free)
    known = seen >= _LEAST_SEEN
    if not _explains(median, stack, free & known):
        return None
    return Background(median, known)


def background_difference(rgb: np.ndarray, background_rgb: np.ndarray) -> np.ndarray:
    """Difference of each pixel from the background's pixels around it, uint8 (H, W), grey levels.

    rgb, background_rgb: uint8 (H, W, 3). The result is the largest over the channels. A pixel
    within the range of its 3 x 3 neighbourhood has no difference, which tolerates a camera that
    shakes by a pixel.
    """
    square = np.ones((3, 3), np.uint8)
    above = cv2.subtract(rgb, cv2.dilate(background_rgb, square))
    below = cv2.subtract(cv2.erode(background_rgb, square), rgb)
    return cv2.max(above, below).max(axis=2)


def _explains(median: np.ndarray, stack: np.ndarray, counted: np.ndarray) -> bool:
    """Whether the frames equal the median where `counted` (N, h, w); if not, the camera moves."""
    shares = [
        float((background_difference(picture, median) < _SAME)[where].mean())
        for picture, where in zip(stack, counted, strict=True)
        if where.any()
    ]
    return bool(shares) and sum(shares) / len(shares) >= _STATIC_SHARE


def _reduced(rgb: np.ndarray, box: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The picture at reduced size uint8 (h, w, 3), and its pixels in the grown box bool (h, w)."""
    scale = min(1.0, _SIDE / max(rgb.shape[:2]))
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
    inside = np.zeros(small.shape[:2], bool)
    if box is not None:
        x1, y1, x2, y2 = boxes.expanded(box[None] * np.float32(scale), _GROWTH)[0]
        inside[
            max(0, int(np.floor(y1))) : max(0, int(np.ceil(y2))),
            max(0, int(np.floor(x1))) : max(0, int(np.ceil(x2))),
        ] = True
    return small, inside


def _median(stack: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median over the frames in which a pixel is free, uint8 (h, w, 3), and their number (h, w).

    stack: uint8 (N, h, w, 3); free: bool (N, h, w), outside the box.
    """
    seen = free.sum(axis=0)
    # 256 sorts the pixels that do not count to the end.
    ordered = np.sort(np.where(free[..., None], stack, np.int16(256)), axis=0)
    middle = np.maximum(seen - 1, 0) // 2
    median = np.take_along_axis(ordered, middle[None, ..., None], axis=0)[0]
    return median.clip(0, 255).astype(np.uint8), seen
