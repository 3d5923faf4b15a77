"""Skeletons: OpenPose's 18 joints, COCO's 17 keypoints in that order, and drawing of them.

Joints are float32 (N, 18, 3): x and y in pixels of the displayed picture, and a score from 0 to 1;
a joint that is not found is 0, 0, 0. The order is that of OpenPose's model COCO (its documentation,
"Pose Output Format (COCO)"), which the skeletons of Kinetics (ST-GCN, kinetics-skeleton) and
IntegralAction use. Left and right are those of the person.
"""

from __future__ import annotations

import cv2
import numpy as np

JOINTS = (
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder"),
    *("left_elbow", "left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip"),
    *("left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear"),
)
"""Names of the 18 joints, in OpenPose's order."""

COCO = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder"),
    *("right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip"),
    *("right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
)
"""Names of COCO's 17 keypoints, in the order of its annotations (cocodataset.org, Data format)."""

LIMBS = (
    *((1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10)),
    *((1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
"""Pairs of joints, by number, that are joined when a skeleton is drawn."""

HEAD = tuple(JOINTS.index(name) for name in ("nose", "right_eye", "left_eye")) + tuple(
    JOINTS.index(name) for name in ("right_ear", "left_ear")
)
"""Numbers of the joints of the head; the neck is not one of them."""

_NECK = JOINTS.index("neck")
_SHOULDERS = [JOINTS.index("right_shoulder"), JOINTS.index("left_shoulder")]
_FROM_COCO = [COCO.index(name) for name in JOINTS if name != "neck"]
_BESIDE_NECK = [number for number in range(len(JOINTS)) if number != _NECK]


def from_coco(keypoints: np.ndarray) -> np.ndarray:
    """COCO's keypoints float32 (N, 17, 3) as OpenPose's joints float32 (N, 18, 3).

    COCO has no neck: it is the mean of both shoulders, with the lower of their scores.

    >>> points = np.zeros((1, 17, 3), np.float32)
    >>> points[0, 5], points[0, 6] = (30, 40, 0.9), (10, 42, 0.5)
    >>> from_coco(points)[0, [1, 2, 5]].tolist()
    [[20.0, 41.0, 0.5], [10.0, 42.0, 0.5], [30.0, 40.0, 0.8999999761581421]]
    """
    joints = np.zeros((len(keypoints), len(JOINTS), 3), np.float32)
    joints[:, _BESIDE_NECK] = keypoints[:, _FROM_COCO]
    return with_neck(joints)


def with_neck(joints: np.ndarray) -> np.ndarray:
    """The joints float32 (N, 18, 3) with the neck between the shoulders.

    Where one shoulder has the score 0, the neck is not found.
    """
    joints = joints.copy()
    shoulders = joints[:, _SHOULDERS]
    joints[:, _NECK, :2] = shoulders[..., :2].mean(axis=1)
    joints[:, _NECK, 2] = shoulders[..., 2].min(axis=1)
    joints[joints[:, _NECK, 2] <= 0, _NECK] = 0
    return joints


def boxes_of(joints: np.ndarray) -> np.ndarray:
    """The smallest boxes around the found joints of float32 (N, 18, 3): float32 (N, 4).

    x1 y1 x2 y2 in pixels; all 0 for a skeleton without a found joint.
    """
    found = joints[..., 2:] > 0
    low = np.where(found, joints[..., :2], np.inf).min(axis=1)
    high = np.where(found, joints[..., :2], -np.inf).max(axis=1)
    boxes = np.hstack([low, high])
    return np.where(np.isfinite(boxes), boxes, 0).astype(np.float32)


def draw(
    picture: np.ndarray, joints: np.ndarray, colour: tuple[int, int, int], least: float = 0.0
) -> None:
    """Draw one skeleton float32 (18, 3) into a picture uint8 (H, W, 3), RGB.

    Joints with a score of at most `least` are left out, and so are the limbs at them.
    """
    seen = joints[:, 2] > least
    at = [(round(float(x) * 8), round(float(y) * 8)) for x, y in joints[:, :2]]
    thick = max(1, picture.shape[0] // 150)
    for one, other in LIMBS:
        if seen[one] and seen[other]:
            cv2.line(picture, at[one], at[other], colour, thick, cv2.LINE_AA, shift=3)
    for number in np.flatnonzero(seen).tolist():
        cv2.circle(picture, at[number], 8 * (thick + 1), colour, -1, cv2.LINE_AA, shift=3)
