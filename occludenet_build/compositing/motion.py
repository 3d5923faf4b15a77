"""Occluders that do not follow the actor: paths through the picture.

A motion is a function of a few lines that takes a `Scene` and returns its path: frame -> centre.
Each is registered in `MOTIONS` under its name in the settings (composite.motion). What a path
needs by chance it draws by purpose, so it is a function of what the caller has bound into
`Scene.draw`: seed, clip and number of the occluder.

Sizes are then relative to the picture, as in the K-400-O benchmark: `frame_boxes` gives boxes as
large as the picture, about the path. That benchmark's own sine stood still by mistake; this one
swings. No path comes so near to an edge that an occluder of 0.75 of the picture's width and
height has less than half of itself inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from occludenet_build.compositing.geometry import Box, Size

Point = tuple[float, float]
"""x, y in displayed pixels."""

Path = Callable[[int], Point]
"""Frame, from 0 -> centre of the occluder."""

Draw = Callable[[str], float]
"""Purpose -> a uniform number in [0, 1), always the same one."""

MIDDLE = 0.6
"""Drawn places lie in the middle of the picture: share of its width and height."""
CROSSING = 0.8
"""Share of the width that the sine crosses."""
SWING = (0.1, 0.25)
"""Amplitude of the sine, share of the height."""
RADIUS = (0.15, 0.35)
"""Of the circle, share of the picture's shorter side."""
LEAST_WAY = 0.25
"""Of the straight line, share of the picture's diagonal."""
_TRIES = 64
"""Of pairs of places, drawn until they are far enough apart: 3 or 4 of 10 are. After that the
corners of the middle are taken."""


@dataclass(frozen=True)
class Scene:
    """What a path may depend on."""

    size: Size
    """Width and height of the displayed picture, pixels."""
    frames: int
    """Frames of the clip."""
    draw: Draw

    def share(self, frame: int) -> float:
        """Of the clip that has passed: 0 in its first frame, 1 in its last."""
        return frame / max(self.frames - 1, 1)

    def place(self, purpose: str) -> Point:
        """A drawn place in the middle of the picture."""
        return self.middle(self.draw(f"{purpose} x"), self.draw(f"{purpose} y"))

    def middle(self, x: float, y: float) -> Point:
        """From 0 to 1 across the middle and down it -> pixels."""
        width, height = self.size
        return _within(MIDDLE, x) * width, _within(MIDDLE, y) * height

    def between(self, purpose: str, limits: tuple[float, float]) -> float:
        """A drawn number within limits."""
        return limits[0] + self.draw(purpose) * (limits[1] - limits[0])

    def sign(self, purpose: str) -> int:
        """A drawn direction, 1 or -1."""
        return 1 if self.draw(purpose) < 0.5 else -1


def _within(share: float, at: float) -> float:
    """From 0 to 1 of the middle `share` of a side -> from 0 to 1 of the side."""
    return 0.5 + share * (at - 0.5)


def _static(scene: Scene) -> Path:
    place = scene.place("static")
    return lambda frame: place


def _linear(scene: Scene) -> Path:
    least = LEAST_WAY * math.hypot(*scene.size)
    drawn = ((scene.place(f"from {n}"), scene.place(f"to {n}")) for n in range(_TRIES))
    far = (ends for ends in drawn if math.dist(*ends) >= least)
    (x1, y1), (x2, y2) = next(far, (scene.middle(0, 0), scene.middle(1, 1)))

    def path(frame: int) -> Point:
        share = scene.share(frame)
        return x1 + share * (x2 - x1), y1 + share * (y2 - y1)

    return path


def _circular(scene: Scene) -> Path:
    """One turn over the clip: the last frame is where the first was."""
    width, height = scene.size
    radius = scene.between("circle radius", RADIUS) * min(width, height)
    phase, direction = scene.draw("circle phase"), scene.sign("circle direction")

    def path(frame: int) -> Point:
        angle = 2 * math.pi * (phase + direction * scene.share(frame))
        return width / 2 + radius * math.cos(angle), height / 2 + radius * math.sin(angle)

    return path


def _sine(scene: Scene) -> Path:
    """From one side to the other, up and down twice."""
    width, height = scene.size
    swing = scene.between("sine amplitude", SWING) * height
    phase, direction = scene.draw("sine phase"), scene.sign("sine direction")

    def path(frame: int) -> Point:
        share = scene.share(frame)
        x = _within(CROSSING, 0.5 + direction * (share - 0.5)) * width
        return x, height / 2 + swing * math.sin(2 * math.pi * (phase + 2 * share))

    return path


def _random(scene: Scene) -> Path:
    """Somewhere else in every frame."""
    return lambda frame: scene.place(f"random {frame}")


MOTIONS: dict[str, Callable[[Scene], Path]] = {
    "static": _static,
    "linear": _linear,
    "circular": _circular,
    "sine": _sine,
    "random": _random,
}
"""composite.motion -> path of a scene; `track`, on the actor, has no path of its own."""


def frame_boxes(motion: str, scene: Scene) -> dict[int, Box]:
    """What sizes are relative to, frame -> box: as large as the picture, about the path."""
    width, height = scene.size
    path = MOTIONS[motion](scene)
    centres = ((frame, path(frame)) for frame in range(scene.frames))
    return {
        frame: (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        for frame, (x, y) in centres
    }
