"""Where the occluders of a clip stand, in every frame and at every scale.

`Placement` gives the rectangles. It puts together the actor's smoothed boxes (`box_smoothing`) or
a path through the picture (`motion`), the offset of further occluders (`multi_occluder_offset`),
the time window (`time_window_factor`) and the size on the box (`geometry`). All of it follows from
boxes and sizes, so it is known before the first pixel is decoded, and so is which frames stay
without an occluder.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from occludenet_build.compositing.box_smoothing import smoothed
from occludenet_build.compositing.geometry import ActorBox, Box, Rect, Size, place, touches
from occludenet_build.compositing.motion import Scene, frame_boxes
from occludenet_build.config import Composite, Window
from occludenet_build.core import seeds

Placed = tuple[int, Rect]
"""Number of the occluder in the clip, from 0, and its rectangle."""

GOLDEN = (3 - math.sqrt(5)) / 2
"""Of a turn, from one occluder to the next: any number of them are spread about evenly."""
DISTANCE = (0.25, 0.45)
"""From the middle of the box, in box widths and heights: inside it, and beyond half of an
occluder of scale 0.5 that stands in the middle."""


@dataclass(frozen=True)
class ClipGeometry:
    """What the placement depends on of a clip."""

    clip: str
    size: tuple[int, int]
    """(width, height) of the displayed picture."""
    frames: int
    fps: float
    boxes: Mapping[int, ActorBox]
    """Frame -> the actor's box."""
    seed: int


class Placement:
    """Rectangles by frame and scale.

    `cuts`: (width, height) of each occluder in displayed pixels of the clip.
    """

    def __init__(self, clip: ClipGeometry, cuts: Sequence[Size], settings: Composite) -> None:
        self.clip, self._cuts, self._settings = clip, cuts, settings
        boxes = _tracked(clip, settings)
        self._anchors = [_anchors(clip, settings, boxes, n) for n in range(len(cuts))]
        self._strength = [
            time_window_factor(n, clip.frames, settings.window) for n in range(clip.frames)
        ]

    def rects(self, frame: int, scale: float) -> list[Placed]:
        """The occluders of which some part is inside the picture, in the order of pasting.

        `scale` is relative to the actor's box, or to the picture where composite.motion is a path.
        """
        grown = scale * self._strength[frame] if frame < self.clip.frames else 0
        if not grown:
            return []
        found = []
        for number, (cut, anchors) in enumerate(zip(self._cuts, self._anchors, strict=True)):
            box = anchors.get(frame)
            rect = place(cut, box, grown, self._settings.scale_mode) if box else None
            if rect and touches(rect, self.clip.size):
                found.append((number, rect))
        return found

    @cached_property
    def frames(self) -> list[int]:
        """The frames in which an occluder can stand."""
        return [n for n in sorted(self._anchors[0]) if self._strength[n] > 0]


def _tracked(clip: ClipGeometry, settings: Composite) -> dict[int, Box]:
    boxes = {frame: actor.box for frame, actor in clip.boxes.items()}
    people = {frame: (actor.shot, actor.track) for frame, actor in clip.boxes.items()}
    return smoothed(boxes, people, clip.fps, settings.smooth_seconds)


def _anchors(
    clip: ClipGeometry, settings: Composite, boxes: dict[int, Box], occluder: int
) -> dict[int, Box]:
    """Frame -> the box on whose centre an occluder stands, and which its size is relative to."""
    if settings.motion != "track":
        draw = partial(seeds.unit, clip.seed, clip.clip, f"motion {occluder}")
        return frame_boxes(settings.motion, Scene(clip.size, clip.frames, draw))
    if not occluder:
        return boxes
    aside = multi_occluder_offset(occluder, partial(seeds.unit, clip.seed, clip.clip, "aside"))
    return {frame: _moved(box, aside) for frame, box in boxes.items()}


def _moved(box: Box, aside: tuple[float, float]) -> Box:
    x, y = aside[0] * (box[2] - box[0]), aside[1] * (box[3] - box[1])
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y


def multi_occluder_offset(number: int, draw: Callable[[str], float]) -> tuple[float, float]:
    """From the box's centre to that of occluder 1, 2, ..., in box widths and heights.

    Occluder 0 stands in the centre. The offset holds for the whole clip, so that all of them move
    and grow with the actor. `draw` (purpose -> uniform in [0, 1)) is that of the clip, the same
    for all numbers: they share the angle at which they begin.
    """
    angle = 2 * math.pi * (draw("several angle") + number * GOLDEN)
    nearest, farthest = DISTANCE
    distance = nearest + draw(f"several distance {number}") * (farthest - nearest)
    return distance * math.cos(angle), distance * math.sin(angle)


def time_window_factor(frame: int, frames: int, window: Window) -> float:
    """Factor on the occluder's size in a frame: 0 outside of the time window, 1 inside.

    A frame belongs to the window if start <= frame / frames < end. With a ramp of r frames the
    first r of them have 1/r, 2/r, ... 1, and the last ones the same the other way round; a ramp
    longer than half the window is half the window: a triangle, with 1 at its top.

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

    Compared as the definition has it: ceil(share x frames) is one off for 0.07 of 100.
    """
    return bisect_left(range(frames), share, key=lambda frame: frame / frames)
