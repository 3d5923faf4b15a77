"""Draw the figure: limbs, head and torso as shaded, textured cards on a skeleton.

A card is painted once per clip, then rotated and moved, so a frame takes about 2 ms. Everything is
drawn at `SUPER` times the size of the video and reduced at the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from demo.world.actions import Limb, Pose
from demo.world.wardrobe import BodyPart, Look, paint_body_parts

SUPER = 3
"""Linear oversampling."""

NECK, TORSO = 0.035, 0.29
UPPER_ARM, LOWER_ARM, THIGH, SHIN = 0.155, 0.165, 0.235, 0.225
SHOULDER, HIP = 0.098, 0.052
"""Half the distance between the two joints, relative to the height of the figure."""
SHOULDER_PROFILE, HIP_PROFILE = 0.018, 0.012
FOOT_DROP = 0.035
"""Distance from ankle to sole, relative to the height of the figure."""

Point = tuple[float, float]


@dataclass(frozen=True)
class PlacedPart:
    """A body part with its first joint at `at` (px), at `angle` degrees from straight down."""

    piece: str
    at: Point
    angle: float


def _joint_after(start: Point, angle: float, length: float) -> Point:
    radians = math.radians(angle)
    return start[0] + length * math.sin(radians), start[1] + length * math.cos(radians)


def place_body_parts(
    pose: Pose, height: float, x: float, ground_y: float, facing: int
) -> list[PlacedPart]:
    """The body parts of the figure, in drawing order.

    `height` is the standing height, `x` the position of the hips and `ground_y` that of the soles,
    in px; `facing` is 1, or -1 to mirror the pose.
    """
    hips = (0.0, 0.0)
    chest = _joint_after(hips, 180 - pose.lean, TORSO)
    across = math.radians(pose.lean)
    shoulder = SHOULDER_PROFILE if pose.profile else SHOULDER
    hip = HIP_PROFILE if pose.profile else HIP

    def side(centre: Point, half: float) -> Point:
        return centre[0] + half * math.cos(across), centre[1] + half * math.sin(across)

    def limb(kind: str, start: Point, angles: Limb, length: float) -> list[PlacedPart]:
        joint = _joint_after(start, angles[0], length)
        return [
            PlacedPart(f"lower_{kind}", joint, angles[1]),
            PlacedPart(f"upper_{kind}", start, angles[0]),
        ]

    armpit = _joint_after(chest, -pose.lean, 0.02)
    placed = [
        *limb("arm", side(armpit, -shoulder), pose.far_arm, UPPER_ARM),
        *_with_foot(limb("leg", (-hip, 0.0), pose.far_leg, THIGH), pose.profile, -1),
        *_with_foot(limb("leg", (hip, 0.0), pose.near_leg, THIGH), pose.profile, 1),
        PlacedPart("torso_profile" if pose.profile else "torso", hips, 180 - pose.lean),
        PlacedPart("neck", chest, 180 - pose.lean),
        PlacedPart(
            "head_profile" if pose.profile else "head",
            _joint_after(chest, 180 - pose.lean, NECK),
            180 - pose.lean - pose.nod,
        ),
        *limb("arm", side(armpit, shoulder), pose.near_arm, UPPER_ARM),
    ]
    ankles = [_joint_after(p.at, p.angle, SHIN) for p in placed if p.piece == "lower_leg"]
    drop = max(y for _, y in ankles) + FOOT_DROP + pose.hop
    return [_to_picture(p, height, x, ground_y - drop * height, facing) for p in placed]


def _with_foot(leg: list[PlacedPart], profile: bool, outward: int) -> list[PlacedPart]:
    """Add the shoe, which points in viewing direction, or slightly outwards from the front."""
    shin = leg[0]
    ankle = _joint_after(shin.at, shin.angle, SHIN)
    name = "shoe_profile" if profile else "shoe_right" if outward > 0 else "shoe_left"
    return [PlacedPart(name, ankle, shin.angle if profile else shin.angle * 0.7), *leg]


def _to_picture(p: PlacedPart, height: float, x: float, y: float, facing: int) -> PlacedPart:
    at = (x + facing * p.at[0] * height, y + p.at[1] * height)
    return PlacedPart(p.piece, at, p.angle)


class Figure:
    """An actor: body parts painted for a standing height in px of the video."""

    def __init__(self, look: Look, height_px: float) -> None:
        """Paint the body parts."""
        self.height_px = height_px
        self.pieces = paint_body_parts(look, height_px * SUPER)

    def draw(
        self, pose: Pose, size: tuple[int, int], x: float, ground_y: float, facing: int
    ) -> np.ndarray:
        """The figure alone: premultiplied RGBA, uint8 (H, W, 4); `size` is (height, width), px."""
        height, width = size
        canvas = np.zeros((height * SUPER, width * SUPER, 4), np.uint8)
        scaled = self.height_px * SUPER
        for placed in place_body_parts(pose, scaled, x * SUPER, ground_y * SUPER, facing):
            radians = math.radians(placed.angle)
            cosine, sine = math.cos(radians), math.sin(radians)
            turn = np.array([[cosine * facing, sine * facing], [-sine, cosine]])
            stamp(canvas, self.pieces[placed.piece], turn, np.asarray(placed.at))
        return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)


def stamp(canvas: np.ndarray, piece: BodyPart, turn: np.ndarray, at: np.ndarray) -> None:
    """Blend a card over the canvas, uint8 (H, W, 4); both are premultiplied.

    `turn`: matrix float64 (2, 2) that turns and scales the card about its joint, which comes to the
    place `at`, float64 (2,), px.
    """
    matrix = np.column_stack([turn, at - turn @ piece.joint])
    rows, columns = piece.rgba.shape[:2]
    corners = np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]]) @ turn.T + matrix[:, 2]
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int), canvas.shape[1::-1])
    if (high <= low).any():
        return
    matrix[:, 2] -= low
    width, height = (high - low).tolist()
    turned = cv2.warpAffine(piece.rgba, matrix, (width, height), flags=cv2.INTER_LINEAR)
    over(canvas[low[1] : high[1], low[0] : high[0]], turned)


def over(under: np.ndarray, layer: np.ndarray) -> None:
    """Blend a premultiplied RGBA layer, uint8 (h, w, 4), over `under`, uint8 (h, w, 3 or 4)."""
    channels = under.shape[2]
    kept = under.astype(np.uint16) * (255 - layer[..., 3:].astype(np.uint16)) // 255
    np.add(layer[..., :channels], kept.astype(np.uint8), out=under)
