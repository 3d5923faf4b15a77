"""The people of a video from detect's boxes: tracks, and the expected height of the whole person.

The height is expected from the row of the head and the line of the ground (ground.py), with the
person's own height where some of their boxes are whole. Without a line it is expected from the
person's own other boxes: who is always hidden is then not noticed. Each expectation has an error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from occludenet_build.core.build import ClipBoxes
from occludenet_build.people.proposals.ground import GroundFit, fit_ground

SMOOTH_SECONDS = 0.5
"""Time over which the edges of boxes are smoothed by a median."""
LEAST_SECONDS = 1.0
"""Least length of a track; shorter ones are false detections or too short to measure."""
_BORDER = 0.01
"""Distance from the picture's border within which it cuts a box, share of the side."""
_BY_HISTORY = 0.07
"""Error of a height expected from the person's other boxes, relative."""
_VAGUE = 0.2
"""Error of a height by the line from which the person's other boxes are preferred."""
_OWN = 0.04
"""Error of a person's own height relative to the line's, where whole boxes show it."""
_ADULT = 0.88, 1.2
"""Relative heights that are taken for a person's own; a lower one may be a hidden adult's."""
_SLIM = 0.30
"""Width of an upright person, share of the height; about the least of those who walk."""


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
    """float64 (K,): expected height of the whole person, pixels."""
    errors: np.ndarray
    """float64 (K,): error of the height, relative; infinite where nothing is expected."""
    widths: np.ndarray
    """float64 (K,): expected width of the whole person, pixels."""


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
    fit = ground_of([boxes for _, _, boxes in raw], view)
    return [_track(number, frames, boxes, fit, view) for number, frames, boxes in raw]


def smoothed(boxes: np.ndarray, fps: float) -> np.ndarray:
    """Running median of boxes float64 (K, 4) over SMOOTH_SECONDS, float64 (K, 4)."""
    reach = max(1, round(SMOOTH_SECONDS * fps / 2))
    padded = np.pad(boxes, [(reach, reach), (0, 0)], mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    return np.median(windows, axis=-1)


def ground_of(boxes: list[np.ndarray], view: VideoShape) -> GroundFit:
    """The line of the ground, from the boxes float64 (K, 4) of each person who walks."""
    people = []
    for one in boxes:
        clear = one[clear_of_border(one, view)]
        if len(clear) and _walks(one):
            people.append(np.stack([clear[:, 3], _heights(clear)], axis=1) / view.height)
    return fit_ground(people)


def clear_of_border(boxes: np.ndarray, view: VideoShape) -> np.ndarray:
    """bool (K,): which boxes float64 (K, 4) the picture's border does not cut."""
    x1, y1, x2, y2 = boxes.T
    inside = (x1 > _BORDER * view.width) & (x2 < (1 - _BORDER) * view.width)
    return inside & (y1 > _BORDER / 2 * view.height) & (y2 < (1 - 2 * _BORDER) * view.height)


def _walks(boxes: np.ndarray) -> bool:
    """Whether the boxes (K, 4) move; static ones are not used, as some are no person."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return bool(np.ptp(middles, axis=0).max() > 0.3 * np.median(_heights(boxes)))


def _heights(boxes: np.ndarray) -> np.ndarray:
    return np.maximum(boxes[:, 3] - boxes[:, 1], 1.0)


def _track(
    number: int, frames: np.ndarray, boxes: np.ndarray, fit: GroundFit, view: VideoShape
) -> PersonTrack:
    seen, clear = _heights(boxes), clear_of_border(boxes, view)
    heights, errors = by_history(boxes, clear)
    if fit.trusted:
        feet, heads = boxes[:, 3] / view.height, boxes[:, 1] / view.height
        own, own_error = _own((seen / view.height / fit.by_feet(feet))[clear], fit)
        by_line, errors_line = fit.by_head(heads, own, own_error)
        # The person's own boxes say at least how tall they were seen. That is preferred to a line
        # that says little, but not to one that says more: they may be hidden all the time.
        more = by_line * view.height > heights
        usable = np.isfinite(errors_line) & ((errors_line < _VAGUE) | more | ~np.isfinite(errors))
        heights = np.where(usable, by_line * view.height, heights)
        errors = np.where(usable, errors_line, errors)
    shapes = (boxes[:, 2] - boxes[:, 0]) / np.maximum(heights, seen)
    usual = float(np.clip(np.quantile(shapes, 0.8), _SLIM, 0.5))
    return PersonTrack(number, frames, boxes, heights, errors, usual * np.maximum(heights, seen))


def by_history(boxes: np.ndarray, clear: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Expected heights (K,) and errors (K,) of a person from their own other boxes (K, 4).

    clear: bool (K,), the boxes that the border does not cut. The upper line of the heights over the
    row of the head, which changes with the depth; infinite errors with too few boxes.
    """
    seen, heads = _heights(boxes), boxes[:, 1]
    if clear.sum() < 10:
        return seen, np.full(len(seen), np.inf)
    slope = 0.0
    if np.ptp(heads[clear]) > 0.5 * np.median(seen[clear]):
        low, high = np.quantile(heads[clear], [0.3, 0.7])
        far, near = seen[clear & (heads <= low)], seen[clear & (heads >= high)]
        rise = np.quantile(near, 0.8) - np.quantile(far, 0.8)
        run = np.median(heads[clear & (heads >= high)]) - np.median(heads[clear & (heads <= low)])
        slope = float(np.clip(rise / max(run, 1.0), 0.0, 3.0))
    level = seen - slope * (heads - np.median(heads))
    heights = np.quantile(level[clear], 0.9) + slope * (heads - np.median(heads))
    return np.maximum(heights, 1.0), np.full(len(seen), _BY_HISTORY)


def _own(ratios: np.ndarray, fit: GroundFit) -> tuple[float, float]:
    """A person's height relative to the line's, and its error.

    ratios: float64 (K,), heights relative to the line at the box's lower edge, of the boxes that
    the border does not cut. They are lower where something hides the feet, so the upper ones count.
    """
    if len(ratios) >= 10:
        own = float(np.quantile(ratios, 0.8))
        if _ADULT[0] < own < _ADULT[1] and np.mean(np.abs(ratios / own - 1) < 0.06) > 0.2:
            return own, _OWN
    return 1.0, fit.spread
