"""Motions of occluders that do not follow the actor: paths through the picture.

A motion is a function that takes a `MotionContext` and returns a path: frame -> centre. `MOTIONS`
registers each under its name in the settings (composite.motion). Random numbers are drawn by
purpose through `MotionContext.draw`, which the caller binds to seed, clip and number of the
occluder; the path is a function of these.

Scales are relative to the picture, as in the K-400-O benchmark: `motion_boxes` returns boxes of the
picture's size, centred on the path. The sine of that benchmark does not move, because of a bug;
this one does. On each path, at least half of an occluder of 0.75 of the picture's width and height
stays inside the picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from occludenet_build.occlusion.geometry import Box, Size

Point = tuple[float, float]
"""x, y in displayed pixels."""

MotionPath = Callable[[int], Point]
"""Frame, from 0 -> centre of the occluder."""

Draw = Callable[[str], float]
"""Purpose -> a uniform number in [0, 1); the same purpose gives the same number."""

MIDDLE = 0.6
"""Random points are in the middle of the picture: share of its width and height."""
CROSSING = 0.8
"""Sine: share of the width that the path crosses."""
SWING = (0.1, 0.25)
"""Sine: limits of the amplitude, share of the height."""
RADIUS = (0.15, 0.35)
"""Circle: limits of the radius, share of the picture's shorter side."""
MIN_LENGTH = 0.25
"""Straight line: minimum length, share of the picture's diagonal."""
_TRIES = 64
"""Pairs of points that are drawn until their distance suffices, which 3 or 4 of 10 do; then the
corners of the middle are used."""


@dataclass(frozen=True)
class MotionContext:
    """The inputs of a motion."""

    size: Size
    """Width and height of the displayed picture, pixels."""
    frames: int
    """Number of frames of the clip."""
    draw: Draw
    """Random numbers by purpose."""

    def elapsed(self, frame: int) -> float:
        """Elapsed share of the clip: 0 in the first frame, 1 in the last."""
        return frame / max(self.frames - 1, 1)

    def random_point(self, purpose: str) -> Point:
        """A random point in the middle of the picture."""
        return self.point_in_middle(self.draw(f"{purpose} x"), self.draw(f"{purpose} y"))

    def point_in_middle(self, x: float, y: float) -> Point:
        """The point at shares x and y, 0 to 1, of the middle of the picture."""
        width, height = self.size
        return _within(MIDDLE, x) * width, _within(MIDDLE, y) * height

    def uniform(self, purpose: str, limits: tuple[float, float]) -> float:
        """A random number within limits (low, high)."""
        return limits[0] + self.draw(purpose) * (limits[1] - limits[0])

    def direction(self, purpose: str) -> int:
        """A random direction, 1 or -1."""
        return 1 if self.draw(purpose) < 0.5 else -1


def _within(share: float, at: float) -> float:
    """Position 0 to 1 within the central `share` of a side -> position 0 to 1 of the side."""
    return 0.5 + share * (at - 0.5)


def _static(context: MotionContext) -> MotionPath:
    """A fixed random point."""
    point = context.random_point("static")
    return lambda frame: point


def _linear(context: MotionContext) -> MotionPath:
    """A straight line at constant speed."""
    least = MIN_LENGTH * math.hypot(*context.size)
    drawn = (
        (context.random_point(f"from {n}"), context.random_point(f"to {n}")) for n in range(_TRIES)
    )
    far = (ends for ends in drawn if math.dist(*ends) >= least)
    (x1, y1), (x2, y2) = next(far, (context.point_in_middle(0, 0), context.point_in_middle(1, 1)))

    def path(frame: int) -> Point:
        share = context.elapsed(frame)
        return x1 + share * (x2 - x1), y1 + share * (y2 - y1)

    return path


def _circular(context: MotionContext) -> MotionPath:
    """One turn over the clip; the last frame has the position of the first."""
    width, height = context.size
    radius = context.uniform("circle radius", RADIUS) * min(width, height)
    phase, direction = context.draw("circle phase"), context.direction("circle direction")

    def path(frame: int) -> Point:
        angle = 2 * math.pi * (phase + direction * context.elapsed(frame))
        return width / 2 + radius * math.cos(angle), height / 2 + radius * math.sin(angle)

    return path


def _sine(context: MotionContext) -> MotionPath:
    """From one side to the other, with two periods."""
    width, height = context.size
    swing = context.uniform("sine amplitude", SWING) * height
    phase, direction = context.draw("sine phase"), context.direction("sine direction")

    def path(frame: int) -> Point:
        share = context.elapsed(frame)
        x = _within(CROSSING, 0.5 + direction * (share - 0.5)) * width
        return x, height / 2 + swing * math.sin(2 * math.pi * (phase + 2 * share))

    return path


def _random(context: MotionContext) -> MotionPath:
    """Another random point in each frame."""
    return lambda frame: context.random_point(f"random {frame}")


MOTIONS: dict[str, Callable[[MotionContext], MotionPath]] = {
    "static": _static,
    "linear": _linear,
    "circular": _circular,
    "sine": _sine,
    "random": _random,
}
"""Name in composite.motion -> the motion. `track`, which follows the actor, has no path here."""


def motion_boxes(motion: str, context: MotionContext) -> dict[int, Box]:
    """Frame -> the box that scales are relative to: of the picture's size, centred on the path.

    `motion` is one of MOTIONS.
    """
    width, height = context.size
    path = MOTIONS[motion](context)
    centres = ((frame, path(frame)) for frame in range(context.frames))
    return {
        frame: (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        for frame, (x, y) in centres
    }
