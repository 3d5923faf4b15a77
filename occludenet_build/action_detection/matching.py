"""Matching of detected boxes and tubes to the truth, video by video, for average_precision.

Detections of a class, from the best score on, are matched to what is still free of the truth: a
box of the same frame (frame AP), a tube of the same video (video AP). (ACT, MOC-Detector; MIT,
facts read, code our own.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from occludenet_build.action_detection.decode import Tubelets
from occludenet_build.action_detection.linking import DetectedTube, link
from occludenet_build.action_detection.nms import iou, soft_nms, suppress_tubes, tube_iou
from occludenet_build.action_detection.truth import Tubes

FRAME_OVERLAPS = (0.5,)
"""IoU from which a box is right."""
TUBE_OVERLAPS = (0.2, *(round(0.5 + 0.05 * step, 2) for step in range(10)))
"""Overlap (nms.tube_iou) from which a tube is right."""


class Rivals(NamedTuple):
    """Detections that can match the same truth: of a class, in a frame or in a video."""

    at: np.ndarray
    """int (R,): their positions."""
    shared: np.ndarray
    """(R, G): their overlap with the truth."""


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
    rivals: tuple[Rivals, ...]
    """Where there is truth."""
    overlaps: tuple[float, ...]
    """The T overlaps."""


class VideoScore(NamedTuple):
    """What the detections of a video are worth."""

    frame: Matches
    """Of boxes in frames, at FRAME_OVERLAPS."""
    tube: Matches
    """Of tubes, at TUBE_OVERLAPS."""


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
    scores, rivals = np.zeros(len(score), np.float32), []
    for at in _groups(label, frame):
        # one frame: a sum is a mean, and only the order of equal scores is as released
        scores[at] = soft_nms(boxes[at][:, None], score[at], released)
        goal = wanted.get((int(label[at[0]]), int(frame[at[0]])))
        if goal is not None:
            rivals.append(Rivals(at, iou(boxes[at][:, None], goal[None])))
    counted = {k: sum(len(tube) for tube in tubes) for k, tubes in truth.items()}
    return _matched(label, scores, rivals, _counts(counted, classes), overlaps)


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
    rivals = []
    for label in sorted({tube.label for tube in tubes}):
        own = [tube for tube in tubes if tube.label == label]
        best = suppress_tubes([tube.rows for tube in own], [tube.score for tube in own])
        goal, at = truth.get(label, ()), len(kept) + np.arange(len(best))
        kept += [own[position] for position in best]
        if len(goal):
            shared = [[tube_iou(one, own[position].rows) for one in goal] for position in best]
            rivals.append(Rivals(at, np.array(shared)))
    labels = np.array([tube.label for tube in kept], np.int32)
    scores = np.array([tube.score for tube in kept], np.float32)
    counted = _counts({k: len(v) for k, v in truth.items()}, classes)
    return _matched(labels, scores, rivals, counted, overlaps)


def _counts(by_label: dict[int, int], classes: int) -> np.ndarray:
    counts = np.zeros(classes, np.int64)
    for label, number in by_label.items():
        counts[label] = number
    return counts


def _matched(
    label: np.ndarray,
    score: np.ndarray,
    rivals: Sequence[Rivals],
    truths: np.ndarray,
    overlaps: Sequence[float],
) -> Matches:
    right = np.zeros((len(score), len(overlaps)), bool)
    for at, shared in rivals:
        # of equal scores the one that overlaps most
        order = np.lexsort((-shared.max(axis=1), -score[at]))
        for column, wanted in enumerate(overlaps):
            right[at, column] = best_match(order, shared, wanted)
    return Matches(label, score, right, truths, tuple(rivals), tuple(overlaps))


def best_match(order: np.ndarray, shared: np.ndarray, wanted: float) -> np.ndarray:
    """Which of R detections are right, bool (R,); `shared` (R, G): their overlap with the truth.

    In the given order (R,), each takes what it overlaps most of what is free, if it is enough.
    """
    right, free = np.zeros(len(shared), bool), shared.copy()
    for at in order[(shared[order] >= wanted).any(axis=1)]:
        best = free[at].argmax()
        if free[at, best] >= wanted:
            right[at] = True
            free[:, best] = -1
    return right
