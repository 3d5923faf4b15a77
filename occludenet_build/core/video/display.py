"""Coded and displayed picture: a rotation flag stands between what is stored and what is seen.

Boxes and masks live in the displayed picture; pixels are changed in the coded one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Display:
    """The map between the two pictures.

    coded_width, coded_height: pixels as stored. rotation: degrees counterclockwise that turn the
    coded picture into the displayed one, one of 0, 90, 180, 270.
    """

    coded_width: int
    coded_height: int
    rotation: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the displayed picture, pixels."""
        if self.rotation % 180:
            return self.coded_height, self.coded_width
        return self.coded_width, self.coded_height

    def upright(self, coded: np.ndarray) -> np.ndarray:
        """Coded array (H, W, ...) -> displayed array, a view."""
        return np.rot90(coded, self.rotation // 90)

    def to_coded(self, displayed: np.ndarray) -> np.ndarray:
        """Displayed array (H, W, ...) -> coded array, a view. Also turns an upright patch."""
        return np.rot90(displayed, -self.rotation // 90)

    def rect_to_displayed(self, x: int, y: int, w: int, h: int) -> tuple[int, int, int, int]:
        """A rectangle (left, top, width, height) in coded pixels -> in displayed pixels."""
        return {
            0: (x, y, w, h),
            90: (y, self.coded_width - x - w, h, w),
            180: (self.coded_width - x - w, self.coded_height - y - h, w, h),
            270: (self.coded_height - y - h, x, h, w),
        }[self.rotation]

    def rect_to_coded(self, x: int, y: int, w: int, h: int) -> tuple[int, int, int, int]:
        """A rectangle (left, top, width, height) in displayed pixels -> in coded pixels."""
        width, height = self.size
        return {
            0: (x, y, w, h),
            90: (height - y - h, x, h, w),
            180: (width - x - w, height - y - h, w, h),
            270: (y, width - x - w, h, w),
        }[self.rotation]
