"""The empty scene behind what moves: the median of pictures that lie on each other."""

from __future__ import annotations

import cv2
import numpy as np

LONGER_SIDE = 320
"""Pictures are compared at this size at most, pixels."""
LEAST_STEP = 16.0
"""Smallest difference from the scene that counts, grey levels of 255; coding noise is less."""
NOISES = 6.0
"""Smallest difference from the scene that counts, standard deviations of the noise."""
SHADOW = 0.6
"""A pixel darkened equally in all colours, but not below this share, lies in a shadow."""
LEAST_SEEN = 0.4
"""Share of the pictures that must show a pixel of the scene."""


class EmptyScene:
    """The empty scene and its noise, from downscaled pictures."""

    def __init__(self, samples: np.ndarray, shown: np.ndarray | None = None) -> None:
        """samples: pictures uint8 (T, H, W, 3) of one place, RGB, as `downscaled` returns them.

        shown: bool (T, H, W), the pixels that each picture has; None: all.
        """
        self.known: np.ndarray | None = None
        if shown is None:
            # The upper of the two middle values: an integer, and much faster than their mean.
            middle = len(samples) // 2
            self.picture = np.partition(samples, middle, axis=0)[middle].astype(np.int16)
        else:
            self.picture = _median_of_shown(samples, shown)
            self.known = (shown.mean(axis=0) >= LEAST_SEEN).view(np.uint8)
        self.grey = cv2.cvtColor(self.picture.astype(np.uint8), cv2.COLOR_RGB2GRAY)
        # Most pixels show the scene most of the time, so the median difference is noise.
        away = np.abs(samples[:, ::2, ::2] - self.picture[::2, ::2])
        if shown is not None:
            away = away[shown[:, ::2, ::2]]
        self.threshold = max(LEAST_STEP, NOISES * 1.4826 * float(np.median(away)))
        self._kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))

    def moving(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What moves in a downscaled picture uint8 (H, W, 3).

        Returns the mask uint8 (H, W), 0 or 1, and the largest difference from the scene over the
        colours, int16 (H, W), grey levels.
        """
        current = picture.astype(np.int16)
        current -= _light_change(current, self.picture)
        red, green, blue = cv2.split(self._difference(current))
        difference = cv2.max(cv2.max(red, green), blue)
        mask = (difference > self.threshold).view(np.uint8)
        self._take_out_shadow(mask, current)
        if self.known is not None:
            mask &= self.known
        clean = cv2.morphologyEx(mask, cv2.MORPH_OPEN, self._kernel)
        return cv2.morphologyEx(clean, cv2.MORPH_CLOSE, self._kernel, iterations=2), difference

    def _difference(self, current: np.ndarray) -> np.ndarray:
        """int16 (H, W, 3); laid pictures may be off by a pixel, so the nearest neighbour counts."""
        if self.known is None:
            return cv2.absdiff(current, self.picture)
        square = np.ones((3, 3), np.uint8)
        above = current - cv2.dilate(self.picture, square)
        below = cv2.erode(self.picture, square) - current
        return np.maximum(np.maximum(above, below), 0)

    def _take_out_shadow(self, mask: np.ndarray, current: np.ndarray) -> None:
        """Clear the mask uint8 (H, W) where the picture int16 (H, W, 3) shows a shadow."""
        rows, columns = np.nonzero(mask)
        lit = self.picture[rows, columns].astype(np.float32)
        share = (current[rows, columns] + np.float32(4)) / (lit + 4)
        low, high = share.min(axis=1), share.max(axis=1)
        shadow = (low >= SHADOW) & (high <= 1) & (high - low < 0.08)
        mask[rows[shadow], columns[shadow]] = 0


def _median_of_shown(samples: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The median over the pictures that show a pixel, int16 (H, W, 3); 0 where none does."""
    order = np.where(shown[..., None], samples, 255).astype(np.uint8)
    order.sort(axis=0)
    middle = (shown.sum(axis=0) // 2)[None, ..., None].clip(0, len(samples) - 1)
    return np.take_along_axis(order, np.repeat(middle, 3, -1), 0)[0].astype(np.int16)


def _light_change(current: np.ndarray, scene: np.ndarray) -> np.ndarray:
    """Change of exposure per colour, int16 (3,), grey levels: the median over the pixels."""
    step = current[::4, ::4] - scene[::4, ::4]
    return np.median(step.reshape(-1, 3), axis=0).astype(np.int16)


def downscaled(picture: np.ndarray) -> np.ndarray:
    """A picture uint8 (H, W, 3), scaled to a longer side of LONGER_SIDE at most, and blurred."""
    height, width = picture.shape[:2]
    factor = LONGER_SIDE / max(height, width)
    if factor < 1:
        size = max(1, round(width * factor)), max(1, round(height * factor))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(picture, (3, 3), 0)
