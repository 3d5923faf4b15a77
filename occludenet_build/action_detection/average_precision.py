"""Frame AP and video AP of action detection, with intervals.

AP is the area under the points of precision and recall, from (1, 0) on, by trapezoids (ACT,
MOC-Detector; MIT, facts read, code our own). The mean is over the classes that the truth has;
MOC-Detector fails where there is one without.

Equal scores are one point, so that their order does not matter. All K boxes of a tubelet have its
score, and MOC-Detector takes them in the order of numpy's unstable sort, which depends on the
processor: on one made-up set of three videos its frame AP is 78.0 with AVX-512 and 80.0 without.
`released` does the same, for comparisons with its numbers on the same machine.

Matching concerns one video, so videos are scored one at a time (matching.score_video), and an
interval draws their groups without matching again (`estimates`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from occludenet_build.action_detection.matching import (
    FRAME_OVERLAPS,
    TUBE_OVERLAPS,
    Matches,
    VideoScore,
    best_match,
)
from occludenet_build.core.seeds import rng
from occludenet_build.recognition.accuracy import RESAMPLES, SHARES, percentile_edges, widen

FRAME_METRICS: dict[str, tuple[float, ...]] = {"frame-AP@0.5": (0.5,)}
TUBE_METRICS: dict[str, tuple[float, ...]] = {f"video-AP@{one}": (one,) for one in (0.2, 0.5, 0.75)}
TUBE_METRICS["video-AP@0.5:0.95"] = TUBE_OVERLAPS[1:]
"""Name -> overlaps whose AP it is the mean of."""
METRICS = (*FRAME_METRICS, *TUBE_METRICS)
_AT_ONCE = 50
"""Draws that are computed together."""


class Estimate(NamedTuple):
    """A metric over videos."""

    metric: str
    """A name of METRICS."""
    value: float
    """0 to 1; nan without any truth."""
    low: float
    """95 % interval of a bootstrap that draws groups of videos."""
    high: float
    n: int
    """Videos."""
    groups: int
    classes: int
    """Classes with truth, of which it is the mean."""


def ap_by_class(matches: Sequence[Matches], column: int = 0, released: bool = False) -> np.ndarray:
    """AP of each class, float64 (C,), 0 to 1, at the overlap `column`; nan without truth.

    `released`: equal scores in the order of numpy's sort.
    """
    groups = np.zeros(len(matches), int)
    curves = _curves(matches, groups, column, released)
    return np.array([ap(np.ones((1, 1)))[0] for ap in curves])


def _curves(
    matches: Sequence[Matches], groups: np.ndarray, column: int, released: bool
) -> list[Callable[[np.ndarray], np.ndarray]]:
    """Per class a function: weights (B, G) of the groups -> AP (B,), nan without truth.

    `groups` int (V,): the group of each video, 0 to G - 1.
    """
    label = np.concatenate([one.label for one in matches])
    score = np.concatenate([one.score for one in matches])
    level = _levels(label, score, released)
    right = (
        _right_as_released(matches, level, column)
        if released
        else np.concatenate([one.right[:, column] for one in matches])
    )
    group = np.repeat(groups, [len(one.label) for one in matches])
    truths = np.zeros((int(groups.max()) + 1, len(matches[0].truths)))
    np.add.at(truths, groups, np.stack([one.truths for one in matches]))
    return [
        _curve(level[own], right[own], group[own], truths[:, k])
        for k, own in enumerate(label == k for k in range(truths.shape[1]))
    ]


def _levels(label: np.ndarray, score: np.ndarray, released: bool) -> np.ndarray:
    """Place of each detection (D,) among those of its class, 0 for the best; equal scores share
    one, or are in the order of numpy's sort."""
    places = np.empty(len(score), int)
    for own in (np.flatnonzero(label == k) for k in np.unique(label)):
        if released:
            places[own[np.argsort(-score[own])]] = np.arange(len(own))
        else:
            places[own] = np.unique(-score[own], return_inverse=True)[1]
    return places


def _right_as_released(matches: Sequence[Matches], level: np.ndarray, column: int) -> np.ndarray:
    """Which detections (D,) are right, matched in the order of their places."""
    right, begin = np.zeros(len(level), bool), 0
    for one in matches:
        for at, shared in one.rivals:
            right[begin + at] = best_match(
                np.argsort(level[begin + at]), shared, one.overlaps[column]
            )
        begin += len(one.label)
    return right


