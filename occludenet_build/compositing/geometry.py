"""Where the occluder stands in a frame, from the actor's box.

The paper: the occluder is "positioned at the bounding box center and dynamically scaled" (Fig. 3),
at "scales of 0.25, 0.50, and 0.75 relative to the actor's bounding box" (Sec. 3.1), without
saying what a scale measures; `SCALE_MODES` are the readings.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple


class Rect(NamedTuple):
    """A rectangle in displayed pixels: left, top, width, height; it may leave the picture."""

    x: int
    y: int
    w: int
    h: int


Size = tuple[float, float]
"""(width, height), pixels."""

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2, half-open, displayed pixels."""


class ActorBox(NamedTuple):
    """Where the actor is in one frame."""

    box: Box
    filled: bool = False
    """Interpolated in a gap, not detected."""
    track: int = 0
    """Who: another number in the next frame means another person, or a cut."""
    shot: int = 0
    """A track of the user's own may go on across a cut."""


def _fit(cut: Size, box: Size, scale: float) -> Size:
    factor = scale * min(box[0] / cut[0], box[1] / cut[1])
    return cut[0] * factor, cut[1] * factor


def _stretch(cut: Size, box: Size, scale: float) -> Size:
    return scale * box[0], scale * box[1]


def _area(cut: Size, box: Size, scale: float) -> Size:
    factor = scale * math.sqrt(box[0] * box[1] / (cut[0] * cut[1]))
    return cut[0] * factor, cut[1] * factor


SCALE_MODES: dict[str, Callable[[Size, Size, float], Size]] = {
    "fit": _fit,
    "stretch": _stretch,
    "area": _area,
    "target": _area,
}
"""How large: (cut-out size, box size, scale) -> size.

fit: the largest with its own aspect inside scale x width and scale x height. stretch: exactly
that width and height. area: scale^2 of the box's area, with its own aspect. target: the same, of
the scale that hides as much as is asked for (`target`).
"""


def inside(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The pixels x1, y1, x2, y2 of a box inside a picture of (width, height); maybe none."""
    x1, y1 = max(round(box[0]), 0), max(round(box[1]), 0)
    return x1, y1, max(min(round(box[2]), size[0]), x1), max(min(round(box[3]), size[1]), y1)


def touches(rect: Rect, size: tuple[int, int]) -> bool:
    """Whether some of a rectangle lies inside a picture of (width, height)."""
    return rect.x < size[0] and rect.y < size[1] and rect.x + rect.w > 0 and rect.y + rect.h > 0


def degree(rect: Rect, box: Box) -> float | None:
    """The occluder's size relative to the actor's box (Fig. 4a): the larger ratio of sides."""
    width, height = box[2] - box[0], box[3] - box[1]
    return max(rect.w / width, rect.h / height) if width > 0 and height > 0 else None


def place(cut: Size, box: Box, scale: float, mode: str) -> Rect | None:
    """The rectangle of a cut-out on a box (x1, y1, x2, y2); None for a box without area.

    `cut` is the cut-out's size in pixels of the clip, so with its pixel aspect already in it.
    """
    x1, y1, x2, y2 = box
    if not (x2 > x1 and y2 > y1):
        return None
    width, height = SCALE_MODES[mode](cut, (x2 - x1, y2 - y1), scale)
    w, h = max(1, round(width)), max(1, round(height))
    return Rect(round((x1 + x2 - w) / 2), round((y1 + y2 - h) / 2), w, h)
