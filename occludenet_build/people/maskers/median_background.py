"""What stands still behind the actor: the temporal median, where it can be trusted.

Only of use with a fixed camera. The median is taken over frames sampled from the whole clip and
leaves out, in each of them, the pixels inside the actor's box: else an actor who stays in his
place would be taken for background.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from occludenet_build.media.imaging import boxes
from occludenet_build.people.maskers.interface import Clip

_SAMPLES = 20
_SIDE = 320
"""Longer side at which the median is kept, pixels: memory does not grow with the picture."""
_LEAST_SEEN = 4
"""Sampled frames in which a pixel must lie outside the box to be known."""
_SAME = 18
"""Largest difference of a channel that noise and compression make."""
_STATIC_SHARE = 0.96
"""Share of the pixels outside the box that must equal the median: less is a moving camera."""
_GROWTH = 0.1
"""Boxes are grown by this share: a hand that sticks out is not background."""


@dataclass(frozen=True)
class Background:
    """rgb: uint8 (h, w, 3), the median at reduced size; known: bool (h, w), where it holds."""

    rgb: np.ndarray
    known: np.ndarray

    def window(
        self, rect: tuple[int, int, int, int], picture: tuple[int, int], size: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """(rgb, known) of a window x1 y1 x2 y2 of the picture (H, W), scaled to size (w, h)."""
        ratio = self.rgb.shape[1] / picture[1], self.rgb.shape[0] / picture[0]
        sx = (rect[2] - rect[0]) * ratio[0] / size[0]
        sy = (rect[3] - rect[1]) * ratio[1] / size[1]
        # from the window's pixel centres to the median's
        shift_x = rect[0] * ratio[0] + (sx - 1) / 2
        shift_y = rect[1] * ratio[1] + (sy - 1) / 2
        matrix = np.array([[sx, 0, shift_x], [0, sy, shift_y]], np.float64)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        rgb = cv2.warpAffine(self.rgb, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        known = cv2.warpAffine(self.known.view(np.uint8) * 255, matrix, size, flags=flags)
        return rgb, known > 254


def estimate_background(clip: Clip) -> Background | None:
    """The background of a clip, or None where the camera moves or nothing can be known."""
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
    """How far each pixel is from the background or its neighbours there, uint8 (h, w).

    The neighbours forgive a camera that trembles by a pixel: edges and leaves would differ.
    """
    square = np.ones((3, 3), np.uint8)
    above = cv2.subtract(rgb, cv2.dilate(background_rgb, square))
    below = cv2.subtract(cv2.erode(background_rgb, square), rgb)
    return cv2.max(above, below).max(axis=2)


def _explains(median: np.ndarray, stack: np.ndarray, counted: np.ndarray) -> bool:
    """Whether the frames show the median wherever they should: else the camera moves."""
    shares = [
        float((background_difference(picture, median) < _SAME)[where].mean())
        for picture, where in zip(stack, counted, strict=True)
        if where.any()
    ]
    return bool(shares) and sum(shares) / len(shares) >= _STATIC_SHARE


def _reduced(rgb: np.ndarray, box: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The picture at reduced size, and which of its pixels lie in the grown box."""
    scale = min(1.0, _SIDE / max(rgb.shape[:2]))
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
    inside = np.zeros(small.shape[:2], bool)
    if box is not None:
        x1, y1, x2, y2 = boxes.grown(box[None] * np.float32(scale), _GROWTH)[0]
        inside[
            max(0, int(np.floor(y1))) : max(0, int(np.ceil(y2))),
            max(0, int(np.floor(x1))) : max(0, int(np.ceil(x2))),
        ] = True
    return small, inside


def _median(stack: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median over the frames in which a pixel is free, uint8 (h, w, 3), and how many those are.

    stack: uint8 (N, h, w, 3); free: bool (N, h, w).
    """
    seen = free.sum(axis=0)
    # Pixels that do not count sort to the end.
    ordered = np.sort(np.where(free[..., None], stack, np.int16(256)), axis=0)
    middle = np.maximum(seen - 1, 0) // 2
    median = np.take_along_axis(ordered, middle[None, ..., None], axis=0)[0]
    return median.clip(0, 255).astype(np.uint8), seen
