"""Bounding boxes: float32 arrays (N, 4) with x1, y1, x2, y2 in pixels of the displayed frame.

Boxes are half-open: x2 and y2 are the first pixel beyond the box.
"""

from __future__ import annotations

import numpy as np


def empty() -> np.ndarray:
    """No boxes: float32 (0, 4)."""
    return np.zeros((0, 4), np.float32)


def area(boxes: np.ndarray) -> np.ndarray:
    """Areas of boxes, float32 (N, 4): float32 (N,), in square pixels; 0 if x2 < x1 or y2 < y1."""
    return np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1)


def centre(boxes: np.ndarray) -> np.ndarray:
    """Centres of boxes, float32 (N, 4): float32 (N, 2), x and y in pixels."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def clipped(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """Clip boxes, float32 (N, 4), to a frame of `width` x `height` pixels: float32 (N, 4).

    A box outside the frame gets an area of 0.

    >>> clipped(np.float32([[-5, 2, 7, 99]]), 20, 10).tolist()
    [[0.0, 2.0, 7.0, 10.0]]
    """
    return np.clip(boxes, 0, np.array([width, height, width, height], np.float32))


def intersection(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Areas of intersection of boxes, float (N, 4) and (M, 4): float (N, M), in square pixels."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return np.prod(np.clip(high - low, 0, None), axis=2)


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes, float32 (N, 4) and (M, 4): float64 (N, M), 0 to 1.

    It is 0 if both boxes have no area.

    >>> iou(np.float32([[0, 0, 2, 1]]), np.float32([[1, 0, 3, 1], [5, 5, 6, 6]])).round(3).tolist()
    [[0.333, 0.0]]
    """
    # In float32, large areas are rounded, and the IoU of a box with itself would not be 1.
    first, second = first.astype(np.float64), second.astype(np.float64)
    shared = intersection(first, second)
    union = area(first)[:, None] + area(second)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def contained(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Share of the smaller box inside the larger one, row by row.

    float32 (N, 4) and (N, 4): float64 (N,), 0 to 1; 0 where a box has no area.

    >>> contained(np.float32([[0, 0, 4, 4]]), np.float32([[2, 0, 6, 2]])).tolist()
    [0.5]
    """
    first, second = first.astype(np.float64), second.astype(np.float64)
    low = np.maximum(first[:, :2], second[:, :2])
    high = np.minimum(first[:, 2:], second[:, 2:])
    shared, least = area(np.hstack([low, high])), np.minimum(area(first), area(second))
    return np.divide(shared, least, out=np.zeros_like(shared), where=least > 0)


def expanded(boxes: np.ndarray, share: float) -> np.ndarray:
    """Expand boxes, float32 (N, 4), on each side by `share` of their size: float32 (N, 4)."""
    margin = (boxes[:, 2:] - boxes[:, :2]) * np.float32(share)
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)


def interpolated(first: np.ndarray, last: np.ndarray, count: int) -> np.ndarray:
    """Interpolate `count` boxes, float32 (count, 4), between the boxes `first` and `last`, (4,).

    The two boxes themselves are not included.

    >>> interpolated(np.float32([0, 0, 2, 2]), np.float32([4, 0, 6, 2]), 1).tolist()
    [[2.0, 0.0, 4.0, 2.0]]
    """
    share = (np.arange(1, count + 1, dtype=np.float32) / np.float32(count + 1))[:, None]
    return np.float32(first) * (1 - share) + np.float32(last) * share
