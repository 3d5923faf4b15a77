"""The people of a video from detect's boxes: tracks, and how tall each would be as a whole.

How tall somebody is in the picture follows from how high up his head is: on flat ground along a
line, whatever the camera's tilt. The line is fitted to the taller part of all boxes, since who is
hidden is too short. Where it explains the boxes badly (a camera at eye level,
stairs, two floors) or there are few people, a person's own usual proportions give his height from
his width. A box that is squat all the time is that of somebody who sits, or whose legs are never
seen: a standing person's proportions stand in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from occludenet_build.core.build import Boxes

SMOOTH_SECONDS = 0.5
"""Edges are medians over this time."""
LEAST_SECONDS = 1.0
"""Shorter tracks are mistakes, or gone before anything can be said."""
STANDING = 2.4
"""Height by width of somebody who stands or walks; who carries or sits is squatter."""
_TALL = 0.7
"""Quantile of the heights that the line goes through."""
_TRUSTED = 0.12
"""Largest median error of the line, as logarithm: 12 %."""
_BORDER = 0.01
"""A box this close to the picture's border is cut by it, share of the side."""


@dataclass(frozen=True)
class PersonTrack:
    """One person: frames (K,) int64 ascending, boxes (K, 4) float64, pixels, smoothed."""

    number: int
    frames: np.ndarray
    boxes: np.ndarray
    heights: np.ndarray
    """(K,) of the whole person, pixels, at least that of the box."""
    widths: np.ndarray
    """(K,) of the whole person, pixels."""


@dataclass(frozen=True)
class VideoShape:
    """The displayed picture, pixels, and the frames per second."""

    width: int
    height: int
    fps: float


def person_tracks(found: Boxes, view: VideoShape) -> list[PersonTrack]:
    """The tracks of one video, from all boxes that were detected, not filled in."""
    seen = found.detected
    numbers, frames, boxes = seen.tracks, seen.frames.astype(np.int64), seen.xyxy
    raw: list[tuple[int, np.ndarray, np.ndarray]] = []
    for number in np.unique(numbers).tolist():
        mine = np.flatnonzero(numbers == number)
        if len(mine) >= LEAST_SECONDS * view.fps:
            mine = mine[np.argsort(frames[mine], kind="stable")]
            raw.append((number, frames[mine], smoothed(boxes[mine].astype(np.float64), view.fps)))
    line = HeightLine([boxes for _, _, boxes in raw], view)
    return [_track(number, frames, boxes, line, view) for number, frames, boxes in raw]


def smoothed(boxes: np.ndarray, fps: float) -> np.ndarray:
    """Running median (K, 4) over SMOOTH_SECONDS."""
    return _running(boxes, SMOOTH_SECONDS * fps, 50)


def _running(values: np.ndarray, length: float, percent: float) -> np.ndarray:
    """The percentile of the values (K, ...) in a window of about `length` around each."""
    reach = max(1, round(length / 2))
    padded = np.pad(values, [(reach, reach)] + [(0, 0)] * (values.ndim - 1), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    return np.percentile(windows, percent, axis=-1, method="nearest")


def clear_of_border(boxes: np.ndarray, view: VideoShape) -> np.ndarray:
    """Which boxes (K,) the picture's border does not cut."""
    x1, y1, x2, y2 = boxes.T
    inside = (x1 > _BORDER * view.width) & (x2 < (1 - _BORDER) * view.width)
    return inside & (y1 > _BORDER / 2 * view.height) & (y2 < (1 - 2 * _BORDER) * view.height)


class HeightLine:
    """Height of a whole person by the row of the top of his head."""

    def __init__(self, boxes: list[np.ndarray], view: VideoShape) -> None:
        self._view = view
        parts = [_some(b[clear_of_border(b, view)]) for b in boxes if _walks(b)]
        parts = [part for part in parts if len(part) >= 5]
        self.trusted, self._weights = False, np.zeros(2)
        if len(parts) >= 4:
            seen = np.concatenate(parts)
            heights = _heights(seen)
            self._weights = _quantile_line(self._places(seen), heights)
            error = np.abs(np.log(heights / self.at(seen)))
            self.trusted = bool(np.median(error) < _TRUSTED)

    def at(self, boxes: np.ndarray) -> np.ndarray:
        """(K, 4) -> (K,), pixels, at least one."""
        return np.maximum(self._places(boxes) @ self._weights, 1.0)

    def _places(self, boxes: np.ndarray) -> np.ndarray:
        return np.stack([np.ones(len(boxes)), boxes[:, 1] / self._view.height], axis=1)


def _walks(boxes: np.ndarray) -> bool:
    """What never leaves its place is no measure: some of it is no person."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return bool(np.ptp(middles, axis=0).max() > 0.3 * np.median(_heights(boxes)))


def _some(boxes: np.ndarray) -> np.ndarray:
    """At most 40, evenly: nobody counts more for standing around."""
    count = min(40, len(boxes))
    return boxes[np.linspace(0, max(0, len(boxes) - 1), count).astype(int)]


def _heights(boxes: np.ndarray) -> np.ndarray:
    return np.maximum(boxes[:, 3] - boxes[:, 1], 1.0)


def _quantile_line(places: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Weights (2,) of the line under which _TALL of the heights lie, found by reweighting."""
    weights = np.array([np.quantile(heights, _TALL), 0.0])
    flat = np.diag([0.0, 1.0]) * 0.0002 * len(heights)
    for _ in range(60):
        over = heights - places @ weights
        pull = np.where(over > 0, _TALL, 1 - _TALL) / np.maximum(np.abs(over), 0.002 * heights)
        left = places.T @ (pull[:, None] * places) + flat * np.median(pull)
        weights = np.linalg.solve(left, places.T @ (pull * heights))
    return weights


def _track(
    number: int, frames: np.ndarray, boxes: np.ndarray, line: HeightLine, view: VideoShape
) -> PersonTrack:
    seen, width = _heights(boxes), np.maximum(boxes[:, 2] - boxes[:, 0], 1.0)
    steady = _running(width, 2 * view.fps, 50)
    if line.trusted:
        heights = line.at(boxes) * _own((seen / line.at(boxes))[clear_of_border(boxes, view)])
    else:
        heights = np.quantile(seen / width, 0.8) * steady
    if np.median(seen / width) < 2.0:
        heights = np.maximum(heights, STANDING * steady)
    heights = np.maximum(heights, seen)
    return PersonTrack(number, frames, boxes, heights, heights / 2.6)


def _own(ratios: np.ndarray) -> float:
    """How tall a person is, 1 on average, from his boxes (K,) that the border does not cut.

    Who is never seen near anybody's height is not small but always hidden.
    """
    own = float(np.quantile(ratios, 0.85)) if len(ratios) > 5 else 1.0
    return float(np.clip(own, 0.8, 1.25)) if own > 0.75 else 1.0
