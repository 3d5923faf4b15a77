"""The people and objects of one clip: boxes, masks as the masker gave them, and where they end.

Everything is measured on masks at a working size, whose longest side is at most WORKING pixels: the
contours of masks are not more exact than that, and cost does not grow with the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from occludenet_build.media.imaging import masks as rle
from occludenet_build.people.maskers.interface import TrackKey

WORKING = 640
"""Longest side of the working size, pixels."""
_KEPT = 600
"""Decoded masks that are kept."""


@dataclass(frozen=True)
class Thing:
    """An object in one frame, or in all of them."""

    name: str
    mask: np.ndarray
    """bool (H, W), at the working size."""
    static: bool
    """Whether the user gave its mask, so that it is whole; else the masker, and it is what is
    seen."""


@dataclass
class Scene:
    """One clip; `size`: height and width of the displayed picture, pixels."""

    size: tuple[int, int]
    frames: int
    fps: float
    boxes: Mapping[TrackKey, Mapping[int, np.ndarray]]
    """Person -> frame -> box float32 (4,), x1 y1 x2 y2, pixels of the picture."""
    masks: Mapping[TrackKey, Mapping[int, bytes]]
    """Person -> frame -> mask, COCO RLE counts of the picture."""
    filled: frozenset[tuple[TrackKey, int]] = frozenset()
    """(person, frame) of boxes that are interpolated, not detected."""
    static: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Name -> mask bool (H, W) of the picture, of an object that stays in place."""
    objects: Mapping[int, list[tuple[str, bytes]]] = field(default_factory=dict)
    """Frame -> (name, mask as COCO RLE counts) of what the masker knows besides people."""

    def __post_init__(self) -> None:
        self.scale = min(1.0, WORKING / max(self.size))
        height, width = self.size
        self.shape = max(1, round(height * self.scale)), max(1, round(width * self.scale))
        self._static = [Thing(n, self.reduced(m), True) for n, m in sorted(self.static.items())]
        self._cache: dict[tuple[TrackKey, int], np.ndarray] = {}
        self._things: dict[int, list[Thing]] = {}

    def reduced(self, mask: np.ndarray) -> np.ndarray:
        """A mask bool (H, W) of the picture, at the working size: bool (H, W)."""
        return resized(mask, self.shape)

    def enlarged(self, mask: np.ndarray) -> np.ndarray:
        """A mask bool (H, W) at the working size, in that of the picture: bool (H, W)."""
        return resized(mask, self.size)

    def people_in(self, frame: int) -> list[TrackKey]:
        """The people with a mask in a frame, in the order of their keys."""
        return sorted(key for key, masks in self.masks.items() if frame in masks)

    def mask(self, key: TrackKey, frame: int) -> np.ndarray | None:
        """A person's mask as the masker gave it, bool (H, W) at the working size; None if none."""
        counts = self.masks[key].get(frame)
        if counts is None:
            return None
        if (key, frame) not in self._cache:
            if len(self._cache) >= _KEPT:
                self._cache.clear()
            self._cache[key, frame] = self.reduced(rle.decode(counts, *self.size))
        return self._cache[key, frame]

    def full_mask(self, key: TrackKey, frame: int) -> np.ndarray | None:
        """The same in the size of the picture: bool (H, W)."""
        counts = self.masks[key].get(frame)
        return None if counts is None else rle.decode(counts, *self.size)

    def things(self, frame: int) -> list[Thing]:
        """The objects of a frame: those that stay in place, and what the masker knows."""
        if frame not in self._things:
            seen = [
                Thing(name, self.reduced(rle.decode(counts, *self.size)), False)
                for name, counts in self.objects.get(frame, ())
            ]
            # one frame is asked for once per person, then the next one is
            self._things = {frame: self._static + [thing for thing in seen if thing.mask.any()]}
        return self._things[frame]


def resized(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A mask bool (H, W), scaled to bool `shape`: the pixels of which it covers half."""
    if mask.shape == shape:
        return mask
    method = cv2.INTER_AREA if shape[0] < mask.shape[0] else cv2.INTER_LINEAR
    grown = cv2.resize(mask.astype(np.uint8) * 255, shape[::-1], interpolation=method)
    return grown > 127


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A mask bool (H, W), dilated by a disc of radius `pixels`: bool (H, W)."""
    size = 2 * pixels + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.dilate(mask.view(np.uint8), disc).view(bool)


@dataclass(frozen=True)
class Extent:
    """The smallest box around a mask, working pixels, and where the picture cuts it."""

    x1: int
    y1: int
    x2: int
    y2: int
    cut_below: bool
    """Whether it reaches the picture's lower edge: where it stands is then not seen."""
    cut_beside: bool
    """Whether it reaches another edge."""

    @staticmethod
    def of(mask: np.ndarray) -> Extent | None:
        """The extent of a mask bool (H, W); None if it is empty."""
        box = rle.box_of(mask)
        if box is None:
            return None
        x1, y1, x2, y2 = box
        height, width = mask.shape
        beside = x1 < _EDGE or x2 > width - _EDGE or y1 < _EDGE
        return Extent(x1, y1, x2, y2, y2 > height - _EDGE, beside)

    @property
    def height(self) -> int:
        """Height, working pixels."""
        return self.y2 - self.y1

    def crop(self, margin: int, shape: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of it, with a margin, inside a picture of (H, W)."""
        rows = slice(max(0, self.y1 - margin), min(shape[0], self.y2 + margin))
        return rows, slice(max(0, self.x1 - margin), min(shape[1], self.x2 + margin))

    def near(self, other: Extent, margin: int) -> bool:
        """Whether the two boxes overlap or are at most `margin` pixels apart."""
        apart_x = max(self.x1, other.x1) - min(self.x2, other.x2)
        apart_y = max(self.y1, other.y1) - min(self.y2, other.y2)
        return max(apart_x, apart_y) <= margin


_EDGE = 2
"""Distance from the picture's edge within which it cuts a mask, working pixels."""
