"""Where the occluders of a clip stand, in every frame and at every scale.

All of it follows from boxes and sizes, so it is known before the first pixel is decoded: which
frames stay as they are, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from occludenet_build.compositing.geometry import ActorBox, Box, Rect, Size, place, touches
from occludenet_build.compositing.motion import Scene, frame_boxes
from occludenet_build.compositing.several import offset
from occludenet_build.compositing.smooth import smoothed
from occludenet_build.compositing.window import strength
from occludenet_build.config import Composite
from occludenet_build.core import seeds

Placed = tuple[int, Rect]
"""Which occluder of the clip, and its rectangle."""


@dataclass(frozen=True)
class Stage:
    """What placing needs to know of a clip."""

    clip: str
    size: tuple[int, int]
    """(width, height) of the displayed picture."""
    frames: int
    fps: float
    boxes: Mapping[int, ActorBox]
    seed: int


class Placement:
    """Rectangles by frame and scale. `cuts`: the size of each occluder in pixels of the clip."""

    def __init__(self, stage: Stage, cuts: Sequence[Size], settings: Composite) -> None:
        self.stage, self._cuts, self._settings = stage, cuts, settings
        boxes = _tracked(stage, settings)
        self._anchors = [_anchors(stage, settings, boxes, n) for n in range(len(cuts))]
        self._strength = [strength(n, stage.frames, settings.window) for n in range(stage.frames)]

    def rects(self, frame: int, scale: float) -> list[Placed]:
        """The occluders of which something is inside the picture."""
        grown = scale * self._strength[frame] if frame < self.stage.frames else 0
        if not grown:
            return []
        found = []
        for number, (cut, anchors) in enumerate(zip(self._cuts, self._anchors, strict=True)):
            box = anchors.get(frame)
            rect = place(cut, box, grown, self._settings.scale_mode) if box else None
            if rect and touches(rect, self.stage.size):
                found.append((number, rect))
        return found

    @cached_property
    def frames(self) -> list[int]:
        """The frames in which an occluder can stand."""
        return [n for n in sorted(self._anchors[0]) if self._strength[n] > 0]


def _tracked(stage: Stage, settings: Composite) -> dict[int, Box]:
    boxes = {frame: actor.box for frame, actor in stage.boxes.items()}
    people = {frame: (actor.shot, actor.track) for frame, actor in stage.boxes.items()}
    return smoothed(boxes, people, stage.fps, settings.smooth_seconds)


def _anchors(
    stage: Stage, settings: Composite, boxes: dict[int, Box], occluder: int
) -> dict[int, Box]:
    """Frame -> the box on whose centre an occluder stands, and which its size is relative to."""
    if settings.motion != "track":
        draw = partial(seeds.unit, stage.seed, stage.clip, f"motion {occluder}")
        return frame_boxes(settings.motion, Scene(stage.size, stage.frames, draw))
    if not occluder:
        return boxes
    aside = offset(occluder, partial(seeds.unit, stage.seed, stage.clip, "aside"))
    return {frame: _moved(box, aside) for frame, box in boxes.items()}


def _moved(box: Box, aside: tuple[float, float]) -> Box:
    x, y = aside[0] * (box[2] - box[0]), aside[1] * (box[3] - box[1])
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y
