"""The people of a video from detect's boxes: tracks, and the estimated height of the whole person.

On flat ground the height of people in the picture depends linearly on the row of their heads,
whatever the camera's tilt. The line is fitted to an upper quantile of the boxes' heights, since
hidden people have short boxes. Where it fits badly (a camera at eye level, stairs, two floors) or
there are few people, a person's height follows from their width and their own usual proportions. A
box that is always squat shows a person who sits or whose legs are never visible; then the
proportions of a standing person are used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from occludenet_build.core.build import ClipBoxes

SMOOTH_SECONDS = 0.5
"""Time over which the edges of boxes are smoothed by a median."""
LEAST_SECONDS = 1.0
"""Least length of a track; shorter ones are false detections or too short to measure."""
STANDING = 2.4
"""Height / width of a person who stands or walks; one who carries or sits is squatter."""
_TALL = 0.7
"""Quantile of the heights to which the line is fitted."""
_TRUSTED = 0.12
"""Largest median error of the line, natural logarithm of the ratio: 12 %."""
_BORDER = 0.01
"""Distance from the picture's border within which it cuts a box, share of the side."""


@dataclass(frozen=True)
class PersonTrack:
    """One person in one video."""

    number: int
    """Track number in detect."""
    frames: np.ndarray
    """int64 (K,): frame numbers, ascending."""
    boxes: np.ndarray
    """float64 (K, 4): x1 y1 x2 y2, pixels, smoothed."""
    heights: np.ndarray
    """float64 (K,): height of the whole person, pixels, at least that of the box."""
    widths: np.ndarray
    """float64 (K,): width of the whole person, pixels."""


@dataclass(frozen=True)
class VideoShape:
    """Width and height of the displayed picture, pixels, and frames per second."""

    width: int
    height: int
    fps: float


def person_tracks(found: ClipBoxes, view: VideoShape) -> list[PersonTrack]:
    """The tracks of one video, from all detected boxes; filled boxes are ignored."""
    seen = found.detected
    numbers, frames, boxes = seen.tracks, seen.frames.astype(np.int64), seen.xyxy
    raw: list[tuple[int, np.ndarray, np.ndarray]] = []
    for number in np.unique(numbers).tolist():
        rows = np.flatnonzero(numbers == number)
        if len(rows) >= LEAST_SECONDS * view.fps:
            rows = rows[np.argsort(frames[rows], kind="stable")]
            raw.append((number, frames[rows], smoothed(boxes[rows].astype(np.float64), view.fps)))
    line = HeightLine([boxes for _, _, boxes in raw], view)
    return [_track(number, frames, boxes, line, view) for number, frames, boxes in raw]


def smoothed(boxes: np.ndarray, fps: float) -> np.ndarray:
    """Running median of boxes float64 (K, 4) over SMOOTH_SECONDS, float64 (K, 4)."""
    return _running(boxes, SMOOTH_SECONDS * fps, 50)


def _running(values: np.ndarray, length: float, percent: float) -> np.ndarray:
    """Running percentile of values (K, ...) in windows of about `length` rows."""
    reach = max(1, round(length / 2))
    padded = np.pad(values, [(reach, reach)] + [(0, 0)] * (values.ndim - 1), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    return np.percentile(windows, percent, axis=-1, method="nearest")


def clear_of_border(boxes: np.ndarray, view: VideoShape) -> np.ndarray:
    """bool (K,): which boxes float64 (K, 4) the picture's border does not cut."""
    x1, y1, x2, y2 = boxes.T
    inside = (x1 > _BORDER * view.width) & (x2 < (1 - _BORDER) * view.width)
    return inside & (y1 > _BORDER / 2 * view.height) & (y2 < (1 - 2 * _BORDER) * view.height)


class HeightLine:
    """Linear estimate of a whole person's height from the row of the top of their head."""

    def __init__(self, boxes: list[np.ndarray], view: VideoShape) -> None:
        """Fit the line; boxes: float64 (K, 4) of each person. `trusted`: whether the line fits."""
        self._view = view
        parts = [_some(b[clear_of_border(b, view)]) for b in boxes if _walks(b)]
        parts = [part for part in parts if len(part) >= 5]
        self.trusted, self._weights = False, np.zeros(2)
        if len(parts) >= 4:
            seen = np.concatenate(parts)
            heights = _heights(seen)
            self._weights = _quantile_line(self._regressors(seen), heights)
            error = np.abs(np.log(heights / self.at(seen)))
            self.trusted = bool(np.median(error) < _TRUSTED)

    def at(self, boxes: np.ndarray) -> np.ndarray:
        """Estimated heights float64 (K,), pixels, at least 1, for boxes float64 (K, 4)."""
        return np.maximum(self._regressors(boxes) @ self._weights, 1.0)

    def _regressors(self, boxes: np.ndarray) -> np.ndarray:
        """The line's regressors (K, 2): 1, and the row of the head as a share of the height."""
        return np.stack([np.ones(len(boxes)), boxes[:, 1] / self._view.height], axis=1)


def _walks(boxes: np.ndarray) -> bool:
    """Whether the boxes (K, 4) move; static ones are not used, as some are no person."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return bool(np.ptp(middles, axis=0).max() > 0.3 * np.median(_heights(boxes)))


def _some(boxes: np.ndarray) -> np.ndarray:
    """At most 40 boxes, evenly spaced, so that a long track has no more weight than others."""
    count = min(40, len(boxes))
    return boxes[np.linspace(0, max(0, len(boxes) - 1), count).astype(int)]


def _heights(boxes: np.ndarray) -> np.ndarray:
    return np.maximum(boxes[:, 3] - boxes[:, 1], 1.0)


def _quantile_line(regressors: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Weights (2,) of the _TALL quantile regression, by iteratively reweighted least squares."""
    weights = np.array([np.quantile(heights, _TALL), 0.0])
    flat = np.diag([0.0, 1.0]) * 0.0002 * len(heights)
    for _ in range(60):
        over = heights - regressors @ weights
        pull = np.where(over > 0, _TALL, 1 - _TALL) / np.maximum(np.abs(over), 0.002 * heights)
        left = regressors.T @ (pull[:, None] * regressors) + flat * np.median(pull)
        weights = np.linalg.solve(left, regressors.T @ (pull * heights))
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
    """A person's height relative to the line's, 1 on average.

    ratios: float64 (K,), of the boxes that the border does not cut. A person whose boxes are always
    much shorter than the line is taken to be always hidden, not small.
    """
    own = float(np.quantile(ratios, 0.85)) if len(ratios) > 5 else 1.0
    return float(np.clip(own, 0.8, 1.25)) if own > 0.75 else 1.0
