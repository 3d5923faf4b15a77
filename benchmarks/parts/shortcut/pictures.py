"""Clips in memory: their pictures, where the actor is in them, and their counterfactuals.

Clips go to the product's training loop as pictures, without a codec. The fills are those of
composite, applied to R, G and B instead of Y, U and V.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from demo.world.plan import Clip
from occludenet_build.core.seeds import rng
from occludenet_build.media.imaging import masks as rle
from occludenet_build.media.video.planes import Layout
from occludenet_build.media.video.source import Display
from occludenet_build.occlusion.counterfactual import Eraser, Erasure, dilate_mask, median_frames
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.recognition.datasets import FrameReader
from occludenet_build.recognition.frame_masks import ActorPixels, ActorView

CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


class Memory(FrameReader):
    """Frames of pictures in memory, and the actor's place in them, by the name of the clip."""

    def __init__(self, height: int) -> None:
        super().__init__(Path(), height, keep=True)
        self.pictures: dict[str, np.ndarray] = {}
        self.holes: dict[str, np.ndarray] = {}

    def of(self, file: str, numbers: Sequence[int]) -> np.ndarray:
        """Pictures of a clip, uint8 (T, H, W, 3)."""
        return self.pictures[file][list(numbers)]

    def put(
        self, clip: Clip, pictures: np.ndarray, hole: np.ndarray, erased: np.ndarray | None
    ) -> ClipRow:
        """Store a clip, and its counterfactual if given; return the row that names them.

        `hole`: bool (T, H, W), the pixels that count as the actor.
        """
        file = f"{clip.name} {clip.background}"
        self.pictures[file], self.holes[file] = pictures, hole
        other = None if erased is None else f"{file} erased"
        if other is not None and erased is not None:
            self.pictures[other] = erased
        return ClipRow(
            clip=file,
            set="clean",
            scale=0.0,
            split=clip.split,
            label=clip.label,
            file=file,
            file_hash=file,
            counterfactual=other,
            counterfactual_hash=other,
            frames=len(pictures),
            area_ratio=None,
            duration_ratio=None,
        )


class MemoryPixels(ActorPixels):
    """Where the actors of the clips in a Memory are, as the product reads it from annotate."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def of(self, clip: ClipRow, numbers: Sequence[int], height: int, width: int) -> ActorView:
        """Actor and hole of some frames, bool (T, H, W) each; equal, as there is no occluder."""
        hole = self._memory.holes[clip.file][list(numbers)]
        assert hole.shape[1:] == (height, width), "pictures in memory are not scaled"
        return ActorView(hole, hole)


def holes(name: str, masks: np.ndarray, dilate: int, missing: float = 0.0) -> np.ndarray:
    """The pixels that are taken for the actor: bool (T, H, W), from true masks bool (T, H, W).

    The masks are dilated by `dilate` px. With `missing`, a connected part of each, that share of
    its pixels, is left out together with its rim, so the actor shows there.
    """
    if not missing:
        return np.stack([dilate_mask(mask, dilate) for mask in masks])
    toward = rng(0, name, "missing").uniform(0, 2 * np.pi)
    lost = [missed(mask, missing, toward) for mask in masks]
    pairs = zip(masks, lost, strict=True)
    return np.stack([dilate_mask(mask & ~part, dilate) & ~part for mask, part in pairs])


def missed(mask: np.ndarray, share: float, toward: float) -> np.ndarray:
    """A connected part of a mask bool (H, W) with `share` of its pixels, rounded: bool (H, W).

    It grows from the pixel that lies farthest in the direction `toward`, radians (0: to the right,
    pi / 2: down), so it is a head, a hand or a foot and what is next to it.
    """
    wanted = round(share * int(mask.sum()))
    part = np.zeros_like(mask)
    if wanted == 0:
        return part
    rows, columns = np.nonzero(mask)
    first = np.argmax(rows * np.sin(toward) + columns * np.cos(toward))
    part[rows[first], columns[first]] = True
    while part.sum() < wanted:
        ring = cv2.dilate(part.astype(np.uint8), CROSS).astype(bool) & mask & ~part
        if not ring.any():  # the mask has parts
            break
        new = np.flatnonzero(ring)[: wanted - int(part.sum())]
        part.ravel()[new] = True
    return part


class _Rgb(Layout):
    """Three planes at full resolution, with black at zero."""

    @property
    def black(self) -> tuple[int, int, int]:
        return 0, 0, 0


def erased(name: str, pictures: np.ndarray, hole: np.ndarray, fill: str) -> np.ndarray:
    """do(A = a): pictures uint8 (T, H, W, 3) with the pixels `hole`, bool (T, H, W), filled."""
    height, width = hole.shape[1:]
    rles = {number: rle.encode(mask) for number, mask in enumerate(hole)}
    layout = _Rgb(depth=8, sub_x=0, sub_y=0, full_range=True, matrix="bt601")
    eraser = Eraser(Erasure(fill, 0, 0, name), rles, layout, Display(width, height))
    planes = [[np.ascontiguousarray(p) for p in np.moveaxis(frame, 2, 0)] for frame in pictures]
    for number in median_frames(len(planes)) if fill == "median" else ():
        eraser.add_to_median(number, planes[number])
    for number, frame in enumerate(planes):
        eraser.erase(number, frame)
    return np.stack([np.stack(frame, axis=-1) for frame in planes])
