"""Whose a pose is: the poses of a frame are assigned to the boxes of our tracks, by their boxes.

A pose is of one of COCO's people, a box of detect is one too, and the joints' own measure of
likeness (OKS) needs a second set of joints, which a track does not have. So boxes are compared: by
their IoU, and where an occluder leaves a part of the person only, by how much of the pose's box
lies in the track's. All poses and tracks of a frame are assigned together, so that a child before
an adult gets the child's pose and the adult their own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from occludenet_build.core.build import ClipBoxes
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.people.maskers.group_masks import group_members

LEAST_IOU = 0.3
"""Least IoU of two boxes of the same person, as for the masks of actor_masks."""
_LEAST_INSIDE = 0.75
"""Least share of the pose's box in the track's, where the IoU is lower."""
_LEAST_PART = 0.05
"""Least area of such a pose's box, as a share of the track's: a smaller one is somebody else, who
stands further away."""


def matched(poses: np.ndarray, tracks: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (pose, track) of boxes float32 (N, 4) and (M, 4), x1 y1 x2 y2 in pixels.

    A pose and a track are in one pair at most; the sum of their likeness is as large as it can be.

    >>> adult, child = [0, 0, 20, 40], [5, 20, 15, 40]
    >>> matched(np.float32([child, adult]), np.float32([adult, child]))
    [(0, 1), (1, 0)]
    """
    from scipy.optimize import linear_sum_assignment  # not above: commands that need no poses

    likeness = _likeness(poses, tracks)
    rows, columns = linear_sum_assignment(likeness, maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(row, column) for row, column in pairs if likeness[row, column] > 0]


def _likeness(poses: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    """float64 (N, M): the IoU, half the share inside where that is enough, else 0."""
    overlap = geometry.iou(poses, tracks)
    first, second = poses.astype(np.float64), tracks.astype(np.float64)
    own, whole = geometry.area(first)[:, None], geometry.area(second)[None, :]
    shared = geometry.intersection(first, second)
    inside = np.divide(shared, own, out=np.zeros_like(shared), where=own > 0)
    part = np.divide(own, whole, out=np.zeros_like(shared), where=whole > 0)
    may_be_part = (inside >= _LEAST_INSIDE) & (part >= _LEAST_PART)
    # Halved: a box of the same size and place is better evidence than one that lies inside.
    return np.where(overlap >= LEAST_IOU, overlap, np.where(may_be_part, inside / 2 * LEAST_IOU, 0))


def people_of(boxes: ClipBoxes) -> ClipBoxes:
    """The people of a clip, one box per person and frame, ordered by frame and track.

    Where the actor is a group (detect.actor all), its members are actors and its own box, which is
    nobody's, is left out.
    """
    others = boxes.others
    members = group_members(boxes.actor.one_by_frame(), others)
    if not members:
        return _ordered(boxes)
    boxed = zip(others.keys, others.frames.tolist(), strict=True)
    is_member = [frame in members.get(key, {}) for key, frame in boxed]
    return _ordered(replace(others, is_actor=np.array(is_member, np.bool_)))


def _ordered(boxes: ClipBoxes) -> ClipBoxes:
    return boxes.where(np.lexsort((boxes.tracks, boxes.frames)))
