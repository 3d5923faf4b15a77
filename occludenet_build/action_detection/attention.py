"""Where a network looks: the share of its attention on the visible actor, on the occluder, and on
the background.

STADO's purpose is attention on what is seen of the actor; its authors had no masks to measure it
with. A network with the same attention everywhere has the shares of the areas.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Shares(NamedTuple):
    """Shares 0..1 of the attention in one frame, which sum to 1; nan where there is none at all."""

    actor: float
    occluder: float
    background: float


def attention_mass(
    attention: np.ndarray, actor: np.ndarray, occluder: np.ndarray | None = None
) -> Shares:
    """The shares of one frame.

    `attention`: float32 (h, w), not negative, as the network's `mgan`; `actor`, `occluder`: bool
    (H, W), what is seen of each in the whole picture that the map stands for; None: no occluder. A
    pixel in both is the occluder's. A cell that is covered in part counts in part. Raises
    ValueError where the masks differ in shape.
    """
    if occluder is None:
        occluder = np.zeros_like(actor)
    if occluder.shape != actor.shape:
        raise ValueError(f"wanted masks of one shape, got {actor.shape} and {occluder.shape}")
    seen = [_coverage(mask, attention.shape) for mask in (actor & ~occluder, occluder)]
    total = float(attention.sum(dtype=np.float64))
    if not total > 0:
        return Shares(np.nan, np.nan, np.nan)
    on_actor, on_occluder = (float((attention * part).sum(dtype=np.float64)) for part in seen)
    rest = total - on_actor - on_occluder
    return Shares(on_actor / total, on_occluder / total, max(0.0, rest / total))


def area_shares(actor: np.ndarray, occluder: np.ndarray | None = None) -> Shares:
    """The shares of the picture's area, masks bool (H, W): those of attention that is the same
    everywhere."""
    return attention_mass(np.ones(actor.shape, np.float32), actor, occluder)


def _coverage(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Share of each cell of a map of `shape` that a mask covers, float64 (h, w)."""
    rows, columns = (_parts(*sides) for sides in zip(shape, mask.shape, strict=True))
    return rows @ mask @ columns.T


def _parts(cells: int, pixels: int) -> np.ndarray:
    """The part of each cell that each pixel covers, along one axis, float64 (cells, pixels)."""
    edges = np.arange(cells + 1) * (pixels / cells)
    low = np.maximum(edges[:-1, None], np.arange(pixels))
    high = np.minimum(edges[1:, None], np.arange(1, pixels + 1))
    return np.maximum(0, high - low) * (cells / pixels)
