"""The actor's boxes without the detector's jitter: averaged over time.

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
from collections.abc import Hashable, Mapping
from itertools import pairwise

import numpy as np

from occludenet_build.compositing.geometry import Box

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
