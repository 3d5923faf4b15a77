"""Where the occluder stands in a frame, from the actor's box.

The paper: the occluder is "positioned at the bounding box center and dynamically scaled" (Fig. 3),
at "scales of 0.25, 0.50, and 0.75 relative to the actor's bounding box" (Sec. 3.1), without
saying what a scale measures; `SCALE_MODES` are the readings.

The actor's boxes without the detector's jitter: averaged over time.

The kernel is a Hann window of total width `seconds`, so frame t + j weighs 1 + cos(2 pi j / W)
where |j| < W / 2, W = seconds x fps. It is symmetric: what moves and grows steadily stays as it
is, without lag. It goes to 0 without a kink: a single wrong box fades in and out, where a plain
mean would jump twice. At the same width it keeps more of the actor's own movement than a
triangle (at 2 Hz and 0.3 s: 0.79 of it, a triangle 0.74). White noise falls to sqrt(1.5 / W): 0.41
at 30 fps and 0.3 s.

An average goes over a run: consecutive frames of one person in one shot. Near the end of a run
the kernel is cut off on both sides alike, by what the nearer end leaves: the first and the last
box stay as they were detected. A run ends
- at a gap in the frames;
- where the shot or the track changes: at every cut that detect found, though a `track` column of
  the user's own goes on across it, and at every change of the actor;
- at a leap: neighbouring boxes that hardly overlap. Not every dissolve is found.

Averages of corners are those of centre and size, as both are linear in each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np


class Rect(NamedTuple):
    """A rectangle in displayed pixels: left, top, width, height; it may leave the picture."""

    x: int
    y: int
    w: int
    h: int


Size = tuple[float, float]
"""(width, height), pixels."""

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2, half-open, displayed pixels."""


class ActorBox(NamedTuple):
    """Where the actor is in one frame."""

    box: Box
    filled: bool = False
    """Interpolated in a gap, not detected."""
    track: int = 0
    """Who: another number in the next frame means another person, or a cut."""
    shot: int = 0
    """A track of the user's own may go on across a cut."""


def _fit(cut: Size, box: Size, scale: float) -> Size:
    factor = scale * min(box[0] / cut[0], box[1] / cut[1])
    return cut[0] * factor, cut[1] * factor


def _stretch(cut: Size, box: Size, scale: float) -> Size:
    return scale * box[0], scale * box[1]


def _area(cut: Size, box: Size, scale: float) -> Size:
    factor = scale * math.sqrt(box[0] * box[1] / (cut[0] * cut[1]))
    return cut[0] * factor, cut[1] * factor


SCALE_MODES: dict[str, Callable[[Size, Size, float], Size]] = {
    "fit": _fit,
    "stretch": _stretch,
    "area": _area,
    "target": _area,
}
"""How large: (cut-out size, box size, scale) -> size.

fit: the largest with its own aspect inside scale x width and scale x height. stretch: exactly
that width and height. area: scale^2 of the box's area, with its own aspect. target: the same, of
the scale that hides as much as is asked for (`target`).
"""


