"""From the outputs of MOC's network to tubelets: peaks, movement, sizes, pixels; the flip test.

MOC-Detector (github.com/MCG-NJU/MOC-Detector, MIT; facts read, code our own). A tubelet is a box
in each of K frames. Heads, of N clips on a map of H x W cells:
    hm   (N, C, H, W)   heat map of the centres in the key frame K // 2, per class
    mov  (N, 2K, H, W)  centre in each frame (x, y) minus the key cell, in cells
    wh   (N, 2K, H, W)  width and height in each frame, in cells, read where the centre moved to
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

MOST = 100
"""Tubelets that are decoded per clip."""


@dataclass(frozen=True)
class Tubelets:
    """D tubelets of K frames of one video."""

    start: np.ndarray
    """int32 (D,): first frame, from 0."""
    boxes: np.ndarray
    """float32 (D, K, 4): x1, y1, x2, y2 in pixels, within 0 .. width - 1 and 0 .. height - 1."""
    score: np.ndarray
    """float32 (D,): 0 to 1."""
    label: np.ndarray
    """int32 (D,): label id."""

    @staticmethod
    def of(parts: list[Tubelets]) -> Tubelets:
        """Those of several clips together; at least one part."""
        names = ("start", "boxes", "score", "label")
        return Tubelets(*(np.concatenate([getattr(part, n) for part in parts]) for n in names))

    @property
    def length(self) -> int:
        """K, the number of frames of each."""
        return self.boxes.shape[1]

    def at(self, chosen: np.ndarray) -> Tubelets:
        """Some of them: `chosen` is a mask bool (D,), or their positions."""
        return Tubelets(*(values[chosen] for values in vars(self).values()))

    def ordered(self) -> Tubelets:
        """The same, by label, start, score from the best on, and boxes: results must not depend on
        the order in which equal scores come."""
        keys = (*self.boxes.reshape(len(self.boxes), -1).T[::-1], -self.score)
        return self.at(np.lexsort((*keys, self.start, self.label)))


def probabilities(heads: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The heads (N, A, H, W), float32, with `hm` after the sigmoid; the network's are logits."""
    return {name: (v.sigmoid() if name == "hm" else v).float() for name, v in heads.items()}


def with_mirrored(
    heads: Mapping[str, Tensor], mirrored: Mapping[str, Tensor], released: bool = False
) -> dict[str, Tensor]:
    """The flip test: the mean of the heads and those of the mirrored clip, float32 (N, A, H, W).

    Both after `probabilities`. hm and wh are turned back and averaged. So is mov: a centre c in
    cells is W - c in the mirrored map, and its key cell i is W - 1 - i, so that its movement in x
    is 1 minus that of the clip. `released`: mov is the clip's alone, as in MOC-Detector.
    """
    back = {name: mirrored[name].flip(-1) for name in heads}
    if released:
        back["mov"] = heads["mov"]
    else:
        across = torch.arange(heads["mov"].shape[1], device=back["mov"].device) % 2 == 0
        back["mov"] = torch.where(across[:, None, None], 1 - back["mov"], back["mov"])
    return {name: (heads[name] + back[name]) / 2 for name in heads}


def fused(
    rgb: Mapping[str, Tensor], flow: Mapping[str, Tensor], hm: float, mov: float = 0.8,
    wh: float = 0.8,
) -> dict[str, Tensor]:  # fmt: skip
    """The heads of two streams, float32 (N, A, H, W), weighted: `hm`, `mov`, `wh` are RGB's shares.

    MOC-Detector: hm 0.5 for UCF101-24 and 0.4 for JHMDB.
    """
    shares = {"hm": hm, "mov": mov, "wh": wh}
    return {name: share * rgb[name] + (1 - share) * flow[name] for name, share in shares.items()}


def decode(heads: Mapping[str, Tensor], most: int = MOST) -> Tensor:
    """The best tubelets of each clip, float32 (N, D, 4K + 2), the best first.

    `heads`: after `probabilities`; D = `most`, or the number of cells where there are fewer.
    Columns: x1, y1, x2, y2 of each frame in cells, score, label. A peak is a cell that is the
    largest of its 3 x 3 cells of its class.
    """
    hm, mov, wh = heads["hm"], heads["mov"], heads["wh"]
    width = hm.shape[-1]
    score, label, cell = _peaks(hm, most)
    centres = torch.stack([cell % width, cell // width], dim=-1)[:, :, None]
    moved = centres + _at(mov, cell).unflatten(-1, (-1, 2))
    size = _sizes(wh, _moved_cells(centres, moved, hm.shape[-2:]))
    boxes = torch.cat([moved - size / 2, moved + size / 2], dim=-1).flatten(2)
    return torch.cat([boxes, score[..., None], label[..., None].to(boxes)], dim=-1)


def _peaks(hm: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, labels and cells (y W + x) of the best peaks of all classes, each (N, D)."""
    flat = (hm * (F.max_pool2d(hm, 3, stride=1, padding=1) == hm)).flatten(2)
    most = min(most, flat.shape[-1])
    scores, cells = flat.topk(most)  # per class first: no class is pushed out by the others' zeros
    best, place = scores.flatten(1).topk(most)
    return best, place // most, cells.flatten(1).gather(1, place)


def _at(maps: Tensor, cell: Tensor) -> Tensor:
    """The channels at cells: maps (N, A, H, W), cell (N, D) -> (N, D, A)."""
    flat = maps.flatten(2).transpose(1, 2)
    return flat.gather(1, cell[..., None].expand(-1, -1, flat.shape[-1]))


def _moved_cells(centres: Tensor, moved: Tensor, shape: torch.Size) -> Tensor:
    """Cells (N, D, K) at which sizes are read: where the centre moved to, in the key frame the
    peak itself; truncated, and clamped as a flat index, as MOC-Detector has it."""
    at = moved.clone()
    at[:, :, at.shape[2] // 2] = centres[:, :, 0].to(at)
    whole = at.long()
    return (whole[..., 0] + whole[..., 1] * shape[1]).clamp(0, shape[0] * shape[1] - 1)


def _sizes(wh: Tensor, cells: Tensor) -> Tensor:
    """Width and height (N, D, K, 2), of each frame at its own cell (N, D, K)."""
    frames = wh.unflatten(1, (-1, 2)).flatten(3)  # (N, K, 2, H W)
    index = cells.permute(0, 2, 1)[:, :, None].expand(-1, -1, 2, -1)
    return frames.gather(3, index).permute(0, 3, 1, 2)


def to_tubelets(
    detections: Tensor | np.ndarray, start: int, cells: tuple[int, int], picture: tuple[int, int]
) -> Tubelets:
    """The tubelets of one clip, float32 (D, 4K + 2) as `decode` gives them, in pixels, clamped.

    `start`: first frame of the clip, from 0; `cells` and `picture`: height and width of the map and
    of the video's picture.
    """
    rows = torch.as_tensor(detections).float().cpu().numpy()
    (map_height, map_width), (height, width) = cells, picture
    factor = np.array([width / map_width, height / map_height] * 2, np.float32)
    most = np.array([width - 1, height - 1] * 2, np.float32)
    boxes = (rows[:, :-2].reshape(len(rows), -1, 4) * factor).clip(0, most)
    return Tubelets(
        start=np.full(len(rows), start, np.int32),
        boxes=boxes,
        score=rows[:, -2],
        label=rows[:, -1].astype(np.int32),
    )
