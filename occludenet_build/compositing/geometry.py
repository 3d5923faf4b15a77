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
}
"""How large: (cut-out size, box size, scale) -> size.

fit: the largest with its own aspect inside scale x width and scale x height. stretch: exactly
that width and height. area: scale^2 of the box's area, with its own aspect.
"""


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
