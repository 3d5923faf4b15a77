"""Counterfactuals, do(A = a): the actor erased from the planes of a clip, the occluder kept.

`Eraser` finds the actor's pixels on each plane and fills them; the fills by name are in
`erasing_fills`. The authors' figure has the visible actor black: `zero` is the default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from occludenet_build.compositing.erasing_fills import FILLS, Hole, blur
from occludenet_build.core import masks as rle
from occludenet_build.core.seeds import rng
from occludenet_build.core.video.display import Display
from occludenet_build.core.video.planes import Layout

_PLATE_FRAMES = 24  # frames the temporal median looks at: bounded memory on long clips


@dataclass(frozen=True)
class Erasure:
    """How the actor's pixels are filled.

    `fill`: one of FILLS; `dilate`: pixels by which the mask is grown; noise is drawn from `seed`
    and `clip`.
    """

    fill: str
    dilate: int
    seed: int = 0
    clip: str = ""


def dilated(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A mask bool (H, W), grown by so many pixels: bool (H, W)."""
    if pixels == 0:
        return mask
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return cv2.dilate(mask.astype(np.uint8), disc).astype(bool)


def on_planes(mask: np.ndarray, layout: Layout) -> list[np.ndarray]:
    """A mask bool (H, W), coded picture, on the Y, U and V grids: bool (H, W), (h, w), (h, w).

    A chroma sample is erased with any of its pixels.
    """
    chroma = _counted(mask, layout) > 0
    return [mask, chroma, chroma]


def mostly_on_planes(mask: np.ndarray, layout: Layout) -> list[np.ndarray]:
    """A mask bool (H, W), coded picture, on the Y, U and V grids: bool (H, W), (h, w), (h, w).

    A chroma sample belongs to it with half of its pixels.
    """
    chroma = 2 * _counted(mask, layout) >= (1 << layout.sub_x + layout.sub_y)
    return [mask, chroma, chroma]


def _counted(mask: np.ndarray, layout: Layout) -> np.ndarray:
    """How many pixels of the mask lie below each chroma sample, uint8."""
    counts = mask.astype(np.uint8)
    if layout.sub_x:
        counts = np.pad(counts, ((0, 0), (0, counts.shape[1] % 2)))
        counts = counts[:, 0::2] + counts[:, 1::2]
    if layout.sub_y:
        counts = np.pad(counts, ((0, counts.shape[0] % 2), (0, 0)))
        counts = counts[0::2] + counts[1::2]
    return counts


def sampled_frames(frames: int) -> set[int]:
    """The frame numbers of which the temporal median is made, evenly over the clip."""
    count = min(frames, _PLATE_FRAMES)
    return {round(i * (frames - 1) / max(1, count - 1)) for i in range(count)}


class Eraser:
    """Erases the actor of one clip, frame by frame. `look` first where the fill is `median`.

    rles: frame -> the actor; before: frame -> an occluder that is already in the picture and
    stays. Both COCO RLE counts of the displayed picture.
    """

    def __init__(
        self,
        erasure: Erasure,
        rles: Mapping[int, bytes],
        layout: Layout,
        display: Display,
        before: Mapping[int, bytes] | None = None,
    ) -> None:
        self._erasure, self._rles, self._before = erasure, rles, before or {}
        self._layout, self._display = layout, display
        self._looked_at: list[tuple[list[np.ndarray], list[np.ndarray]]] = []
        self._plate: list[np.ndarray] | None = None

    def look(self, number: int, planes: list[np.ndarray]) -> None:
        """Take a frame of the clip into its temporal median.

        `planes`: Y, U and V, uint8 or uint16 (H, W), chroma at its own size; they are copied.
        """
        nowhere = [np.zeros(plane.shape, bool) for plane in planes]
        masks = self._masks(number) or nowhere
        self._looked_at.append(([plane.copy() for plane in planes], masks))

    def erase(self, number: int, planes: list[np.ndarray]) -> bool:
        """Erase the actor from a frame in place; whether there was anything to erase.

        `planes`: Y, U and V, uint8 or uint16 (H, W), chroma at its own size.
        """
        if self._looked_at:
            self._plate, self._looked_at = _plate(self._looked_at, self._layout), []
        holes = list(self._holes(number, planes))
        for hole in holes:
            FILLS[self._erasure.fill](hole)
        return any(hole.mask.any() for hole in holes)

    def _holes(self, number: int, planes: list[np.ndarray]) -> Iterator[Hole]:
        actors = self._masks(number)
        if actors is None:
            return
        erasure, peak = self._erasure, (1 << self._layout.depth) - 1
        draw = rng(erasure.seed, erasure.clip, "erase", str(number))
        occluders = self._occluders(number)
        plates = self._plate or (None, None, None)
        for at, (plane, actor) in enumerate(zip(planes, actors, strict=True)):
            mask = unseen = actor
            if occluders is not None:
                mask, unseen = actor & ~occluders[at], actor | occluders[at]
            black = self._layout.black[at]
            yield Hole(plane, mask, actor, unseen, black, peak, plates[at], draw)

    def _masks(self, number: int) -> list[np.ndarray] | None:
        """The grown actor on each plane."""
        counts = self._rles.get(number)
        if counts is None:
            return None
        mask = dilated(self._decoded(counts), self._erasure.dilate)
        return on_planes(self._display.to_coded(mask), self._layout)

    def _occluders(self, number: int) -> list[np.ndarray] | None:
        counts = self._before.get(number)
        if counts is None:
            return None
        return mostly_on_planes(self._display.to_coded(self._decoded(counts)), self._layout)

    def _decoded(self, counts: bytes) -> np.ndarray:
        width, height = self._display.size
        return rle.decode(counts, height, width)


def _plate(
    taken: list[tuple[list[np.ndarray], list[np.ndarray]]], layout: Layout
) -> list[np.ndarray]:
    """The median over time of the pixels outside the actor, from (planes, masks) of some frames."""
    result = []
    for index, black in enumerate(layout.black):
        values = np.ma.array(
            np.stack([planes[index] for planes, _ in taken]),
            mask=np.stack([masks[index] for _, masks in taken]),
        )
        median = np.ma.median(values, axis=0)
        plane = np.round(median.filled(0)).astype(layout.dtype)
        never = np.all(values.mask, axis=0)
        blur(Hole(plane, never, never, never, black, (1 << layout.depth) - 1))
        result.append(plane)
    return result
