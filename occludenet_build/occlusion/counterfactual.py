"""Counterfactuals, do(A = a): erases the actor from the planes of a clip and keeps the occluder.

`Eraser` fills the actor's pixels on each plane; `counterfactual_fills` has the fills by name. In
the authors' figure the visible actor is black, so the default fill is `zero`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from occludenet_build.core.seeds import rng
from occludenet_build.media.imaging import masks as rle
from occludenet_build.media.video.planes import Layout
from occludenet_build.media.video.source import Display
from occludenet_build.occlusion.counterfactual_fills import FILLS, Hole, fill_blur

_MEDIAN_FRAMES = 24
"""Frames of the temporal median; bounds the memory for long clips."""


@dataclass(frozen=True)
class Erasure:
    """How the actor's pixels are filled.

    `fill`: one of FILLS; `dilate`: dilation of the mask, pixels; `seed` and `clip` determine the
    random numbers of noise.
    """

    fill: str
    dilate: int
    seed: int = 0
    clip: str = ""


def dilate_mask(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A mask bool (H, W), dilated by a disc of radius `pixels`: bool (H, W)."""
    if pixels == 0:
        return mask
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return cv2.dilate(mask.astype(np.uint8), disc).astype(bool)


def on_planes(mask: np.ndarray, layout: Layout) -> list[np.ndarray]:
    """A mask bool (H, W) of the coded picture on the Y, U and V grids: bool (H, W), (h, w), (h, w).

    A chroma sample is set if any of its luma pixels is set.
    """
    chroma = _count_per_chroma(mask, layout) > 0
    return [mask, chroma, chroma]


def majority_on_planes(mask: np.ndarray, layout: Layout) -> list[np.ndarray]:
    """A mask bool (H, W) of the coded picture on the Y, U and V grids: bool (H, W), (h, w), (h, w).

    A chroma sample is set if at least half of its luma pixels are set.
    """
    chroma = 2 * _count_per_chroma(mask, layout) >= (1 << layout.sub_x + layout.sub_y)
    return [mask, chroma, chroma]


def _count_per_chroma(mask: np.ndarray, layout: Layout) -> np.ndarray:
    """Number of set luma pixels of each chroma sample, uint8 (h, w)."""
    counts = mask.astype(np.uint8)
    if layout.sub_x:
        counts = np.pad(counts, ((0, 0), (0, counts.shape[1] % 2)))
        counts = counts[:, 0::2] + counts[:, 1::2]
    if layout.sub_y:
        counts = np.pad(counts, ((0, counts.shape[0] % 2), (0, 0)))
        counts = counts[0::2] + counts[1::2]
    return counts


def median_frames(frames: int) -> set[int]:
    """The frame numbers of the temporal median, evenly spaced over the clip."""
    count = min(frames, _MEDIAN_FRAMES)
    return {round(i * (frames - 1) / max(1, count - 1)) for i in range(count)}


class Eraser:
    """Erases the actor of one clip, frame by frame; the fill `median` needs `add_to_median` first.

    `rles`: frame -> mask of the actor; `before`: frame -> mask of an occluder that is already in
    the picture and is kept. Both are COCO RLE counts of the displayed picture.
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
        self._sampled: list[tuple[list[np.ndarray], list[np.ndarray]]] = []
        self._median: list[np.ndarray] | None = None

    def add_to_median(self, number: int, planes: list[np.ndarray]) -> None:
        """Add a frame of the clip to its temporal median.

        `planes`: Y, U and V, uint8 or uint16 (H, W), chroma at its own size; copied.
        """
        empty = [np.zeros(plane.shape, bool) for plane in planes]
        masks = self._masks(number) or empty
        self._sampled.append(([plane.copy() for plane in planes], masks))

    def erase(self, number: int, planes: list[np.ndarray]) -> bool:
        """Erase the actor from a frame in place; return whether any pixel was erased.

        `planes`: Y, U and V, uint8 or uint16 (H, W), chroma at its own size.
        """
        if self._sampled:
            self._median, self._sampled = _median_planes(self._sampled, self._layout), []
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
        medians = self._median or (None, None, None)
        for at, (plane, actor) in enumerate(zip(planes, actors, strict=True)):
            mask = unseen = actor
            if occluders is not None:
                mask, unseen = actor & ~occluders[at], actor | occluders[at]
            black = self._layout.black[at]
            yield Hole(plane, mask, actor, unseen, black, peak, medians[at], draw)

    def _masks(self, number: int) -> list[np.ndarray] | None:
        """The dilated mask of the actor on each plane, bool (H, W); None without a mask."""
        counts = self._rles.get(number)
        if counts is None:
            return None
        mask = dilate_mask(self._decoded(counts), self._erasure.dilate)
        return on_planes(self._display.to_coded(mask), self._layout)

    def _occluders(self, number: int) -> list[np.ndarray] | None:
        counts = self._before.get(number)
        if counts is None:
            return None
        return majority_on_planes(self._display.to_coded(self._decoded(counts)), self._layout)

    def _decoded(self, counts: bytes) -> np.ndarray:
        width, height = self._display.size
        return rle.decode(counts, height, width)


def _median_planes(
    sampled: list[tuple[list[np.ndarray], list[np.ndarray]]], layout: Layout
) -> list[np.ndarray]:
    """Temporal median of each plane outside the actor, from (planes, masks) of some frames."""
    result = []
    for index, black in enumerate(layout.black):
        values = np.ma.array(
            np.stack([planes[index] for planes, _ in sampled]),
            mask=np.stack([masks[index] for _, masks in sampled]),
        )
        median = np.ma.median(values, axis=0)
        plane = np.round(median.filled(0)).astype(layout.dtype)
        hidden = np.all(values.mask, axis=0)
        fill_blur(Hole(plane, hidden, hidden, hidden, black, (1 << layout.depth) - 1))
        result.append(plane)
    return result