def inside(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The pixels x1, y1, x2, y2 of a box inside a picture of (width, height); maybe none."""
    x1, y1 = max(round(box[0]), 0), max(round(box[1]), 0)
    return x1, y1, max(min(round(box[2]), size[0]), x1), max(min(round(box[3]), size[1]), y1)


def touches(rect: Rect, size: tuple[int, int]) -> bool:
    """Whether some of a rectangle lies inside a picture of (width, height)."""
    return rect.x < size[0] and rect.y < size[1] and rect.x + rect.w > 0 and rect.y + rect.h > 0


def degree(rect: Rect, box: Box) -> float | None:
    """The occluder's size relative to the actor's box (Fig. 4a): the larger ratio of sides."""
    width, height = box[2] - box[0], box[3] - box[1]
    return max(rect.w / width, rect.h / height) if width > 0 and height > 0 else None


def place(cut: Size, box: Box, scale: float, mode: str) -> Rect | None:
    """The rectangle of a cut-out on a box (x1, y1, x2, y2); None for a box without area.

    `cut` is the cut-out's size in pixels of the clip, so with its pixel aspect already in it.
    """
    x1, y1, x2, y2 = box
    if not (x2 > x1 and y2 > y1):
        return None
    width, height = SCALE_MODES[mode](cut, (x2 - x1, y2 - y1), scale)
    w, h = max(1, round(width)), max(1, round(height))
    return Rect(round((x1 + x2 - w) / 2), round((y1 + y2 - h) / 2), w, h)


LEAP = 0.2
"""Intersection over union of neighbouring boxes under which they are not averaged: a person would
have to move by two thirds of their width from one frame to the next."""


def smoothed(
    boxes: Mapping[int, Box], people: Mapping[int, Hashable], fps: float, seconds: float
) -> dict[int, Box]:
    """The actor's boxes, frame -> box, averaged over `seconds`; ascending frames.

    `people` says for every frame of `boxes` whose box it is, and in which shot. At a window of at
    most two frames, so also at 0 seconds, the boxes come back with the values they had.
    """
    frames = sorted(boxes)
    corners = np.array([boxes[frame] for frame in frames], np.float64).reshape(-1, 4)
    same = np.array([people[a] == people[b] for a, b in pairwise(frames)], bool)
    starts = _starts(np.array(frames, np.int64), same, corners)
    averaged = _averaged(corners.T, _reach(starts), hann(seconds * fps)).T
    return {
        frame: (x1, y1, x2, y2)
        for frame, (x1, y1, x2, y2) in zip(frames, averaged.tolist(), strict=True)
    }


def hann(width: float) -> np.ndarray:
    """Weights of the frames 1, 2, ... away, relative to the frame itself: float64 (N,).

    `width`: of the whole Hann window, frames.
    """
    away = np.arange(1, max(1, math.ceil(width / 2)))
    return (1 + np.cos(2 * np.pi * away / max(width, 1))) / 2


def _starts(frames: np.ndarray, same: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Which of N boxes begin a run, (N,) bool, from frames (N,), whether the next one is the same
    person's in the same shot (N - 1,), and corners (N, 4)."""
    starts = np.ones(len(frames), bool)
    goes_on = (np.diff(frames) == 1) & same
    starts[1:] = ~goes_on | (_overlap(corners[:-1], corners[1:]) < LEAP)
    return starts


def _overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union (N,) of each box (N, 4) with its counterpart; 0 without area."""
    low, high = np.maximum(first, second)[:, :2], np.minimum(first, second)[:, 2:]
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = [np.clip(b[:, 2:] - b[:, :2], 0, None).prod(axis=1) for b in (first, second)]
    either = areas[0] + areas[1] - shared
    return np.divide(shared, either, out=np.zeros_like(shared), where=either > 0)


def _reach(starts: np.ndarray) -> np.ndarray:
    """How many boxes of its run each has on both sides at least, (N,) int64."""
    count = len(starts)
    number = np.arange(count)
    first = np.maximum.accumulate(np.where(starts, number, 0))
    ends = np.append(starts[1:], True)[:count]
    last = np.minimum.accumulate(np.where(ends, number, count)[::-1])[::-1]
    return np.minimum(number - first, last - number)


def _averaged(values: np.ndarray, reach: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(4, N) float64: each column with those up to `reach` away, by `weights` of 1, 2, ... away.

    What is added up is how far each pair of neighbours pulls, not the boxes themselves: a box
    that stands still is the same to the bit.
    """
    values = np.ascontiguousarray(values)
    count = values.shape[1]
    total, pull = np.ones(count), np.zeros_like(values)
    for away, weight in enumerate(weights[: reach.max(initial=0)], 1):
        here = slice(away, count - away)
        share = np.where(reach[here] >= away, weight, 0.0)
        pair = values[:, : -2 * away] + values[:, 2 * away :] - 2 * values[:, here]
        total[here] += 2 * share
        pull[:, here] += share * pair
    return values + pull / total
