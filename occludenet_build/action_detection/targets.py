"""What the heads shall say about a clip: heat map, sizes, movements, and STADO's mask.

MOC, section 3 and MOC-Detector; the heat map is CornerNet's (Law and Deng, ECCV 2018, section
3.2). All are on a map of `cells` x `cells`, a quarter of the network's input.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from occludenet_build.action_detection.clip import ClipTube

OVERLAP = 0.7
"""A centre within the radius still gives a box with this overlap (CornerNet)."""

AttentionTarget = Literal["box", "visible", "released"]
"""What attention is trained on, per frame: `box`, the boxes of the people with a tube (STADO as
described); `visible`, the masks of what is seen of them (ours); `released`, boxes as STADO's code
reads them, with x and y exchanged, most of which are empty."""


@dataclass(frozen=True)
class Targets:
    """Of one clip with n objects, or of N clips, with a first axis N and n the largest number."""

    hm: Tensor
    """float32 (C, h, w): 1 at the centres in the key frame K // 2, less around them."""
    wh: Tensor
    """float32 (n, 2K): width, height of the box in each frame, in cells."""
    mov: Tensor
    """float32 (n, 2K): x, y of the centre in each frame minus the key cell, in cells."""
    mask: Tensor
    """bool (n,): whether this is an object; with several clips, the rest is filled up."""
    index: Tensor
    """int64 (n,): the key cell, row * w + column."""
    index_all: Tensor
    """int64 (n, 2K): the cell of the centre in each frame, for width and for height."""
    mgan: Tensor | None = None
    """bool (K, h, w): where attention is wanted."""

    @staticmethod
    def stacked(clips: Sequence[Targets]) -> Targets:
        """The targets of N clips, one dtype and one more axis each: bool, float32, int64 (N, ...).

        Objects are filled up with zeros to the largest number, at least 1.
        """
        most = max(1, *(len(one.mask) for one in clips))

        def filled(tensors: Iterable[Tensor]) -> Tensor:
            gaps = [(one, (0, 0) * (one.dim() - 1) + (0, most - len(one))) for one in tensors]
            return torch.stack([F.pad(one, gap) for one, gap in gaps])

        masks = [one.mgan for one in clips if one.mgan is not None]
        return Targets(
            hm=torch.stack([one.hm for one in clips]),
            wh=filled(one.wh for one in clips),
            mov=filled(one.mov for one in clips),
            mask=filled(one.mask for one in clips),
            index=filled(one.index for one in clips),
            index_all=filled(one.index_all for one in clips),
            mgan=torch.stack(masks) if masks else None,
        )

    def to(self, device: str) -> Targets:
        """On another device; bool, float32 and int64 of any shape."""
        names = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def make_targets(
    tubes: Sequence[ClipTube],
    *,
    classes: int,
    frames: int,
    cells: int,
    attention: AttentionTarget | None = None,
    visible: np.ndarray | None = None,
) -> Targets:
    """The targets of a clip. `tubes`: boxes float32 (K, 4) in cells (`clip.resized_boxes`).

    `attention`: None without a mask (MOC). `visible`: bool (K, cells, cells), the masks of the
    target `visible` (`clip.resized_masks`). Raises ValueError where they are not given.
    """
    boxes = np.array([one.boxes for one in tubes], np.float32).reshape(-1, frames, 4)
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2  # (n, K, 2)
    # A centre on the right or lower edge of a crop is in the last cell.
    at = np.clip(centres.astype(np.int64), 0, cells - 1)
    key = frames // 2
    heat = np.zeros((classes, cells, cells), np.float32)
    for number, one in enumerate(tubes):
        width, height = boxes[number, key, 2:] - boxes[number, key, :2]
        radius = max(0, int(gaussian_radius(math.ceil(height), math.ceil(width))))
        draw_gaussian(heat[one.label], at[number, key], radius)
    index = at[..., 1] * cells + at[..., 0]  # (n, K)
    seen = attention and attention_target(attention, boxes, cells, visible)
    return Targets(
        hm=torch.from_numpy(heat),
        wh=torch.from_numpy((boxes[..., 2:] - boxes[..., :2]).reshape(-1, 2 * frames)),
        mov=torch.from_numpy((centres - at[:, key : key + 1]).astype(np.float32)).flatten(1),
        mask=torch.ones(len(tubes), dtype=torch.bool),
        index=torch.from_numpy(index[:, key].copy()),
        index_all=torch.from_numpy(index.repeat(2, axis=1)),
        mgan=None if seen is None else torch.from_numpy(seen),
    )


def gaussian_radius(height: float, width: float, overlap: float = OVERLAP) -> float:
    """Radius in cells in which a centre gives a box of at least `overlap` with the true one.

    The smallest of three roots as CornerNet's code computes them, (b + sqrt(b^2 - 4ac)) / 2.
    """
    both, area = height + width, height * width
    equations = (
        (1, both, area * (1 - overlap) / (1 + overlap)),
        (4, 2 * both, (1 - overlap) * area),
        (4 * overlap, -2 * overlap * both, (overlap - 1) * area),
    )
    return min((b + math.sqrt(b * b - 4 * a * c)) / 2 for a, b, c in equations)


def draw_gaussian(heat: np.ndarray, centre: np.ndarray | tuple[int, int], radius: int) -> None:
    """Draw a peak of 1 into float32 (h, w), where it is higher than what is there.

    `centre`: column and row, int (2,); sigma is (2 radius + 1) / 6; outside the radius it is 0.
    """
    x, y = (int(value) for value in centre)
    spread = 2 * ((2 * radius + 1) / 6) ** 2
    top, left = max(0, y - radius), max(0, x - radius)
    part = heat[top : y + radius + 1, left : x + radius + 1]
    rows = np.arange(top, top + part.shape[0])[:, None] - y
    columns = np.arange(left, left + part.shape[1]) - x
    np.maximum(part, np.exp(-(rows**2 + columns**2) / spread), out=part, casting="same_kind")


def attention_target(
    kind: AttentionTarget, boxes: np.ndarray, cells: int, visible: np.ndarray | None = None
) -> np.ndarray:
    """bool (K, cells, cells): where attention is wanted, of boxes float32 (n, K, 4) in cells.

    `box`: rows y1 .. y2 - 1 and columns x1 .. x2 - 1 of the truncated boxes. `released`: rows
    x2 .. y2 - 1, columns x1 .. y1 - 1. `visible`: these masks, bool (K, cells, cells). Raises
    ValueError where they are not given.
    """
    if kind == "visible":
        if visible is None:
            raise ValueError("wanted masks of what is seen of the actor, got none")
        return visible
    target = np.zeros((boxes.shape[1], cells, cells), bool)
    for tube in boxes.astype(int):
        for frame, (x1, y1, x2, y2) in zip(target, tube.tolist(), strict=True):
            if kind == "released":
                frame[x2:y2, x1:y1] = True
            else:
                frame[max(0, y1) : max(0, y2), max(0, x1) : max(0, x2)] = True
    return target
