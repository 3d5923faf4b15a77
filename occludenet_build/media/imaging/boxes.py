"""Boxes: float32 arrays (N, 4), pixels, x1 y1 x2 y2, half-open, in the displayed picture."""

from __future__ import annotations

import numpy as np


def empty() -> np.ndarray:
    return np.zeros((0, 4), np.float32)


def area(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) -> (N,), square pixels; a box turned inside out has none."""
    return np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1)


def centre(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) -> (N, 2), x and y."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def clipped(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """The part of each box inside the picture; no area is left of one that lies outside.

    >>> clipped(np.float32([[-5, 2, 7, 99]]), 20, 10).tolist()
    [[0.0, 2.0, 7.0, 10.0]]
    """
    return np.clip(boxes, 0, np.array([width, height, width, height], np.float32))


def intersection(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N, 4), (M, 4) -> (N, M), square pixels that two boxes share."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return np.prod(np.clip(high - low, 0, None), axis=2)


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N, 4), (M, 4) -> (N, M), intersection over union, 0 to 1; 0 where neither has an area.

    >>> iou(np.float32([[0, 0, 2, 1]]), np.float32([[1, 0, 3, 1], [5, 5, 6, 6]])).round(3).tolist()
    [[0.333, 0.0]]
    """
    # float64: areas of large pictures round in float32, and a box over itself must give 1
    first, second = first.astype(np.float64), second.astype(np.float64)
    shared = intersection(first, second)
    union = area(first)[:, None] + area(second)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def grown(boxes: np.ndarray, share: float) -> np.ndarray:
    """Boxes with `share` of their width and height added on each side."""
    margin = (boxes[:, 2:] - boxes[:, :2]) * np.float32(share)
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)


def between(first: np.ndarray, last: np.ndarray, count: int) -> np.ndarray:
    """`count` boxes (count, 4) evenly spaced between two boxes (4,), which are not among them.

    >>> between(np.float32([0, 0, 2, 2]), np.float32([4, 0, 6, 2]), 1).tolist()
    [[2.0, 0.0, 4.0, 2.0]]
    """
    share = (np.arange(1, count + 1, dtype=np.float32) / np.float32(count + 1))[:, None]
    return np.float32(first) * (1 - share) + np.float32(last) * share
