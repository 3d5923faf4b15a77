"""Where heads are: from the boxes of people, or from their joints."""

from __future__ import annotations

import numpy as np

from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.media.imaging import skeletons

_DEPTH = (0.26, 0.45)
"""Height of the head's part of a person's box, at least: share of the box's height (a head is about
1/7 of the body, and is below raised arms), and of its width, for somebody seen from the waist."""
_ASIDE = (0.17, 0.3)
"""Half its width, from the middle of the box, at least: share of the height and of the width, for
somebody who leans to a side."""
_LYING = 1.3
"""Width by height from which the whole box counts: the head may be at either end."""
_LEAST_JOINT = 0.2
"""Least score of a joint that tells where the head is."""
_SPAN = 2.6
"""Side of the head, in distances between its outermost joints: ear to ear is seen from the front,
nose to ear in profile."""
_SHOULDERS = 0.8
"""At least this share of the distance between the shoulders, for heads that are seen from behind or
from above."""


def of_people(boxes: np.ndarray) -> np.ndarray:
    """Head regions float32 (N, 4) of people's boxes float32 (N, 4), x1 y1 x2 y2 in pixels.

    The upper middle of the box; all of it for a box that is wider than tall. Of drawn figures in
    five actions all eyes, ears and noses are inside.

    >>> of_people(np.float32([[0, 0, 50, 100], [0, 0, 80, 100], [0, 0, 200, 100]])).tolist()
    [[8.0, 0.0, 42.0, 26.0], [16.0, 0.0, 64.0, 36.0], [0.0, 0.0, 200.0, 100.0]]
    """
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    is_lying = width > _LYING * height
    depth = np.minimum(np.maximum(_DEPTH[0] * height, _DEPTH[1] * width), height)
    half = np.minimum(np.maximum(_ASIDE[0] * height, _ASIDE[1] * width), width / 2)
    middle = (boxes[:, 0] + boxes[:, 2]) / 2
    upper = np.stack([middle - half, boxes[:, 1], middle + half, boxes[:, 1] + depth], axis=1)
    return np.where(is_lying[:, None], boxes, upper).round(3).astype(np.float32)


def of_joints(joints: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Head regions float32 (N, 4) of skeletons float32 (N, 18, 3) with their boxes float32 (N, 4).

    Squares around the joints of the head; of a person with fewer than two of them, the upper part
    of their box.
    """
    heads = of_people(boxes)
    for number, joints_of_one in enumerate(joints):
        square = _square(joints_of_one)
        if square is not None:
            heads[number] = square
    return heads


def _square(joints: np.ndarray) -> np.ndarray | None:
    """x1 y1 x2 y2 of the head of one skeleton float32 (18, 3); None if it is not told."""
    head = joints[list(skeletons.HEAD)]
    points = head[head[:, 2] >= _LEAST_JOINT, :2]
    if len(points) < 2:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    sides = [joints[skeletons.JOINTS.index(f"{side}_shoulder")] for side in ("left", "right")]
    across = 0.0
    if all(side[2] >= _LEAST_JOINT for side in sides):
        across = float(np.hypot(*(sides[0][:2] - sides[1][:2])))
    half = max(_SPAN * float(np.hypot(*(high - low))), _SHOULDERS * across) / 2
    centre = (low + high) / 2
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def seen_heads(joints: np.ndarray, least: float) -> np.ndarray:
    """Whether each skeleton of float32 (N, 18, 3) shows a head: two of its joints, bool (N,)."""
    return (joints[:, list(skeletons.HEAD), 2] >= least).sum(axis=1) >= 2


def grown(boxes: np.ndarray, share: float, size: tuple[int, int]) -> np.ndarray:
    """Boxes float32 (N, 4), larger by `share` on each side, inside a picture (width, height).

    Empty ones are left out.
    """
    inside = geometry.clipped(geometry.expanded(boxes, share), *size)
    return inside[geometry.area(inside) > 0]
