"""Several patches as one: what is laid on a frame is one patch, however many occluders it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from occludenet_build.compositing.cutout import ROUND, Patch, PlanePatch
from occludenet_build.core.video.planes import Layout


class Laid(NamedTuple):
    """A patch with the place of its first luma pixel in the coded picture."""

    patch: Patch
    x: int
    y: int


def over(placed: Sequence[Laid], layout: Layout) -> Laid:
    """Patches in the order in which they are laid: later ones cover earlier ones."""
    if len(placed) == 1:
        return placed[0]
    shifts = ((0, 0), *[(layout.sub_x, layout.sub_y)] * 2)
    planes = tuple(
        _layered([(p.patch.planes[n], p.x >> sub_x, p.y >> sub_y) for p in placed])
        for n, (sub_x, sub_y) in enumerate(shifts)
    )
    left, top = min(p.x for p in placed), min(p.y for p in placed)
    return Laid(Patch(planes, _union([(p.patch.mask, p.x, p.y) for p in placed])), left, top)


def _layered(parts: Sequence[tuple[PlanePatch, int, int]]) -> PlanePatch:
    """One after the other: plane * keep + add, then the same of the next."""
    left, top, width, height = _bounds([(part.keep, x, y) for part, x, y in parts])
    add, keep = np.full((height, width), ROUND), np.ones((height, width), np.float32)
    for part, x, y in parts:
        at = _window(part.keep, x - left, y - top)
        add[at] = (add[at] - ROUND) * part.keep + part.add
        keep[at] *= part.keep
    return PlanePatch(add, keep)


def _union(parts: Sequence[tuple[np.ndarray, int, int]]) -> np.ndarray:
    left, top, width, height = _bounds(parts)
    mask = np.zeros((height, width), bool)
    for part, x, y in parts:
        mask[_window(part, x - left, y - top)] |= part
    return mask


def _bounds(parts: Sequence[tuple[np.ndarray, int, int]]) -> tuple[int, int, int, int]:
    """left, top, width and height of all arrays together."""
    left, top = min(x for _, x, _ in parts), min(y for _, _, y in parts)
    right = max(x + array.shape[1] for array, x, _ in parts)
    bottom = max(y + array.shape[0] for array, _, y in parts)
    return left, top, right - left, bottom - top


def _window(array: np.ndarray, x: int, y: int) -> tuple[slice, slice]:
    return slice(y, y + array.shape[0]), slice(x, x + array.shape[1])
