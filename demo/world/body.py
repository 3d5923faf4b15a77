"""A figure in space: the joints of a stance, and its painted limbs as a camera sees them.

The body parts are the cards of `wardrobe`. Each is stretched between the two joints that a camera
sees, so that the same motion looks right from every side; the parts are drawn from far to near.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from demo.world.cameras import Camera
from demo.world.figure import (
    FOOT_DROP,
    HIP,
    LOWER_ARM,
    NECK,
    SHIN,
    SHOULDER,
    THIGH,
    TORSO,
    UPPER_ARM,
    stamp,
)
from demo.world.motions import Limb, Stance
from demo.world.wardrobe import BodyPart, Look, paint_body_parts

PAINTED = 120.0
"""Height in pixels for which body parts are painted."""
HEAD, FOOT = 0.154, 0.05
Layer = tuple[np.ndarray, int, int]
"""Premultiplied RGBA, uint8 (h, w, 4), and its place in a picture: left, top, px."""

JOINTS = (
    *("hips", "chest", "chin", "crown"),
    *("left_shoulder", "left_elbow", "left_hand", "right_shoulder", "right_elbow", "right_hand"),
    *("left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle"),
)


def _along(frame: np.ndarray, swing: float, spread: float, outward: int) -> np.ndarray:
    """Unit vector of a limb; `frame`: rows forward, left, up of the body, float64 (3, 3)."""
    a, b = math.radians(swing), math.radians(spread)
    forward, left, up = frame
    down = math.cos(a) * math.cos(b)
    return forward * (math.sin(a) * math.cos(b)) + left * (outward * math.sin(b)) - up * down


def joints_of(
    stance: Stance, stature: float, place: np.ndarray, heading: float
) -> dict[str, np.ndarray]:
    """Joint -> float64 (3,), metres. `place`: float64 (2,), of the hips; `heading`: radians."""
    facing = heading + math.radians(stance.turn)
    forward = np.array([math.cos(facing), math.sin(facing), 0.0])
    left, up = np.array([-forward[1], forward[0], 0.0]), np.array([0.0, 0.0, 1.0])
    frame = np.stack([forward, left, up])
    lean = math.radians(stance.lean)
    trunk = up * math.cos(lean) + forward * math.sin(lean)
    found = {"hips": np.zeros(3), "chest": trunk * TORSO}
    found["chin"] = found["chest"] + trunk * NECK
    found["crown"] = found["chin"] + trunk * HEAD

    def limb(names: tuple[str, ...], start: np.ndarray, angles: Limb, out: int, lengths) -> None:
        found[names[0]] = start
        found[names[1]] = start + _along(frame, angles[0], angles[1], out) * lengths[0]
        found[names[2]] = found[names[1]] + _along(frame, angles[2], angles[3], out) * lengths[1]

    armpit = found["chest"] - trunk * 0.02
    for side, out in (("left", 1), ("right", -1)):
        arm = tuple(f"{side}_{joint}" for joint in ("shoulder", "elbow", "hand"))
        leg = tuple(f"{side}_{joint}" for joint in ("hip", "knee", "ankle"))
        start = armpit + left * (out * SHOULDER)
        limb(arm, start, getattr(stance, f"{side}_arm"), out, (UPPER_ARM, LOWER_ARM))
        limb(leg, left * (out * HIP), getattr(stance, f"{side}_leg"), out, (THIGH, SHIN))
    lowest = min(point[2] for point in found.values())
    drop = max(-lowest, 0.0) + FOOT_DROP + stance.hop
    base = np.array([place[0], place[1], drop * stature])
    return {name: base + point * stature for name, point in found.items()}


@dataclass(frozen=True)
class _Stretched:
    """A card from pixel `start` to `end`; `across`: its scale, `along`: that of its length."""

    card: BodyPart
    start: np.ndarray
    end: np.ndarray
    length: float
    across: float
    depth: float


class Body:
    """A person: body parts painted once; drawn for any stance by any camera."""

    def __init__(self, look: Look, stature: float) -> None:
        """Paint the body parts; `stature` in metres."""
        self.stature = stature
        self.parts = paint_body_parts(look, PAINTED)
        from_behind = paint_body_parts(replace(look, skin=look.hair), PAINTED)
        self.parts["head_behind"] = from_behind["head"]

    def draw(self, joints: dict[str, np.ndarray], camera: Camera) -> Layer | None:
        """The person as a camera sees it; None if it is out of the picture."""
        names = list(joints)
        pixels, depths = camera.project(np.stack([joints[name] for name in names]))
        at = dict(zip(names, pixels, strict=True))
        far = dict(zip(names, depths, strict=True))
        margin = 0.13 * self.stature * camera.focal / float(depths.min())
        low = np.maximum(np.floor(pixels.min(axis=0) - margin), 0).astype(int)
        limit = (camera.width, camera.height)
        high = np.minimum(np.ceil(pixels.max(axis=0) + margin), limit).astype(int)
        if (high <= low).any():
            return None
        canvas = np.zeros((high[1] - low[1], high[0] - low[0], 4), np.uint8)
        pieces = self._pieces(joints, at, far, camera)
        for piece in sorted(pieces, key=lambda p: -p.depth):
            _stretch(canvas, piece, low)
        return canvas, int(low[0]), int(low[1])

    def _pieces(self, joints, at, far, camera: Camera) -> list[_Stretched]:
        scale = self.stature * camera.focal / PAINTED
        across_body = joints["left_shoulder"] - joints["right_shoulder"]
        side = across_body[:2] / max(float(np.linalg.norm(across_body[:2])), 1e-9)
        view = camera.axes[2][:2] / np.linalg.norm(camera.axes[2][:2])
        frontal = abs(float(side @ np.array([-view[1], view[0]])))
        forward = np.array([side[1], -side[0]])
        rightward = float(forward @ camera.axes[0][:2])
        toward = -float(forward @ view)

        def piece(card, a, b, length, wide=1.0, mirror=1, bias=0.0) -> _Stretched:
            depth = (far[a] + far[b]) / 2
            across = wide * mirror * scale / depth
            return _Stretched(self.parts[card], at[a], at[b], length, across, depth - bias)

        sideways = abs(rightward) > 0.72
        head = "head_profile" if sideways else "head" if toward > 0 else "head_behind"
        facing = 1 if rightward >= 0 else -1
        found = [
            piece("torso", "hips", "chest", TORSO, 0.61 + 0.39 * frontal),
            piece("neck", "chest", "chin", NECK, bias=-0.02),
            piece(head, "chin", "crown", HEAD, mirror=facing if sideways else 1, bias=0.03),
        ]
        for side_name in ("left", "right"):
            shoulder, elbow, hand, hip, knee, ankle = (
                f"{side_name}_{j}" for j in ("shoulder", "elbow", "hand", "hip", "knee", "ankle")
            )
            found += [
                piece("upper_arm", shoulder, elbow, UPPER_ARM),
                piece("lower_arm", elbow, hand, LOWER_ARM, bias=0.02),
                piece("upper_leg", hip, knee, THIGH, bias=0.01),
                piece("lower_leg", knee, ankle, SHIN),
                self._shoe(at[knee], at[ankle], far[ankle], scale, sideways, facing),
            ]
        return found

    def _shoe(self, knee, ankle, depth: float, scale: float, sideways: bool, facing: int):
        name = "shoe_profile" if sideways else "shoe_right"
        across = facing * scale / depth
        reach = abs(across) * PAINTED * FOOT
        toward = ankle - knee
        step = toward / max(float(np.linalg.norm(toward)), 1e-6) * reach
        return _Stretched(self.parts[name], ankle, ankle + step, FOOT, across, depth - 0.01)


def _stretch(canvas: np.ndarray, piece: _Stretched, origin: np.ndarray) -> None:
    """Stretch, turn and blend a card over the canvas, uint8 (h, w, 4); both are premultiplied."""
    toward = piece.end - piece.start
    seen = float(np.linalg.norm(toward))
    unit = toward / seen if seen > 1e-6 else np.array([0.0, 1.0])
    along = max(seen / (piece.length * PAINTED), 0.4 * abs(piece.across))
    turn = np.column_stack([np.array([unit[1], -unit[0]]) * piece.across, unit * along])
    stamp(canvas, piece.card, turn, piece.start - origin)
