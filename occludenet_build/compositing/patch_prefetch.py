"""The patch of every frame with its ground truth, made for some frames at a time.

Between two encodes all code and data here would be cold in the processor's caches and take three
to five times as long. Where occluders stand is known before any pixel is decoded, so patches of
coming frames can be made early.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from occludenet_build.compositing.geometry import Rect, degree
from occludenet_build.compositing.ground_truth import rle_at, share_of_box
from occludenet_build.compositing.patches import Cutout, Patch, PlacedPatch, merge_patches
from occludenet_build.compositing.placement import Placed, Placement
from occludenet_build.core.video.display import Display
from occludenet_build.core.video.planes import Layout

_FRAMES = 32
_PIXELS = 1 << 20  # of all patches that wait, at about 12 bytes each: memory stays bounded at 4K


class Paste(NamedTuple):
    """A patch, where its first luma pixel stands in the coded picture, and its ground truth."""

    patch: Patch
    x: int
    y: int
    facts: dict[str, Any]


class PatchPrefetch:
    """The pastes of a clip, taken frame by frame in rising order.

    `factors`: nominal scale -> size of the occluder relative to the actor's box.
    """

    def __init__(
        self,
        placement: Placement,
        cutouts: Sequence[Cutout],
        layout: Layout,
        display: Display,
        factors: Mapping[float, float],
    ) -> None:
        self._placement, self._cutouts = placement, cutouts
        self._layout, self._display, self._factors = layout, display, factors
        self._made: dict[int, dict[float, Paste]] = {}

    def at(self, number: int) -> dict[float, Paste]:
        """Nominal scale -> what is pasted on this frame; empty where there is no occluder."""
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
        found = {s: self._placement.rects(number, f) for s, f in self._factors.items()}
        return {scale: self._paste(number, placed) for scale, placed in found.items() if placed}

    def _paste(self, number: int, placed: Sequence[Placed]) -> Paste:
        patch, x, y = merge_patches([self._patch(*one) for one in placed], self._layout)
        mask, first = self._display.upright(patch.mask), placed[0][1]
        at = self._display.rect_to_displayed(x, y, *patch.mask.shape[::-1])
        facts = first._asdict() | self._facts(number, mask, Rect(*at), first)
        if len(placed) > 1:
            facts["more_rects"] = [value for _, rect in placed[1:] for value in rect]
        return Paste(patch, x, y, facts)

    def _patch(self, occluder: int, rect: Rect) -> PlacedPatch:
        x, y, w, h = self._display.rect_to_coded(*rect)
        return PlacedPatch(self._cutouts[occluder].patch(x, y, w, h), x, y)

    def _facts(self, number: int, mask: Any, at: Rect, first: Rect) -> dict[str, Any]:
        size = self._display.size
        facts: dict[str, Any] = {"occluder_rle": rle_at(mask, at.x, at.y, size)}
        actor = self._placement.clip.boxes.get(number)
        if actor is None:
            return facts
        hidden = share_of_box(mask, at, actor.box, size)
        facts |= {"degree": degree(first, actor.box), "box_hidden": hidden}
        return facts | {"occluded": hidden > 0, "filled": actor.filled}
