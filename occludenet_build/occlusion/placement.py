"""Placement of occluders: their rectangles in every frame of a clip, at every scale.

`Placement` combines the actor's smoothed boxes (`geometry.smooth_boxes`) or a path through the
picture (`motion`), the size on the box (`geometry.occluder_rect`), the offset of further occluders
(`multi_occluder_offset`) and the time window (`time_window_factor`). The rectangles depend on boxes
and sizes only, so they are known, with the frames without an occluder, before any pixel is decoded.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from occludenet_build.config.occlusion import Composite, Window
from occludenet_build.core import seeds
from occludenet_build.occlusion.geometry import (
    ActorBox,
    Box,
    Rect,
    Size,
    occluder_rect,
    overlaps_picture,
    smooth_boxes,
)
from occludenet_build.occlusion.motion import MotionContext, motion_boxes

PlacedRect = tuple[int, Rect]
"""Number of the occluder in the clip, from 0, and its rectangle."""

GOLDEN = (3 - math.sqrt(5)) / 2
"""Share of a turn between consecutive occluders: spreads any number of them about evenly."""
DISTANCE = (0.25, 0.45)
"""Limits of the distance from the box's centre, in box widths and heights: inside the box, and
beyond half the width of a central occluder of scale 0.5."""


@dataclass(frozen=True)
class ClipGeometry:
    """The properties of a clip that its placement depends on."""

    clip: str
    size: tuple[int, int]
    """(width, height) of the displayed picture."""
    frames: int
    fps: float
    boxes: Mapping[int, ActorBox]
    """Frame -> the actor's box."""
    seed: int


class Placement:
    """Rectangles of all occluders of a clip, by frame and scale.

    `cutout_sizes`: (width, height) of each occluder in displayed pixels of the clip.
    """

    def __init__(
        self, clip: ClipGeometry, cutout_sizes: Sequence[Size], settings: Composite
    ) -> None:
        self.clip, self._sizes, self._settings = clip, cutout_sizes, settings
        boxes = _smoothed_boxes(clip, settings)
        self._anchors = [_anchors(clip, settings, boxes, n) for n in range(len(cutout_sizes))]
        self._window_factors = [
            time_window_factor(n, clip.frames, settings.window) for n in range(clip.frames)
        ]

    def rects(self, frame: int, scale: float) -> list[PlacedRect]:
        """The occluders that are at least partly inside the picture, in the order of pasting.

        `scale` is relative to the actor's box, or to the picture where composite.motion is a path.
        """
        factor = scale * self._window_factors[frame] if frame < self.clip.frames else 0
        if not factor:
            return []
        placed = []
        for number, (size, anchors) in enumerate(zip(self._sizes, self._anchors, strict=True)):
            box = anchors.get(frame)
            rect = occluder_rect(size, box, factor, self._settings.scale_mode) if box else None
            if rect and overlaps_picture(rect, self.clip.size):
                placed.append((number, rect))
        return placed

    @cached_property
    def frames(self) -> list[int]:
        """The frames in which the first occluder has a box and is inside the time window."""
        return [n for n in sorted(self._anchors[0]) if self._window_factors[n] > 0]


def _smoothed_boxes(clip: ClipGeometry, settings: Composite) -> dict[int, Box]:
    boxes = {frame: actor.box for frame, actor in clip.boxes.items()}
    people = {frame: (actor.shot, actor.track) for frame, actor in clip.boxes.items()}
    return smooth_boxes(boxes, people, clip.fps, settings.smooth_seconds)


def _anchors(
    clip: ClipGeometry, settings: Composite, boxes: dict[int, Box], occluder: int
) -> dict[int, Box]:
    """Frame -> the box that an occluder is centred on and scaled by."""
    if settings.motion != "track":
        draw = partial(seeds.uniform, clip.seed, clip.clip, f"motion {occluder}")
        return motion_boxes(settings.motion, MotionContext(clip.size, clip.frames, draw))
    if not occluder:
        return boxes
    offset = multi_occluder_offset(occluder, partial(seeds.uniform, clip.seed, clip.clip, "aside"))
    return {frame: _shifted(box, offset) for frame, box in boxes.items()}


def _shifted(box: Box, offset: tuple[float, float]) -> Box:
    x, y = offset[0] * (box[2] - box[0]), offset[1] * (box[3] - box[1])
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y


def multi_occluder_offset(number: int, draw: Callable[[str], float]) -> tuple[float, float]:
    """Offset (x, y) of occluder 1, 2, ... from the box's centre, in box widths and heights.

    Occluder 0 is at the centre. The offset is constant over the clip, so that all occluders move
    and scale with the actor. `draw` (purpose -> uniform in [0, 1)) belongs to the clip and is the
    same for all its occluders, which share the start angle.
    """
    angle = 2 * math.pi * (draw("several angle") + number * GOLDEN)
    nearest, farthest = DISTANCE
    distance = nearest + draw(f"several distance {number}") * (farthest - nearest)
    return distance * math.cos(angle), distance * math.sin(angle)


def time_window_factor(frame: int, frames: int, window: Window) -> float:
    """Factor on the occluder's size in a frame: 0 outside the time window, 1 inside.

    A frame is in the window if start <= frame / frames < end. With a ramp of r frames, the first r
    frames of the window have 1/r, 2/r, ... 1, and the last r frames the reverse. A ramp is cut to
    half the window, which then is a triangle with its maximum at 1.

    >>> [time_window_factor(n, 10, Window(start=0.2, end=0.9, ramp=0.3)) for n in range(1, 6)]
    [0.0, 0.3333333333333333, 0.6666666666666666, 1.0, 1.0]
    """
    first, stop = _first_from(window.start, frames), _first_from(window.end, frames)
    if not first <= frame < stop:
        return 0.0
    ramp = min(window.ramp * frames, (stop - first + 1) // 2)
    inside = min(frame - first, stop - 1 - frame) + 1
    return min(1.0, inside / ramp) if ramp > 1 else 1.0


def _first_from(share: float, frames: int) -> int:
    """The first frame with frame / frames >= share; `frames` if there is none.

    This evaluates the definition itself: ceil(share x frames) is off by one for 0.07 of 100.
    """
    return bisect_left(range(frames), share, key=lambda frame: frame / frames)
