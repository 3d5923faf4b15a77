"""Joints of a view: the best persons of each frame, moved with the picture.

| matter | default | as released |
|---|---|---|
| a mirrored view swaps left and right joints | of all persons in all frames (`all`) | of the first
person in the first frame only (`first`) |

Without the swap a mirrored person has their left hand on the right arm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from occludenet_build.recognition.integralaction.poses_in import Persons
from occludenet_build.recognition.integralaction.views import PER_CELL, View

PEOPLE = 5
"""Persons of a frame that are drawn."""

SIDES = ((2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13), (14, 15), (16, 17))
"""Right and left joints of OpenPose's 18."""

SWAPS = ("all", "first")
"""Whose joints a mirrored view swaps: see the module."""


@dataclass(frozen=True)
class ViewJoints:
    """The joints of one view, for render.pictures: F frames, P persons, J joints."""

    places: np.ndarray
    """float32 (F, P, J, 2): x and y in cells of the maps; may lie outside of them."""
    scores: np.ndarray
    """float32 (F, P, J): 0 for joints that are not there, and for persons that fill up."""
    found: int
    """Persons that are there, over all F frames."""


def of_view(
    persons: Persons,
    view: View,
    people: int = PEOPLE,
    sides: tuple[tuple[int, int], ...] = SIDES,
    swap: str = "all",
) -> ViewJoints:
    """The joints of `view.pose_frames`, scaled, mirrored and warped as its video is.

    Each frame has the `people` persons with the highest mean score of their joints, the best first;
    others fill up, with the score 0 and the place (1, 1) of the resized picture. Nothing is cut off
    at the edge of the view. A clip without poses gives persons that fill up only.
    """
    shape = len(view.pose_frames), people, persons.joints
    places, scores = np.ones((*shape, 2)), np.zeros(shape)
    scale = np.divide(view.resized, persons.size)[::-1]
    found = 0
    for number, frame in enumerate(view.pose_frames):
        best = best_persons(persons.of(frame), people)
        places[number, : len(best)] = best[..., :2] * scale
        scores[number, : len(best)] = best[..., 2]
        found += len(best)
    if view.flip:
        places[..., 0] = view.resized[1] - places[..., 0] - 1
        _swap(places, scores, sides, swap)
    affine = view.affine()
    places = (places @ affine[:, :2].T + affine[:, 2]) / PER_CELL
    return ViewJoints(places.astype(np.float32), scores.astype(np.float32), found)


def best_persons(joints: np.ndarray, people: int) -> np.ndarray:
    """The `people` persons of float64 (P, J, 3) with the highest mean score, the best first.

    Of persons with the same score the earlier one comes first.
    """
    order = np.argsort(-joints[..., 2].mean(axis=1), kind="stable")
    return joints[order[:people]]


def _swap(
    places: np.ndarray, scores: np.ndarray, sides: tuple[tuple[int, int], ...], swap: str
) -> None:
    """Swap left and right joints in place."""
    order = np.arange(scores.shape[-1])
    for right, left in sides:
        order[[right, left]] = left, right
    whose = np.s_[:] if swap == "all" else np.s_[:1, :1]
    places[whose] = places[whose][:, :, order]
    scores[whose] = scores[whose][:, :, order]
