"""Poses of the figure in five actions, which differ in the motion of all limbs.

Angles are in degrees from straight down, positive to the right of the frame; a limb is (upper,
lower) angle. Lengths are relative to the height of the figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

Limb = tuple[float, float]


@dataclass(frozen=True)
class Pose:
    """Pose of one frame. The far limbs are drawn behind the body, the near ones in front of it."""

    far_arm: Limb
    near_arm: Limb
    far_leg: Limb
    near_leg: Limb
    lean: float = 0.0
    """Angle of the torso from upright, to the right, degrees."""
    nod: float = 0.0
    """Angle of the head, relative to the torso, degrees."""
    hop: float = 0.0
    """Height of the feet above the ground, relative to the height of the figure."""
    profile: bool = False
    """Whether the figure is seen from the side, so that shoulders and hips overlap."""


@dataclass(frozen=True)
class Manner:
    """Individual variation of an action, drawn once per clip."""

    amplitude: float = 1.0
    """Factor on the amplitude of the motion."""
    step: float = 8.0
    """Swing of the legs, degrees."""
    slack: float = 0.0
    """Additional angle of resting limbs, degrees."""


def _rise(turn: float) -> float:
    """0 at the start of a cycle, 1 in its middle; a cosine."""
    return (1 - math.cos(2 * math.pi * turn)) / 2


def _sway(turn: float, degrees: float) -> float:
    return degrees * math.sin(2 * math.pi * turn)


def jumping_jacks(turn: float, manner: Manner) -> Pose:
    """Pose after `turn` cycles: arms and legs open and close."""
    open_ = _rise(turn) * manner.amplitude
    arm, leg = 14 + manner.slack + 142 * open_, 5 + 27 * open_
    return Pose(
        far_arm=(-arm, -arm - 10 * open_ - 4),
        near_arm=(arm, arm + 10 * open_ + 4),
        far_leg=(-leg, -leg + 3),
        near_leg=(leg, leg - 3),
        hop=0.05 * abs(math.sin(2 * math.pi * turn)),
    )


def squat(turn: float, manner: Manner) -> Pose:
    """Pose after `turn` cycles: knees bend and stretch."""
    down = _rise(turn) * manner.amplitude
    swing = _sway(turn * 2, manner.step * 0.4)
    thigh, shin = 7 + 66 * down, 4 - 16 * down
    arm = 16 + manner.slack + 24 * down
    return Pose(
        far_arm=(-arm, 118 + 22 * down),
        near_arm=(arm, -118 - 22 * down),
        far_leg=(-thigh + swing, -shin),
        near_leg=(thigh + swing, shin),
        lean=_sway(turn, 3),
        nod=_sway(turn, 3),
    )


def waving_hand(turn: float, manner: Manner) -> Pose:
    """Pose after `turn` cycles: the near arm waves twice per cycle."""
    wave = _sway(turn * 2, 34 * manner.amplitude)
    swing = _sway(turn, manner.step)
    rest = 44 + manner.slack
    return Pose(
        far_arm=(-rest + swing * 0.4, 50 + swing * 0.4),
        near_arm=(118 + wave * 0.3, 176 + wave),
        far_leg=(-9 + swing, -6 + min(swing, 0)),
        near_leg=(9 - swing, 6 - max(swing, 0)),
        lean=-4 + _sway(turn, 3),
        nod=6,
    )


def marching(turn: float, manner: Manner) -> Pose:
    """Pose after `turn` cycles, from the side: two steps per cycle."""

    def leg(phase: float) -> Limb:
        lift = math.sin(2 * math.pi * phase)
        thigh = 74 * manner.amplitude * max(lift, 0) + 27 * min(lift, 0)
        return thigh, thigh - 78 * max(lift, 0) - 8

    def arm(phase: float) -> Limb:
        upper = _sway(phase, 54 * manner.amplitude) - 4
        return upper, upper + 30 + manner.slack

    return Pose(
        far_arm=arm(turn),
        near_arm=arm(turn + 0.5),
        far_leg=leg(turn + 0.5),
        near_leg=leg(turn),
        lean=4,
        profile=True,
    )


def side_kick(turn: float, manner: Manner) -> Pose:
    """Pose after `turn` cycles: the near leg kicks to the side."""
    kick = _rise(turn) ** 1.7 * manner.amplitude
    chamber = _rise(turn * 2) * 46
    guard = 16 + manner.slack / 2
    thigh = 8 + 84 * kick
    return Pose(
        far_arm=(-guard - 25 * kick, -190 + 60 * kick),
        near_arm=(guard, 200 - 30 * kick),
        far_leg=(-7 - 4 * kick, -5 + 2 * kick),
        near_leg=(thigh, thigh - chamber),
        lean=-24 * kick,
        nod=15 * kick,
        hop=0.02 * abs(math.sin(4 * math.pi * turn)),
    )


ACTIONS: dict[str, Callable[[float, Manner], Pose]] = {
    "jumping jacks": jumping_jacks,
    "marching": marching,
    "side kick": side_kick,
    "squat": squat,
    "waving hand": waving_hand,
}
"""Class name, in the spelling of Kinetics -> pose after `turn` cycles (any real number)."""
