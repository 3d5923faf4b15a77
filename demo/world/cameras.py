"""Cameras around a room: pinhole cameras on a ring, 120 degrees apart, that look at its middle.

The world has x and y on the floor and z upwards, in metres, with the middle of the room at 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

VIEWS = 3
HEIGHT_OF_SIGHT = 0.85
"""z of the point that all cameras look at, metres."""


@dataclass(frozen=True)
class Camera:
    """A camera; its picture is `width` x `height` pixels."""

    azimuth: float
    """Where on the ring it stands, radians."""
    radius: float
    """Distance from the middle of the room, metres."""
    elevation: float
    """z of the camera, metres."""
    width: int
    height: int

    @cached_property
    def focal(self) -> float:
        """Focal length in pixels: a person of 1.75 m in the middle is 0.52 of the height."""
        return 0.52 * self.height * self.radius / 1.75

    @cached_property
    def place(self) -> np.ndarray:
        """float64 (3,), metres."""
        x, y = self.radius * math.cos(self.azimuth), self.radius * math.sin(self.azimuth)
        return np.array([x, y, self.elevation])

    @cached_property
    def axes(self) -> np.ndarray:
        """Unit vectors right, down and forward of the picture in the world: float64 (3, 3)."""
        forward = np.array([0.0, 0.0, HEIGHT_OF_SIGHT]) - self.place
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(forward, right), forward])

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels, float64 (N, 2), x and y, and depths, float64 (N,), metres, of points (N, 3)."""
        seen = (np.asarray(points, np.float64) - self.place) @ self.axes.T
        depth = np.maximum(seen[:, 2], 0.05)
        middle = np.array([self.width / 2, self.height / 2])
        return middle + self.focal * seen[:, :2] / depth[:, None], depth

    def rays(self, scale: int) -> np.ndarray:
        """Directions in the world of all pixels of a picture that is `scale` times as large.

        float64 (H * scale, W * scale, 3), of depth 1 metre.
        """
        y, x = np.mgrid[0 : self.height * scale, 0 : self.width * scale]
        across = ((x + 0.5) / scale - self.width / 2) / self.focal
        down = ((y + 0.5) / scale - self.height / 2) / self.focal
        return np.stack([across, down, np.ones_like(across)], axis=-1) @ self.axes


def ring(random: np.random.Generator, width: int, height: int, views: int = VIEWS) -> list[Camera]:
    """Cameras on a ring at equal angles, with small differences in place."""
    first = random.uniform(0, 2 * math.pi)
    return [
        Camera(
            azimuth=first + 2 * math.pi * number / VIEWS + random.uniform(-0.04, 0.04),
            radius=random.uniform(4.6, 5.2),
            elevation=random.uniform(1.5, 2.3),
            width=width,
            height=height,
        )
        for number in range(views)
    ]
