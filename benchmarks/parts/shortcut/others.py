"""Actions and sceneries that the mini-world does not have, to train a network before the trials.

The figures walk, wear and are lit as the mini-world's do; poses and sceneries are others, so that
a network trained on them knows figures and movement, but none of the classes of a trial.
"""

from __future__ import annotations

import math

import numpy as np

from demo.world.actions import Manner, Pose
from demo.world.paint import clouds, ramp
from demo.world.scenery import Canvas


def _rise(turn: float) -> float:
    return (1 - math.cos(2 * math.pi * turn)) / 2


def _sway(turn: float, degrees: float) -> float:
    return degrees * math.sin(2 * math.pi * turn)


def bowing(turn: float, manner: Manner) -> Pose:
    """Pose after `turn` cycles: the torso bends to the front, seen from the side."""
    down = 70 * _rise(turn) * manner.amplitude
    arm = 8 + manner.slack
    return Pose((arm, arm), (arm + 6, arm + 6), (-3, -3), (3, 3), lean=down, nod=12, profile=True)


def clapping(turn: float, manner: Manner) -> Pose:
    """Pose after `turn` cycles: the forearms meet before the chest, twice per cycle."""
    apart = 52 * _rise(turn * 2) * manner.amplitude
    swing = _sway(turn, manner.step)
    arms = 34 + manner.slack
    return Pose((-arms, 160 - apart), (arms, -160 + apart), (-8 + swing, -8), (8 - swing, 8))


def hopping(turn: float, manner: Manner) -> Pose:
    """Pose after `turn` cycles: both legs leave the ground together, twice per cycle."""
    up = abs(math.sin(2 * math.pi * turn)) * manner.amplitude
    leg, arm = 26 * (1 - up), 12 + manner.slack
    return Pose((-arm, -arm), (arm, arm), (leg, -leg), (leg, -leg), hop=0.16 * up, profile=True)


def arm_circles(turn: float, manner: Manner) -> Pose:
    """Pose after `turn` cycles: stretched arms turn like the sails of a mill."""
    angle = 360 * turn
    swing = _sway(turn, manner.step * 0.5)
    return Pose((angle, angle), (angle + 180, angle + 180), (-9 + swing, -7), (9 - swing, 7))


def lunging(turn: float, manner: Manner) -> Pose:
    """Pose after `turn` cycles: one leg steps far to the front and back, seen from the side."""
    out = _rise(turn) * manner.amplitude
    arm = 14 + manner.slack
    return Pose((-arm, -arm), (arm, arm), (-48 * out, -56 * out), (62 * out, 4 * out), profile=True)


ACTIONS = {
    "arm circles": arm_circles,
    "bowing": bowing,
    "clapping": clapping,
    "hopping": hopping,
    "lunging": lunging,
}


def _grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """y and x relative to the height, float32 (H, W)."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return y / height, x / height


def _mixed(share: np.ndarray, one: Canvas, other: Canvas) -> Canvas:
    return np.asarray(one + (other - one) * share[..., None], np.float32)


def curtain(rng: np.random.Generator, height: int, width: int) -> Canvas:
    """Upright folds in red, float32 (H, W, 3)."""
    _, x = _grid(height, width)
    folds = 0.5 + 0.5 * np.sin(x * rng.uniform(24, 40) + rng.uniform(0, 6))
    dark, light = ((0.35, 0.05, 0.08), (0.75, 0.16, 0.2))
    return _mixed(folds, ramp(dark, dark, height, width), ramp(light, light, height, width))


def tiles(rng: np.random.Generator, height: int, width: int) -> Canvas:
    """A wall of white tiles with dark joints, float32 (H, W, 3)."""
    y, x = _grid(height, width)
    pitch = rng.uniform(0.09, 0.14)
    joint = ((y / pitch % 1 < 0.1) | (x / pitch % 1 < 0.1)).astype(np.float32)
    wall = ramp((0.92, 0.94, 0.95), (0.8, 0.84, 0.88), height, width)
    return _mixed(joint, wall, ramp((0.4, 0.45, 0.5), (0.4, 0.45, 0.5), height, width))


def night(rng: np.random.Generator, height: int, width: int) -> Canvas:
    """A dark sky with lights, float32 (H, W, 3)."""
    canvas = ramp((0.03, 0.04, 0.12), (0.12, 0.1, 0.2), height, width)
    lights = rng.random((height, width)) > 0.995
    canvas[lights] = (1.0, 0.9, 0.6)
    return canvas


def desert(rng: np.random.Generator, height: int, width: int) -> Canvas:
    """Yellow dunes under a white sky, float32 (H, W, 3)."""
    _, x = _grid(height, width)
    y, _ = _grid(height, width)
    crest = 0.5 + 0.08 * np.sin(x * rng.uniform(4, 8) + rng.uniform(0, 6))
    sand = ramp((0.9, 0.75, 0.4), (0.7, 0.5, 0.2), height, width)
    sky = ramp((0.95, 0.97, 1.0), (0.9, 0.9, 0.85), height, width)
    return _mixed((y > crest).astype(np.float32), sky, sand)


def meadow(rng: np.random.Generator, height: int, width: int) -> Canvas:
    """Blotches of violet and bright green, float32 (H, W, 3)."""
    blotches = (clouds(rng, height, width, height / 5, 3) > 0.52).astype(np.float32)
    grass = ramp((0.45, 0.8, 0.35), (0.3, 0.65, 0.2), height, width)
    return _mixed(blotches, grass, ramp((0.6, 0.4, 0.8), (0.5, 0.3, 0.7), height, width))


BACKGROUNDS = {
    "curtain": curtain,
    "desert": desert,
    "meadow": meadow,
    "night": night,
    "tiles": tiles,
}
