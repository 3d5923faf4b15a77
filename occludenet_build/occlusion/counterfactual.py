"""Counterfactuals, do(A = a): erases the actor from the planes of a clip and keeps the occluder.

`Eraser` fills the actor's pixels on each plane; `counterfactual_fills` has the fills by name. In
the authors' figure the visible actor is black, so the default fill is `zero`.

`count_unerased` counts the frames that may still show the actor. A frame is erased where the actor
has a mask. Where there is none, the picture is left as it is. That is right where nobody is there,
and wrong where the actor is: the clip would say that nothing was changed although the action can be
seen. So a frame is counted as unerased if it has no mask and

  the actor has a box          the masker found nothing in it
  or a person has a box who    the tracker lost the actor, or took somebody else for the actor in
  may be the actor             this shot

Who is seen beside the actor, in other frames and at another place, is a bystander and not counted.
The setting counterfactual.max_unerased is in the ledger key of the clips that it refuses, and of no
other: a change of it remakes nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa

from occludenet_build.core import tables
from occludenet_build.core.build import ClipBoxes
from occludenet_build.core.seeds import rng
from occludenet_build.media.imaging import boxes as geometry
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

    def plate(self) -> list[np.ndarray] | None:
        """The temporal median of the frames without the actor: Y, U and V, uint8 or uint16 (H, W).

        None if no frame was added.
        """
        if self._sampled:
            self._median, self._sampled = _median_planes(self._sampled, self._layout), []
        return self._median

    def erase(self, number: int, planes: list[np.ndarray]) -> bool:
        """Erase the actor from a frame in place; return whether any pixel was erased.

        `planes`: Y, U and V, uint8 or uint16 (H, W), chroma at its own size.
        """
        self.plate()
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


APART = 0.5
"""A box with less than this share inside the actor's box, or the actor's in it, is at another
place."""


@dataclass(frozen=True)
class Unerased:
    """How many frames of a clip are not erased although a person is detected."""

    frames: int
    """Frames without a mask that may show the actor."""
    shown: int
    """Frames that may show the actor, with a mask or without."""

    @property
    def share(self) -> float:
        """`frames` / `shown`, 0 to 1; 0 without a person."""
        return self.frames / self.shown if self.shown else 0.0

    def refusal(self, limit: float) -> dict[str, str] | None:
        """Status, reason and detail of a clip whose share is above `limit`; None if it is not."""
        if self.share <= limit:
            return None
        detail = (
            f"{self.frames} of {self.shown} frames with a person have no mask of the actor "
            f"({100 * self.share:.0f} %); counterfactual.max_unerased {limit:g}"
        )
        return {"status": "skipped", "reason": "not_erased", "detail": detail}


def count_unerased(boxes: ClipBoxes, masked: Collection[int]) -> Unerased:
    """Count the frames of a clip that may show the actor without a mask.

    `boxes`: all people in the clip; `masked`: the frames with a mask.
    """
    shown = set(boxes.actor.frames.tolist()) | _lost(boxes)
    return Unerased(len(shown - set(masked)), len(shown | set(masked)))


def _lost(boxes: ClipBoxes) -> set[int]:
    """Frames without the actor's box in which somebody has a box who may be the actor."""
    actor, others = boxes.actor, boxes.others
    without = others.where(~np.isin(others.frames, actor.frames))
    may_be = ~np.isin(without.tracks, list(_bystanders(actor, others)))
    return set(without.frames[may_be].tolist())


def _bystanders(actor: ClipBoxes, others: ClipBoxes) -> set[int]:
    """Tracks that are at another place than the actor in most of the frames with both."""
    beside = others.where(np.isin(others.frames, actor.frames))
    at = np.searchsorted(actor.frames, beside.frames)
    apart = geometry.contained(actor.xyxy[at], beside.xyxy) < APART
    return {
        track
        for track in np.unique(beside.tracks).tolist()
        if apart[beside.tracks == track].mean() > 0.5
    }


COUNTED = "unerased_frames"
"""Column of the manifest that is counted in each run, from tables, and not kept in the ledger: so
builds from before it was counted keep their counterfactuals."""


def without_count(manifest: pa.Schema) -> pa.Schema:
    """The columns of the manifest that the ledger keeps."""
    return pa.schema([field for field in manifest if field.name != COUNTED])


def write_with_counts(
    table: pa.Table, counts: Mapping[str, Unerased], manifest: pa.Schema, out: Path
) -> None:
    """Write the rows of the ledger as the manifest `out`: with the counts, without times.

    `counts`: clip -> its count.
    """
    columns = {name: table[name] for name in table.column_names}
    columns["seconds"] = pa.nulls(len(table), pa.float64())
    columns[COUNTED] = pa.array(
        [counts[clip].frames for clip in table["clip"].to_pylist()], pa.int32()
    )
    ordered = {name: columns[name] for name in manifest.names}
    tables.write_table(pa.table(ordered, schema=manifest), out)
