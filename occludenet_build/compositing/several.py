"""Where further occluders stand, if a clip has several: round the first, in parts of the box."""

from __future__ import annotations

import math
from collections.abc import Callable

GOLDEN = (3 - math.sqrt(5)) / 2
"""Of a turn, from one occluder to the next: any number of them are spread about evenly."""
DISTANCE = (0.25, 0.45)
"""From the middle of the box, in box widths and heights: inside it, and beyond half of an
occluder of scale 0.5 that stands in the middle."""


def offset(number: int, draw: Callable[[str], float]) -> tuple[float, float]:
    """From the box's centre to that of occluder 1, 2, ..., in box widths and heights.

    Occluder 0 stands in the centre. The offset holds for the whole clip, so that all of them move
    and grow with the actor. `draw` (purpose -> uniform in [0, 1)) is that of the clip, the same
    for all numbers: they share the angle at which they begin.
    """
    angle = 2 * math.pi * (draw("several angle") + number * GOLDEN)
    nearest, farthest = DISTANCE
    distance = nearest + draw(f"several distance {number}") * (farthest - nearest)
    return distance * math.cos(angle), distance * math.sin(angle)
