"""Patches: occluders in the clip's colours, at any size and pixel offset, ready to be blended.

`ClipCutout` makes the patch of one occluder for a rectangle. `merge_patches` combines the patches
of several occluders into one, so that a frame gets a single patch. `PatchPrefetch` makes the
patches of a clip, with their ground truth, several frames at a time: rectangles are known before
any pixel is decoded, and between two encodes code and data would be cold in the processor's caches,
which makes the same work take three to five times as long.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.media.imaging.fit import resize_deterministic
from occludenet_build.media.video.planes import Layout
from occludenet_build.media.video.source import Display
from occludenet_build.occlusion.geometry import Rect, occlusion_degree
from occludenet_build.occlusion.ground_truth import OccluderMask, hidden_share, placed_rle
from occludenet_build.occlusion.placement import PlacedRect, Placement

ROUNDING = np.float32(0.5)
"""Added before a cast to integers, which truncates."""
OPAQUE = 0.5
"""Alpha from which a pixel counts as hidden."""
_CACHED_PATCHES = 16
"""A static actor needs few sizes, and a larger cache would not fit into the processor's."""
_PREFETCHED_FRAMES = 32
_PREFETCHED_PIXELS = 1 << 20
"""Limit for all waiting patches, at about 12 bytes per pixel: bounds the memory at 4K."""


def check_occluder(path: Path, sha256: str) -> None:
    """Check that a cut-out is the one in the table of occluders. Raises ItemError."""
    if sha256_file(path) != sha256:
        raise ItemError("occluder_changed", str(path))


def read_occluder(path: Path) -> np.ndarray:
    """uint8 (H, W, 4) RGBA of a PNG, straight alpha; a PNG without alpha is opaque.

    Raises UserError where the file is missing, unreadable, or not 8-bit RGB or RGBA.
    """
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != np.uint8 or image.ndim != 3:
        raise UserError(f"occluder {path}: wanted an 8-bit RGB or RGBA PNG; run occluders again")
    if image.shape[2] == 3:
        return np.dstack([image[:, :, ::-1], np.full(image.shape[:2], 255, np.uint8)])
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA)


class PlanePatch(NamedTuple):
    """The patch of one plane: plane = plane * keep + add, truncated to integers.

    Arrays are (h, w), or (h, w, c) where a plane has c channels. The first sample of a chroma patch
    is the one that contains the patch's first luma pixel.
    """

    add: np.ndarray
    """float32, colour x alpha + ROUNDING."""
    keep: np.ndarray
    """float32, 1 - alpha."""


@dataclass(eq=False)
class Patch:
    """A cut-out at one size and one offset relative to the chroma grid, in the coded picture."""

    planes: tuple[PlanePatch, ...]
    """Y, U and V; of RGB frames a single one."""
    mask: np.ndarray
    """bool (h, w) at luma size: alpha of one half or more."""
    _shown: OccluderMask | None = field(default=None, init=False, repr=False)

    def shown(self, display: Display) -> OccluderMask:
        """The mask as displayed; a patch belongs to one clip, so `display` is always the same."""
        if self._shown is None:
            self._shown = OccluderMask(display.upright(self.mask))
        return self._shown


