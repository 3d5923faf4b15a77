"""Drawn people: sprites of the demo's figure in a few poses, on ways over the ground."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np

from demo.world.actions import Manner, Pose, marching
from demo.world.figure import Figure
from demo.world.wardrobe import draw_look

TALL = 150
"""Standing height of a sprite, pixels."""
_LOOKS, _PHASES = 10, 8
_STILL = {
    "stand": Pose((-9, -5), (9, 6), (-3, -2), (3, 2)),
    "sit": Pose((28, 70), (32, 74), (82, 4), (86, 2), lean=4, profile=True),
    "crouch": Pose((40, 60), (44, 66), (108, -38), (112, -34), lean=18, profile=True),
}


@dataclass(frozen=True)
class Sprite:
    """A person in one pose."""

    picture: np.ndarray
    """Premultiplied uint8 (h, w, 4), cropped."""
    above: float
    """Height of its top above the ground, share of the standing height."""
    left: float
    """Position of its left side to the person's middle, share of the standing height."""


@functools.cache
def _figure(look: int) -> Figure:
    return Figure(draw_look(np.random.default_rng(look)), TALL)


@functools.cache
def sprite(look: int, pose: str, phase: int, facing: int) -> Sprite:
    """The sprite of a look (0 to 9); phase: 0 to 7, of a step."""
    manner = Manner(amplitude=0.35)
    shape = _STILL.get(pose) or marching(phase / _PHASES, manner)
    side = 2 * TALL
    drawn = _figure(look % _LOOKS).draw(shape, (side, side), side / 2, side - 20, facing)
    rows = np.flatnonzero(drawn[..., 3].any(axis=1))
    columns = np.flatnonzero(drawn[..., 3].any(axis=0))
    part = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Sprite(part, (side - 20 - rows[0]) / TALL, (columns[0] - side / 2) / TALL)


@dataclass(frozen=True)
class Person:
    """A person on their way."""

    look: int
    height: float
    """Metres."""
    begin: float
    end: float
    """Seconds from the start of the video."""
    way: tuple[tuple[float, float], ...]
    """Corners (x, z) of the way, metres; walked back and forth."""
    speed: float
    """Metres per second."""
    pose: str = "walk"

    def at(self, seconds: float) -> tuple[float, float, int] | None:
        """(x, z, facing) at a time; None while absent."""
        if not self.begin <= seconds < self.end:
            return None
        lengths = [math.dist(a, b) for a, b in zip(self.way, self.way[1:], strict=False)]
        total = sum(lengths)
        if self.pose != "walk" or total < 1e-6:
            return (*self.way[0], 1)
        gone = (seconds - self.begin) * self.speed % (2 * total)
        back = gone > total
        left = 2 * total - gone if back else gone
        for (x1, z1), (x2, z2), length in zip(self.way, self.way[1:], lengths, strict=False):
            if left <= length:
                share = left / length
                right = (x2 >= x1) != back
                return x1 + share * (x2 - x1), z1 + share * (z2 - z1), 1 if right else -1
            left -= length
        return (*self.way[-1], 1)

    def shown(self, seconds: float, pixels_per_metre: float, facing: int) -> Sprite:
        """The sprite at a time, at its size in the picture."""
        phase = int(seconds * self.speed * 1.2 * _PHASES / 1.4) % _PHASES
        made = sprite(self.look, self.pose, phase if self.pose == "walk" else 0, facing)
        share = self.height * pixels_per_metre / TALL
        size = [max(1, round(side * share)) for side in made.picture.shape[1::-1]]
        small = cv2.resize(made.picture, size, interpolation=cv2.INTER_AREA)
        return Sprite(small, made.above, made.left)
