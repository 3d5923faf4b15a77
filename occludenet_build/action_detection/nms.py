"""Soft non-maximum suppression of boxes, tubelets and tubes, and their overlaps.

Boxes are x1, y1, x2, y2 whose x2 and y2 are the last column and row, so widths are x2 - x1 + 1
(ACT, MOC-Detector: github.com/MCG-NJU/MOC-Detector, MIT; facts read, code our own).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

OVERLAP = 0.6
"""IoU beyond which a box or a tubelet weakens another."""
KEPT = 10
"""Tubelets of a class that start in one frame and are linked."""
TUBE_OVERLAP = 0.3
"""Overlap of two tubes beyond which the weaker one is dropped."""


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (N, 4) and (N, 4), or more axes in front, broadcast.

    Any dtype; of float32 boxes the result (N,) is float32.

    >>> iou(np.array([0, 0, 9, 9]), np.array([[0, 0, 9, 4], [20, 20, 29, 29]])).tolist()
    [0.5, 0.0]
    """
    low = np.maximum(first[..., :2], second[..., :2])
    shared = _product(np.maximum(np.minimum(first[..., 2:], second[..., 2:]) - low + 1, 0))
    areas = (_product(boxes[..., 2:] - boxes[..., :2] + 1) for boxes in (first, second))
    return shared / (sum(areas) - shared)


def _product(sides: np.ndarray) -> np.ndarray:
    return sides[..., 0] * sides[..., 1]


def soft_nms(
    boxes: np.ndarray, scores: np.ndarray, released: bool = False, overlap: float = OVERLAP
) -> np.ndarray:
    """The scores (N,) of tubelets (N, K, 4) after soft suppression, float32.

    From the best one on, each tubelet whose mean IoU with it over the K frames exceeds `overlap`
    gets its score times 1 - IoU and suppresses no other; each is weakened once, by the first that
    does. K = 1 is the suppression of the boxes of one frame. `released`: the score times 1 minus
    the *sum* of the K IoUs, as MOC-Detector has it, which is negative for most K > 1.
    """
    scores = np.asarray(scores, np.float32)
    order, weights = best_first(scores, released), np.ones(len(scores), np.float32)
    ranked = boxes[order]
    mean = iou(ranked[:, None], ranked[None]).mean(axis=-1)
    near = np.triu(mean > overlap, 1)
    free = np.ones(len(scores), bool)
    for at in np.flatnonzero(near.any(axis=1)):
        if free[at]:
            weaker = near[at] & free
            share = mean[at, weaker] * (boxes.shape[1] if released else 1)
            weights[order[weaker]] = 1 - share
            free[weaker] = False
    return scores * weights


def best_first(scores: np.ndarray, released: bool = False) -> np.ndarray:
    """Positions int64 (N,) of scores (N,), the best first, of equal ones the first.

    `released`: equal ones in the order of numpy's unstable sort, turned round.
    """
    return np.argsort(scores)[::-1] if released else np.argsort(-scores, kind="stable")


def tube_iou(first: np.ndarray, second: np.ndarray) -> float:
    """Temporal IoU x mean IoU of boxes over the common frames, of tubes (N, 5) and (M, 5).

    Float rows of frame and box, further columns do not count; frames are in ascending order without
    repeats. In a gap of a tube the IoU is 0.

    >>> tube = np.array([[1, 0, 0, 9, 9], [2, 0, 0, 9, 9], [3, 0, 0, 9, 9]])
    >>> round(tube_iou(tube, tube[1:]), 3)
    0.667
    """
    _, at, other = np.intersect1d(first[:, 0], second[:, 0], True, return_indices=True)
    if not len(at):
        return 0.0
    union = max(first[-1, 0], second[-1, 0]) - min(first[0, 0], second[0, 0]) + 1
    return float(iou(first[at, 1:5], second[other, 1:5]).sum() / union)


def suppress_tubes(
    tubes: Sequence[np.ndarray], scores: Sequence[float], overlap: float = TUBE_OVERLAP
) -> list[int]:
    """Positions of the tubes that remain, the best first: none overlaps a better one by more.

    `tubes`: float32 (N, 5) each, of one video and class, as for `tube_iou`.
    """
    kept: list[int] = []
    for at in np.argsort(-np.asarray(scores, np.float64), kind="stable").tolist():
        if all(tube_iou(tubes[at], tubes[other]) <= overlap for other in kept):
            kept.append(at)
    return kept
