"""The motion of the camera: how each picture of a shot lies on the picture of a reference.

Corners of the reference (Shi and Tomasi 1994) are followed into the other picture with the pyramid
of Lucas and Kanade (Bouguet 2001), and a similarity (shift, turn, zoom) is fitted to most of them
with RANSAC. What moves by itself, a person, is the minority that does not fit. Where no similarity
fits most of the corners, the camera moved too far, walked (parallax), or the picture shows no
scene that could be followed: then there is no answer, and the caller refuses.

Pictures are grey, uint8 (H, W), of the size that `motion.downscaled` makes; lengths are in their
pixels. A transform is float64 (2, 3) and maps points (x, y) of the reference into the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import cv2
import numpy as np

CELLS = 8, 6
"""Columns and rows of cells, each of which gives its best corners: no part of the picture, and so
nobody in it, has the majority for its texture alone."""
PER_CELL = 6
"""Corners of a cell at most."""
FAINTEST = 1e-4
"""Least eigenvalue of a corner (cv2.cornerMinEigenVal): a step of 6 grey levels; noise of 2 makes
a quarter of it."""
LEAST_CORNERS = 16
"""Fewer corners tell nothing about the camera."""
OFF = 1.5
"""Largest distance of a corner from where the camera's motion takes it, pixels."""
BACKWARD = 0.7
"""Largest distance of a corner from itself when it is followed there and back, pixels."""
LEAST_SUPPORT = 0.35
"""Least share of the reference's corners in view that moves as the camera does."""
LEAST_OVERLAP = 0.6
"""Least share of the reference that the picture must show."""
STILL = 0.75
"""A camera that moves the picture's corners by less than this stands still, pixels."""
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])


@dataclass(frozen=True)
class Registration:
    """How a picture lies on the reference."""

    transform: np.ndarray
    support: float
    """Share of the reference's corners that should be in view and move with the camera, 0 to 1."""
    overlap: float
    """Share of the reference that the picture shows, 0 to 1."""
    shift: float
    """How far a corner of the picture moves at most, pixels."""
    unmoved: float
    """Share of the reference's corners that stay exactly where they are, 0 to 1."""

    @property
    def holds(self) -> bool:
        """Whether the picture can be laid on the reference."""
        return self.support >= LEAST_SUPPORT and self.overlap >= LEAST_OVERLAP


class Reference:
    """A picture on which others are laid."""

    def __init__(self, grey: np.ndarray) -> None:
        self.grey = grey
        self.corners = corners_of(grey)

    def register(self, grey: np.ndarray, guess: np.ndarray = IDENTITY) -> Registration | None:
        """How `grey` lies on the reference; None where that cannot be told.

        guess: the transform of a picture shortly before.
        """
        if len(self.corners) < LEAST_CORNERS:
            return None
        start = transformed(self.corners, guess).astype(np.float32)
        moved, fine = _followed(self.grey, grey, self.corners, start)
        if np.count_nonzero(fine) < LEAST_CORNERS:
            return None
        fit, inliers = cv2.estimateAffinePartial2D(
            self.corners[fine], moved[fine], method=cv2.RANSAC, ransacReprojThreshold=OFF
        )
        if fit is None:
            return None
        away = np.linalg.norm(moved[fine] - self.corners[fine], axis=1)
        unmoved = np.count_nonzero(away < 0.4) / len(self.corners)
        return self._judged(fit, int(np.count_nonzero(inliers)), unmoved)

    def _judged(self, fit: np.ndarray, inliers: int, unmoved: float) -> Registration:
        height, width = self.grey.shape
        expected = transformed(self.corners, fit)
        in_view = ((expected >= 2) & (expected < (width - 2, height - 2))).all(axis=1)
        support = inliers / max(LEAST_CORNERS, int(np.count_nonzero(in_view)))
        return Registration(
            fit, support, _overlap(fit, width, height), _shift(fit, width, height), unmoved
        )


def corners_of(grey: np.ndarray) -> np.ndarray:
    """The corners of a picture, evenly over its cells, float32 (N, 2)."""
    strength = cv2.cornerMinEigenVal(grey, 5)
    columns = np.linspace(0, grey.shape[1], CELLS[0] + 1).astype(int).tolist()
    rows = np.linspace(0, grey.shape[0], CELLS[1] + 1).astype(int).tolist()
    found = [np.zeros((0, 2), np.float32)]
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            cell = np.ascontiguousarray(strength[top:bottom, left:right])
            found.append(_peaks(cell) + np.array([left, top], np.float32))
    return np.concatenate(found)


def _peaks(strength: np.ndarray) -> np.ndarray:
    """The strongest local maxima of a cell, float32 (N, 2), x and y."""
    highest = cv2.dilate(strength, np.ones((5, 5), np.uint8))
    y, x = np.nonzero((strength == highest) & (strength > FAINTEST))
    best = np.argsort(-strength[y, x], kind="stable")[:PER_CELL]
    return np.stack([x[best], y[best]], axis=1).astype(np.float32)


def _followed(
    reference: np.ndarray, grey: np.ndarray, corners: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where corners (N, 2) went, float32 (N, 2), and which were found again, bool (N,)."""
    # A guess is read and overwritten, so each call gets a copy.
    follow = partial(
        cv2.calcOpticalFlowPyrLK,
        winSize=(15, 15),
        maxLevel=3,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    moved, there, _ = follow(reference, grey, corners, start.copy())
    again, back, _ = follow(grey, reference, moved, corners.copy())
    near = np.linalg.norm(again - corners, axis=1) <= BACKWARD
    return moved, (there[:, 0] == 1) & (back[:, 0] == 1) & near


def transformed(points: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """Points (N, 2) under a transform (2, 3), float64 (N, 2)."""
    return points @ transform[:, :2].T + transform[:, 2]


def _frame(width: int, height: int) -> np.ndarray:
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)


def _shift(fit: np.ndarray, width: int, height: int) -> float:
    corners = _frame(width, height)
    return float(np.linalg.norm(transformed(corners, fit) - corners, axis=1).max())


def _overlap(fit: np.ndarray, width: int, height: int) -> float:
    frame = _frame(width, height).astype(np.float32)
    back = cv2.invertAffineTransform(fit)
    area, _ = cv2.intersectConvexConvex(frame, transformed(frame, back).astype(np.float32))
    return float(area) / (width * height)


def laid_on(picture: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """A picture (H, W, ...) in the reference's place, uint8; 0 where it shows nothing."""
    size = picture.shape[1], picture.shape[0]
    return cv2.warpAffine(picture, transform, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
