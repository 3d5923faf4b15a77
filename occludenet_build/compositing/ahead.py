"""What is laid on each frame, made for some frames at a time.

Between two encodes all code and data here would be cold in the processor's caches and take three
to five times as long. The boxes of a clip are known before its pixels, so nothing need wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from occludenet_build.compositing.cutout import Cutout, Patch
from occludenet_build.compositing.geometry import Box, Rect, place
from occludenet_build.compositing.truth import rle_at, share_of_box
from occludenet_build.core.video.display import Display

_FRAMES = 32
_PIXELS = 1 << 20  # of all patches that wait, at about 12 bytes each: memory stays bounded at 4K


class Paste(NamedTuple):
    """A patch, where its first luma pixel stands in the coded picture, and its ground truth."""

    patch: Patch
    x: int
    y: int
    facts: dict[str, Any]


class Ahead:
    """The pastes of a clip, asked for frame by frame in rising order."""

    def __init__(
        self,
        boxes: Mapping[int, tuple[Box, bool]],
        cutout: Cutout,
        display: Display,
        scales: tuple[float, ...],
        mode: str,
    ) -> None:
        self._boxes, self._cutout, self._display = boxes, cutout, display
        self._scales, self._mode = scales, mode
        self._made: dict[int, dict[float, Paste]] = {}

    def at(self, number: int) -> dict[float, Paste]:
        """Scale -> what is laid on this frame; empty where nothing is."""
        if number not in self._made:
            self._fill(number)
        return self._made.pop(number)

    def _fill(self, first: int) -> None:
        pixels = 0
        for number in range(first, first + _FRAMES):
            pastes = self._made[number] = self._frame(number)
            pixels += sum(paste.patch.mask.size for paste in pastes.values())
            if pixels > _PIXELS:
                return

    def _frame(self, number: int) -> dict[float, Paste]:
        if number not in self._boxes:
            return {}
        box, filled = self._boxes[number]
        rects = {scale: place(self._cutout.size, box, scale, self._mode) for scale in self._scales}
        return {scale: self._paste(rect, box, filled) for scale, rect in rects.items() if rect}

    def _paste(self, rect: Rect, box: Box, filled: bool) -> Paste:
        x, y, w, h = self._display.rect_to_coded(*rect)
        patch = self._cutout.patch(x, y, w, h)
        mask, size = self._display.upright(patch.mask), self._display.size
        hidden = share_of_box(mask, rect, box, size)
        facts = rect._asdict() | {"filled": filled, "occluded": hidden > 0, "box_hidden": hidden}
        return Paste(patch, x, y, facts | {"occluder_rle": rle_at(mask, rect.x, rect.y, size)})