class ClipCutout:
    """One cut-out, prepared for one clip; `size`: (width, height) in displayed pixels of the clip.

    `rgba` is uint8 (H, W, 4), straight alpha, upright; `layout` and `display` are those of the
    clip's frames; `pixel_aspect` is width over height of a displayed pixel.
    """

    def __init__(
        self, rgba: np.ndarray, layout: Layout, display: Display, pixel_aspect: float = 1.0
    ) -> None:
        height, width = rgba.shape[:2]
        # Wide pixels would widen the occluder, so it is made of fewer of them.
        sideways = display.rotation % 180 != 0
        tall = height * pixel_aspect if sideways else float(height)
        self.size = (float(width) if sideways else width / pixel_aspect, tall)
        self._layout = layout
        self._display = display
        self._ladder = _halvings(_premultiplied(display.to_coded(rgba), layout))
        self._cache: OrderedDict[tuple[int, int, int, int], Patch] = OrderedDict()

    def patch(self, x: int, y: int, w: int, h: int) -> Patch:
        """The patch for a rectangle of the coded picture: left, top, width, height in pixels."""
        key = (w, h, x & 1, y & 1)
        patch = self._cache.pop(key, None) or self._make(*key)
        self._cache[key] = patch
        if len(self._cache) > _CACHED_PATCHES:
            self._cache.popitem(last=False)
        return patch

    def silhouette(self, w: int, h: int) -> np.ndarray:
        """The mask of a patch of (w, h) displayed pixels: bool (H, W), displayed orientation."""
        w, h = self._display.rect_to_coded(0, 0, w, h)[2:]
        alpha = np.ascontiguousarray(self._level(w, h)[:, :, 3])
        alpha = resize_deterministic(alpha, (w, h), cv2.INTER_LINEAR)
        return self._display.upright(alpha >= OPAQUE)

    def _level(self, w: int, h: int) -> np.ndarray:
        """The smallest halving of at least this size, else the cut-out itself."""
        fitting = (a for a in reversed(self._ladder) if a.shape[1] >= w and a.shape[0] >= h)
        return next(fitting, self._ladder[0])

    def resized(self, w: int, h: int) -> np.ndarray:
        """Code values times alpha, and alpha, at a size (w, h): float32 (H, W, 4)."""
        return resize_deterministic(self._level(w, h), (w, h), cv2.INTER_LINEAR)

    def _make(self, w: int, h: int, odd_x: int, odd_y: int) -> Patch:
        pixels = self.resized(w, h)
        # Contiguous planes: numpy takes several times as long with interleaved samples.
        coded = np.ascontiguousarray(pixels.transpose(2, 0, 1))
        blue, red, hidden = self._on_chroma(coded[1:], odd_x, odd_y)
        luma, alpha, chroma_keep = coded[0], coded[3], 1 - hidden
        planes = (
            PlanePatch(luma + ROUNDING, 1 - alpha),
            *(PlanePatch(c + ROUNDING, chroma_keep) for c in (blue, red)),
        )
        return Patch(planes, alpha >= OPAQUE)

    def _on_chroma(self, planes: np.ndarray, odd_x: int, odd_y: int) -> np.ndarray:
        """U, V and alpha float32 (3, h, w) at luma size -> the same on the chroma grid."""
        if self._layout.sub_x:
            planes = _halve_columns(planes, odd_x, self._layout.left_sited)
        if self._layout.sub_y:
            planes = _halve_rows(planes, odd_y)
        return planes


def _premultiplied(rgba: np.ndarray, layout: Layout) -> np.ndarray:
    """float32 (H, W, 4): Y, U, V code values times alpha, alpha in [0, 1]."""
    alpha = rgba[:, :, 3:].astype(np.float32) / 255
    return np.concatenate([layout.from_rgb(rgba[:, :, :3]) * alpha, alpha], axis=2)


def _halvings(pixels: np.ndarray) -> list[np.ndarray]:
    """The cut-out and its halvings; resizing from the nearest one is fast and does not alias."""
    ladder = [pixels]
    while min(ladder[-1].shape[:2]) >= 16:
        height, width = ladder[-1].shape[:2]
        half = (max(1, round(width / 2)), max(1, round(height / 2)))
        ladder.append(resize_deterministic(ladder[-1], half, cv2.INTER_AREA))
    return ladder


def _halve_columns(planes: np.ndarray, odd: int, left_sited: bool) -> np.ndarray:
    """float32 (c, h, w) at luma columns -> chroma columns.

    Left-sited samples weight luma columns 2i-1, 2i, 2i+1 by 1/4, 1/2, 1/4; others are the mean of
    2i and 2i+1. Outside the patch alpha is 0.
    """
    count, height, width = planes.shape
    padded = np.zeros((count, height, width + odd + (width + odd) % 2 + 4), np.float32)
    padded[:, :, 2 + odd : 2 + odd + width] = planes
    if not left_sited:
        return (padded[:, :, 2:-2:2] + padded[:, :, 3:-2:2]) * 0.5
    halved = padded[:, :, 1:-2:2] + padded[:, :, 3::2]  # the last column uses one sample more
    halved *= 0.25
    halved += padded[:, :, 2::2] * 0.5
    return halved