def _curve(
    level: np.ndarray, right: np.ndarray, group: np.ndarray, truths: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """The function of one class; `truths` (G,).

    Only where the recall rises is there an area: a point per score that has a right detection, with
    what each group has before it and in it.
    """
    points = np.unique(level[right])
    found = _tally(points, level, group, right, len(truths))
    wrong = _tally(points, level, group, ~right, len(truths))

    def ap(weights: np.ndarray) -> np.ndarray:
        total = weights @ truths
        hits, tried = weights @ found.until.T, weights @ (found.until + wrong.until).T
        before = hits - weights @ found.here.T
        tried_before = tried - weights @ (found.here + wrong.here).T
        height = _ratio(before, tried_before, 1.0) + _ratio(hits, tried, 1.0)
        return _ratio(((hits - before) * height / 2).sum(axis=1), total, np.nan)

    return ap


class _Tally(NamedTuple):
    """Detections per point and group, float32 (P, G): of that score, and up to that score."""

    here: np.ndarray
    until: np.ndarray


def _tally(
    points: np.ndarray, level: np.ndarray, group: np.ndarray, counted: np.ndarray, groups: int
) -> _Tally:
    level, group = level[counted], group[counted]
    exact = np.zeros((len(points), groups), np.float32)
    until = np.zeros((len(points), groups), np.float32)
    place = np.searchsorted(points, level)
    inside = place < len(points)
    np.add.at(until, (place[inside], group[inside]), 1)
    same = inside & (points[np.minimum(place, len(points) - 1)] == level if len(points) else inside)
    np.add.at(exact, (place[same], group[same]), 1)
    return _Tally(exact, until.cumsum(axis=0))


def _ratio(part: np.ndarray, whole: np.ndarray, without: float) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(whole), without), where=whole > 0)


# metrics


def estimates(
    scores: Sequence[VideoScore],
    groups: Sequence[str],
    resamples: int = RESAMPLES,
    released: bool = False,
) -> list[Estimate]:
    """The METRICS over V videos, with bootstrap intervals that draw groups; all see the same draws.

    `groups` (V,): TubeVideo.group; `released`: equal scores in the order of numpy's sort. Raises
    ValueError without a video.
    """
    if not scores:
        raise ValueError("wanted the scores of at least one video, got none")
    names, numbers = np.unique(np.asarray(groups, str), return_inverse=True)
    weights = _drawn(len(names), resamples)
    kinds = (
        (FRAME_METRICS, FRAME_OVERLAPS, [one.frame for one in scores]),
        (TUBE_METRICS, TUBE_OVERLAPS, [one.tube for one in scores]),
    )
    return [
        _estimate(name, matches, numbers, [overlaps.index(o) for o in wanted], weights, released)
        for metrics, overlaps, matches in kinds
        for name, wanted in metrics.items()
    ]


def _drawn(groups: int, resamples: int) -> np.ndarray:
    """How often each draw has each group, float32 (1 + resamples, G); the first has each once."""
    random = rng(0, "groups of videos")
    drawn = (random.integers(0, groups, groups) for _ in range(resamples))
    counts = [np.bincount(one, minlength=groups) for one in drawn]
    return np.stack([np.ones(groups), *counts]).astype(np.float32)


def _estimate(
    name: str,
    matches: Sequence[Matches],
    groups: np.ndarray,
    columns: Sequence[int],
    weights: np.ndarray,
    released: bool,
) -> Estimate:
    curves = [_curves(matches, groups, column, released) for column in columns]
    means = np.mean([_means(one, weights) for one in curves], axis=0)
    edges = percentile_edges(means[1:, None])
    widen(edges, np.array([weights.shape[1]]), SHARES)
    classes = int(np.count_nonzero(np.sum([one.truths for one in matches], axis=0)))
    low, high = edges[:, 0].tolist()
    return Estimate(name, float(means[0]), low, high, len(matches), weights.shape[1], classes)


def _means(curves: Sequence[Callable], weights: np.ndarray) -> np.ndarray:
    """Mean AP over the classes with truth of each draw, (B,)."""
    parts = np.split(weights, range(_AT_ONCE, len(weights), _AT_ONCE))
    found = np.stack([np.concatenate([ap(part) for part in parts]) for ap in curves])
    known = ~np.isnan(found)
    return _ratio(np.where(known, found, 0).sum(axis=0), known.sum(axis=0), np.nan)
