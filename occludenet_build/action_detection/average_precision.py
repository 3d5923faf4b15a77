"""Frame AP and video AP of action detection, with intervals.

Detections of a class, from the best score on, are matched to what is still free of the truth: a
box of the same frame (frame AP), a tube of the same video (video AP). AP is the area under the
points of precision and recall, from (1, 0) on, by trapezoids (ACT, MOC-Detector; MIT, facts read,
code our own). The mean is over the classes that the truth has; MOC-Detector fails where there is
one without.

Equal scores are one point, so that their order does not matter. All K boxes of a tubelet have its
score, and MOC-Detector takes them in the order of numpy's unstable sort, which depends on the
processor: on one set of three videos its frame AP is 78.0 with AVX-512 and 80.0 without, where the
order that is best for it gives more and the worst less. `released` does the same as it, for
comparisons with its numbers on the same machine.

Matching concerns one video, so videos are scored one at a time (`score_video`) and an interval
draws their groups without matching again (`estimates`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from occludenet_build.action_detection.decode import Tubelets
from occludenet_build.action_detection.linking import DetectedTube, link
from occludenet_build.action_detection.nms import iou, soft_nms, suppress_tubes, tube_iou
from occludenet_build.action_detection.truth import Tubes
from occludenet_build.core.seeds import rng
from occludenet_build.recognition.accuracy import RESAMPLES, SHARES, percentile_edges, widen

FRAME_OVERLAPS = (0.5,)
"""IoU from which a box is right."""
TUBE_OVERLAPS = (0.2, *(round(0.5 + 0.05 * step, 2) for step in range(10)))
"""Overlap (nms.tube_iou) from which a tube is right."""
FRAME_METRICS = {"frame-AP@0.5": (0.5,)}
TUBE_METRICS = {f"video-AP@{one}": (one,) for one in (0.2, 0.5, 0.75)}
TUBE_METRICS["video-AP@0.5:0.95"] = TUBE_OVERLAPS[1:]
"""Name -> overlaps whose AP it is the mean of."""
METRICS = (*FRAME_METRICS, *TUBE_METRICS)
_AT_ONCE = 50
"""Draws that are computed together."""


@dataclass(frozen=True)
class Matches:
    """The D detections of one video, and which of them are right."""

    label: np.ndarray
    """int32 (D,)."""
    score: np.ndarray
    """float32 (D,)."""
    right: np.ndarray
    """bool (D, T): at each of T overlaps."""
    truths: np.ndarray
    """int64 (C,): boxes or tubes of each class in the truth."""


class VideoScore(NamedTuple):
    """What the detections of a video are worth."""

    frame: Matches
    """Of boxes in frames, at FRAME_OVERLAPS."""
    tube: Matches
    """Of tubes, at TUBE_OVERLAPS."""


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


def score_video(
    tubelets: Tubelets, truth: Tubes, classes: int, released: bool = False
) -> VideoScore:
    """Match the tubelets of a video, all starts together, to its tubes.

    `classes`: C, those of the network. `released`: the suppression of tubelets that subtracts a sum
    (nms.soft_nms), and boxes in the order in which MOC-Detector sorts them.
    """
    tubes = link(tubelets, released)
    return VideoScore(
        match_frames(tubelets, truth, classes, released=released),
        match_tubes(tubes, truth, classes),
    )


# matching


def match_frames(
    tubelets: Tubelets,
    truth: Tubes,
    classes: int,
    overlaps: Sequence[float] = FRAME_OVERLAPS,
    released: bool = False,
) -> Matches:
    """Match boxes in frames: those of all tubelets that cover a frame, after soft suppression.

    `released`: in the order of frames, starts and `tubelets`, whatever their scores.
    """
    by_start = np.argsort(tubelets.start, kind="stable")
    ordered = tubelets.at(by_start) if released else tubelets.ordered()
    frame = (ordered.start[:, None] + np.arange(ordered.length) + 1).ravel()
    by_frame = np.argsort(frame, kind="stable")
    frame, one = frame[by_frame], by_frame // ordered.length
    label, score = ordered.label[one], ordered.score[one]
    boxes = ordered.boxes.reshape(-1, 4)[by_frame]
    wanted = {key: np.stack(v) for key, v in _boxes_of(truth).items()}
    scores, right = np.zeros(len(score), np.float32), np.zeros((len(score), len(overlaps)), bool)
    for at in _groups(label, frame):
        scores[at] = soft_nms(boxes[at][:, None], score[at])
        goal = wanted.get((int(label[at[0]]), int(frame[at[0]])))
        if goal is not None:
            shared = iou(boxes[at][:, None], goal[None])
            right[at] = _right(scores[at], shared, overlaps)
    counted = {k: sum(len(tube) for tube in tubes) for k, tubes in truth.items()}
    return Matches(label, scores, right, _counts(counted, classes))


def _boxes_of(truth: Tubes) -> dict[tuple[int, int], list[np.ndarray]]:
    """(label, frame from 1) -> boxes."""
    found: dict[tuple[int, int], list[np.ndarray]] = {}
    for label, tubes in truth.items():
        for tube in tubes:
            for row in tube:
                found.setdefault((label, int(row[0])), []).append(row[1:5])
    return found


def _groups(label: np.ndarray, frame: np.ndarray) -> Iterable[np.ndarray]:
    """Positions of the boxes of each label and frame."""
    order = np.lexsort((frame, label))
    steps = (np.diff(label[order]) != 0) | (np.diff(frame[order]) != 0)
    return np.split(order, np.flatnonzero(steps) + 1) if len(order) else []


def match_tubes(
    tubes: Sequence[DetectedTube],
    truth: Tubes,
    classes: int,
    overlaps: Sequence[float] = TUBE_OVERLAPS,
) -> Matches:
    """Match the tubes of a video that remain after suppression, per class."""
    kept: list[DetectedTube] = []
    right = [np.zeros((0, len(overlaps)), bool)]
    for label in sorted({tube.label for tube in tubes}):
        own = [tube for tube in tubes if tube.label == label]
        best = suppress_tubes([tube.rows for tube in own], [tube.score for tube in own])
        chosen, goal = [own[at] for at in best], truth.get(label, ())
        shared = np.array([[tube_iou(one, tube.rows) for one in goal] for tube in chosen])
        right.append(_right(np.array([t.score for t in chosen]), shared, overlaps))
        kept += chosen
    return Matches(
        label=np.array([tube.label for tube in kept], np.int32),
        score=np.array([tube.score for tube in kept], np.float32),
        right=np.concatenate(right),
        truths=_counts({k: len(v) for k, v in truth.items()}, classes),
    )


def _counts(by_label: dict[int, int], classes: int) -> np.ndarray:
    counts = np.zeros(classes, np.int64)
    for label, number in by_label.items():
        counts[label] = number
    return counts


def _right(scores: np.ndarray, shared: np.ndarray, overlaps: Sequence[float]) -> np.ndarray:
    """Which of D detections are right, bool (D, T); `shared` (D, G): their overlap with the truth.

    From the best score on, and of equal scores from the largest overlap on, each takes what it
    overlaps most of what is free, if it is enough.
    """
    right = np.zeros((len(scores), len(overlaps)), bool)
    if not shared.size:
        return right
    order = np.lexsort((-shared.max(axis=1), -scores))
    for column, wanted in enumerate(overlaps):
        free = shared.copy()
        for at in order[(shared[order] >= wanted).any(axis=1)]:
            best = free[at].argmax()
            if free[at, best] >= wanted:
                right[at, column] = True
                free[:, best] = -1
    return right


# average precision


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
    right = np.concatenate([one.right[:, column] for one in matches])
    group = np.repeat(groups, [len(one.label) for one in matches])
    truths = np.zeros((int(groups.max()) + 1, len(matches[0].truths)))
    np.add.at(truths, groups, np.stack([one.truths for one in matches]))
    return [
        _curve(_levels(score[own], released), right[own], group[own], truths[:, k])
        for k, own in enumerate(label == k for k in range(truths.shape[1]))
    ]


def _levels(score: np.ndarray, released: bool) -> np.ndarray:
    """Place of each detection (D,) among the scores, 0 for the best; equal scores share one."""
    if not released:
        return np.unique(-score, return_inverse=True)[1]
    places = np.empty(len(score), int)
    places[np.argsort(-score)] = np.arange(len(score))
    return places


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
    classes = int((sum(one.truths for one in matches) > 0).sum())
    low, high = edges[:, 0].tolist()
    return Estimate(name, float(means[0]), low, high, len(matches), weights.shape[1], classes)


def _means(curves: Sequence[Callable], weights: np.ndarray) -> np.ndarray:
    """Mean AP over the classes with truth of each draw, (B,)."""
    parts = np.split(weights, range(_AT_ONCE, len(weights), _AT_ONCE))
    found = np.stack([np.concatenate([ap(part) for part in parts]) for ap in curves])
    known = ~np.isnan(found)
    return _ratio(np.where(known, found, 0).sum(axis=0), known.sum(axis=0), np.nan)