def _halve_rows(planes: np.ndarray, odd: int) -> np.ndarray:
    """float32 (c, h, w) at luma rows -> chroma rows, each the mean of two."""
    count, height, width = planes.shape
    halved = np.zeros((count, (height + odd + 1) // 2, width), np.float32)
    upper, lower = planes[:, odd::2], planes[:, 1 - odd :: 2]
    halved[:, odd : odd + upper.shape[1]] = upper
    halved[:, : lower.shape[1]] += lower
    halved *= 0.5
    return halved


class PlacedPatch(NamedTuple):
    """A patch with its first luma pixel at (x, y) of the coded picture."""

    patch: Patch
    x: int
    y: int


def merge_patches(placed: Sequence[PlacedPatch], layout: Layout) -> PlacedPatch:
    """One patch with the effect of all of them pasted in turn; later ones cover earlier ones."""
    if len(placed) == 1:
        return placed[0]
    planes = tuple(
        _layered([(p.patch.planes[n], p.x >> sub_x, p.y >> sub_y) for p in placed])
        for n, (sub_x, sub_y) in enumerate(layout.shifts)
    )
    left, top = min(p.x for p in placed), min(p.y for p in placed)
    return PlacedPatch(Patch(planes, _union([(p.patch.mask, p.x, p.y) for p in placed])), left, top)


def placed_patch(
    placed: Sequence[PlacedRect], cutouts: Sequence[ClipCutout], layout: Layout, display: Display
) -> PlacedPatch:
    """One patch of all occluders of a frame at one scale, at their displayed rectangles."""
    patches = []
    for number, rect in placed:
        x, y, w, h = display.rect_to_coded(*rect)
        patches.append(PlacedPatch(cutouts[number].patch(x, y, w, h), x, y))
    return merge_patches(patches, layout)


def _layered(parts: Sequence[tuple[PlanePatch, int, int]]) -> PlanePatch:
    """Plane patches at positions (x, y) combined: each applies plane * keep + add in turn."""
    left, top, width, height = _bounds([(part.keep, x, y) for part, x, y in parts])
    shape = height, width, *parts[0][0].add.shape[2:]
    add, keep = np.full(shape, ROUNDING), np.ones(shape, np.float32)
    for part, x, y in parts:
        at = _window(part.keep, x - left, y - top)
        add[at] = (add[at] - ROUNDING) * part.keep + part.add
        keep[at] *= part.keep
    return PlanePatch(add, keep)


def _union(parts: Sequence[tuple[np.ndarray, int, int]]) -> np.ndarray:
    """Union of masks bool (h, w) at positions (x, y): bool (H, W)."""
    left, top, width, height = _bounds(parts)
    mask = np.zeros((height, width), bool)
    for part, x, y in parts:
        mask[_window(part, x - left, y - top)] |= part
    return mask


def _bounds(parts: Sequence[tuple[np.ndarray, int, int]]) -> tuple[int, int, int, int]:
    """Left, top, width and height of the rectangle around all arrays."""
    left, top = min(x for _, x, _ in parts), min(y for _, _, y in parts)
    right = max(x + array.shape[1] for array, x, _ in parts)
    bottom = max(y + array.shape[0] for array, _, y in parts)
    return left, top, right - left, bottom - top


def _window(array: np.ndarray, x: int, y: int) -> tuple[slice, slice]:
    return slice(y, y + array.shape[0]), slice(x, x + array.shape[1])


class Paste(NamedTuple):
    """A patch, the position of its first luma pixel in the coded picture, and its ground truth."""

    patch: Patch
    x: int
    y: int
    truth: dict[str, Any]
    """Column of ground_truth.TRUTH -> value."""


class PatchPrefetch:
    """The pastes of a clip, requested frame by frame in ascending order.

    `factors`: nominal scale -> size of the occluder relative to its box.
    """

    def __init__(
        self,
        placement: Placement,
        cutouts: Sequence[ClipCutout],
        layout: Layout,
        display: Display,
        factors: Mapping[float, float],
    ) -> None:
        self._placement, self._cutouts = placement, cutouts
        self._layout, self._display, self._factors = layout, display, factors
        self._pastes: dict[int, dict[float, Paste]] = {}

    def pastes_at(self, number: int) -> dict[float, Paste]:
        """Nominal scale -> the paste of a frame; empty for a frame without an occluder."""
        if number not in self._pastes:
            self._fill(number)
        return self._pastes.pop(number)

    def _fill(self, first: int) -> None:
        pixels = 0
        for number in range(first, first + _PREFETCHED_FRAMES):
            pastes = self._pastes[number] = self._frame(number)
            pixels += sum(paste.patch.mask.size for paste in pastes.values())
            if pixels > _PREFETCHED_PIXELS:
                return

    def _frame(self, number: int) -> dict[float, Paste]:
        rects = {s: self._placement.rects(number, f) for s, f in self._factors.items()}
        return {scale: self._paste(number, placed) for scale, placed in rects.items() if placed}

    def _paste(self, number: int, placed: Sequence[PlacedRect]) -> Paste:
        patch, x, y = placed_patch(placed, self._cutouts, self._layout, self._display)
        mask, first = patch.shown(self._display), placed[0][1]
        at = self._display.rect_to_displayed(x, y, *patch.mask.shape[::-1])
        truth = first._asdict() | self._truth(number, mask, Rect(*at), first)
        if len(placed) > 1:
            truth["more_rects"] = [value for _, rect in placed[1:] for value in rect]
        return Paste(patch, x, y, truth)

    def _truth(self, number: int, mask: OccluderMask, at: Rect, first: Rect) -> dict[str, Any]:
        size = self._display.size
        truth: dict[str, Any] = {"occluder_rle": placed_rle(mask, at.x, at.y, size)}
        actor = self._placement.clip.boxes.get(number)
        if actor is None:
            return truth
        hidden = hidden_share(mask, at, actor.box, size)
        truth |= {"degree": occlusion_degree(first, actor.box), "box_hidden": hidden}
        return truth | {"occluded": hidden > 0, "filled": actor.filled}
