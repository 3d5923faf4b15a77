"""Rectangle of an occluder on the actor's box, and smoothing of the actor's boxes over time.

The paper: the occluder is "positioned at the bounding box center and dynamically scaled" (Fig. 3),
at "scales of 0.25, 0.50, and 0.75 relative to the actor's bounding box" (Sec. 3.1). It does not say
what a scale measures; `SCALE_MODES` holds the possible definitions.

Smoothing removes the detector's jitter with a Hann window of total width `seconds`: frame t + j has
weight 1 + cos(2 pi j / W) where |j| < W / 2, W = seconds x fps. The window is symmetric, so steady
movement and growth stay unchanged, without lag. It falls to 0 smoothly: a single wrong box fades in
and out, where a plain mean would jump twice. At equal width it keeps more of the actor's movement
than a triangle (at 2 Hz and 0.3 s: 0.79, the triangle 0.74). It reduces white noise to
sqrt(1.5 / W): 0.41 at 30 fps and 0.3 s.

An average covers one run: consecutive frames of one person in one shot. Near the end of a run both
sides of the window are cut to the length of the shorter one, so the first and the last box keep the
detected values. A run ends
- at a gap in the frames;
- where the shot or the track changes: at each cut that detect found, even if a user's own track
  continues across it, and at each change of the actor;
- where neighbouring boxes hardly overlap (MIN_NEIGHBOUR_IOU), since not every dissolve is found.

Averages of corners equal those of centre and size, since both are linear in each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np

MIN_NEIGHBOUR_IOU = 0.2
"""Intersection over union of neighbouring boxes below which they are not averaged: reached where a
person moves by two thirds of their width from one frame to the next."""

Size = tuple[float, float]
"""(width, height), pixels."""

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2, half-open, displayed pixels."""


class Rect(NamedTuple):
    """Left, top, width and height in displayed pixels; may extend beyond the picture."""

    x: int
    y: int
    w: int
    h: int


class ActorBox(NamedTuple):
    """The actor's bounding box in one frame."""

    box: Box
    filled: bool = False
    """Interpolated, not detected."""
    track: int = 0
    """Number of the track; another number in the next frame means another person, or a cut."""
    shot: int = 0
    """Number of the shot; a user's own track may continue across a cut."""


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
"""Name in composite.scale_mode -> function (cut-out size, box size, scale) -> occluder size.

fit: the largest size with the cut-out's aspect inside scale x width and scale x height. stretch:
exactly that width and height. area: scale^2 times the box's area, with the cut-out's aspect.
target: as area, with the scale that hides the target share of the actor (`target_size`).
"""


def clip_to_picture(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of a box inside a picture of (width, height): x1, y1, x2, y2; may be empty."""
    x1, y1 = max(round(box[0]), 0), max(round(box[1]), 0)
    return x1, y1, max(min(round(box[2]), size[0]), x1), max(min(round(box[3]), size[1]), y1)


def overlaps_picture(rect: Rect, size: tuple[int, int]) -> bool:
    """Whether a part of the rectangle is inside a picture of (width, height)."""
    return rect.x < size[0] and rect.y < size[1] and rect.x + rect.w > 0 and rect.y + rect.h > 0


def occlusion_degree(rect: Rect, box: Box) -> float | None:
    """The occluder's size relative to the actor's box (Fig. 4a): the larger ratio of sides.

    None for a box without area.
    """
    width, height = box[2] - box[0], box[3] - box[1]
    return max(rect.w / width, rect.h / height) if width > 0 and height > 0 else None


def occluder_rect(cut: Size, box: Box, scale: float, mode: str) -> Rect | None:
    """The rectangle of a cut-out, centred on a box (x1, y1, x2, y2); None for a box without area.

    `cut` is the cut-out's size in pixels of the clip, corrected for the clip's pixel aspect; `mode`
    is one of SCALE_MODES.
    """
    x1, y1, x2, y2 = box
    if not (x2 > x1 and y2 > y1):
        return None
    width, height = SCALE_MODES[mode](cut, (x2 - x1, y2 - y1), scale)
    w, h = max(1, round(width)), max(1, round(height))
    return Rect(round((x1 + x2 - w) / 2), round((y1 + y2 - h) / 2), w, h)


def smooth_boxes(
    boxes: Mapping[int, Box], people: Mapping[int, Hashable], fps: float, seconds: float
) -> dict[int, Box]:
    """The actor's boxes, frame -> box, averaged over `seconds`, in ascending order of frames.

    `people` identifies person and shot for each frame of `boxes`. A window of at most two frames,
    as for 0 seconds, leaves all boxes unchanged.
    """
    frames = sorted(boxes)
    corners = np.array([boxes[frame] for frame in frames], np.float64).reshape(-1, 4)
    same = np.array([people[a] == people[b] for a, b in pairwise(frames)], bool)
    starts = _starts(np.array(frames, np.int64), same, corners)
    averaged = _averaged(corners.T, _reach(starts), hann_weights(seconds * fps)).T
    return {
        frame: (x1, y1, x2, y2)
        for frame, (x1, y1, x2, y2) in zip(frames, averaged.tolist(), strict=True)
    }


def hann_weights(width: float) -> np.ndarray:
    """Weights of the frames at distance 1, 2, ..., relative to the frame itself: float64 (N,).

    `width`: total width of the Hann window, frames.
    """
    away = np.arange(1, max(1, math.ceil(width / 2)))
    return (1 + np.cos(2 * np.pi * away / max(width, 1))) / 2


def _starts(frames: np.ndarray, same: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Which boxes begin a run, bool (N,).

    `frames` int64 (N,); `same` bool (N - 1,): the next box has the same person and shot; `corners`
    float64 (N, 4).
    """
    starts = np.ones(len(frames), bool)
    continues = (np.diff(frames) == 1) & same
    starts[1:] = ~continues | (_overlap(corners[:-1], corners[1:]) < MIN_NEIGHBOUR_IOU)
    return starts


def _overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union, float64 (N,), of boxes (N, 4) pair by pair; 0 without area."""
    low, high = np.maximum(first, second)[:, :2], np.minimum(first, second)[:, 2:]
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = [np.clip(b[:, 2:] - b[:, :2], 0, None).prod(axis=1) for b in (first, second)]
    either = areas[0] + areas[1] - shared
    return np.divide(shared, either, out=np.zeros_like(shared), where=either > 0)


def _reach(starts: np.ndarray) -> np.ndarray:
    """Number of boxes of the same run on the shorter side of each box, int64 (N,)."""
    count = len(starts)
    number = np.arange(count)
    first = np.maximum.accumulate(np.where(starts, number, 0))
    ends = np.append(starts[1:], True)[:count]
    last = np.minimum.accumulate(np.where(ends, number, count)[::-1])[::-1]
    return np.minimum(number - first, last - number)


def _averaged(values: np.ndarray, reach: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted means of the columns, float64 (4, N), over neighbours up to `reach` int64 (N,) away.

    `weights` float64 (K,) are those of distance 1, 2, ... Sums are over the differences to each
    pair of neighbours, not over the boxes: the result for a static box is exact to the bit.
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
