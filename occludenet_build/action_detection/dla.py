"""DLA-34 with upsampling: Yu et al., "Deep Layer Aggregation", CVPR 2018, as CenterNet uses it.

Zhou et al., "Objects as Points", 2019, section 5 and figure 6: the trunk's maps of 1/4 to 1/32 are
merged in steps (`dla_up`), then the merged ones of 1/4, 1/8 and 1/16 once more (`ida_up`). Names
and shapes are those of CenterNet's and MOC's checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from occludenet_build.action_detection.deformable import DeformableConv, fill_bilinear

CHANNELS = (16, 32, 64, 128, 256, 512)
"""Of the trunk's levels 0 to 5, whose maps are of 1, 1/2, ... 1/32 of the picture's sides."""
FIRST, LAST = 2, 5
"""Levels whose merged maps the output is made of: FIRST, ... LAST - 1."""


class DLA34(nn.Module):
    """Pictures float32 (N, channels, H, W) -> features float32 (N, 64, H / 4, W / 4).

    H and W are multiples of 32.
    """

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.base = Trunk(channels)
        self.dla_up = PyramidUp(CHANNELS[FIRST:])
        self.ida_up = MergeUp(CHANNELS[FIRST], CHANNELS[FIRST:LAST], (1, 2, 4))

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, channels, H, W) -> float32 (N, 64, H / 4, W / 4)."""
        merged = self.dla_up(self.base(x)[FIRST:])
        return self.ida_up(merged[: LAST - FIRST])[-1]


class Trunk(nn.Module):
    """DLA-34 without its classifier."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        c = CHANNELS
        self.base_layer = _normed(channels, c[0], kernel=7)
        self.level0 = _normed(c[0], c[0])
        self.level1 = _normed(c[0], c[1], stride=2)
        self.level2 = Tree(1, c[1], c[2], 2)
        self.level3 = Tree(2, c[2], c[3], 2, keeps_input=True)
        self.level4 = Tree(2, c[3], c[4], 2, keeps_input=True)
        self.level5 = Tree(1, c[4], c[5], 2, keeps_input=True)

    def forward(self, x: Tensor) -> list[Tensor]:
        """float32 (N, channels, H, W) -> the maps of levels 0 to 5."""
        x, maps = self.base_layer(x), []
        for level in (self.level0, self.level1, self.level2, self.level3, self.level4, self.level5):
            x = level(x)
            maps.append(x)
        return maps


class Tree(nn.Module):
    """Hierarchical aggregation: two subtrees and a root that joins what they and others made.

    `levels` 1: the subtrees are residual blocks, and the root sees both and the `extra` maps from
    outside; otherwise they are trees, and the root of the second sees all. `keeps_input`: the root
    sees the input too.
    """

    def __init__(
        self,
        levels: int,
        before: int,
        after: int,
        stride: int = 1,
        *,
        keeps_input: bool = False,
        extra: int = 0,
    ) -> None:
        """`extra`: channels in all of the maps from outside."""
        super().__init__()
        self.levels, self.stride, self.keeps_input = levels, stride, keeps_input
        extra += before if keeps_input else 0
        if levels == 1:
            self.tree1: nn.Module = Block(before, after, stride)
            self.tree2: nn.Module = Block(after, after, 1)
            self.root = Root(2 * after + extra, after)
        else:
            self.tree1 = Tree(levels - 1, before, after, stride)
            self.tree2 = Tree(levels - 1, after, after, extra=extra + after)
        self.project = _normed(before, after, kernel=1)[:2] if before != after else None
        if self.project is not None and levels > 1:  # in the checkpoints, but nothing sees it
            self.project.requires_grad_(False)

    def forward(self, x: Tensor, others: Sequence[Tensor] = ()) -> Tensor:
        """float32 (N, before, h, w) -> float32 (N, after, h / stride, w / stride)."""
        below = F.max_pool2d(x, self.stride) if self.stride > 1 else x
        others = [*others, below] if self.keeps_input else others
        if self.levels > 1:
            first = self.tree1(x)
            return self.tree2(first, [*others, first])
        first = self.tree1(x, below if self.project is None else self.project(below))
        second = self.tree2(first, first)
        return self.root([second, first, *others])


class Block(nn.Module):
    """Two 3x3 convolutions with a residual connection."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)

    def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
        """float32 (N, before, h, w), and what is added to the output."""
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + shortcut)


class Root(nn.Module):
    """Joins maps of the same size with a 1x1 convolution."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 1, bias=False)
        self.bn = nn.BatchNorm2d(after)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Maps float32 (N, ..., h, w) of `before` channels together -> (N, after, h, w)."""
        return F.relu(self.bn(self.conv(torch.cat(maps, dim=1))))


class PyramidUp(nn.Module):
    """`dla_up`: merges the coarsest two maps, then these and the next finer, to the finest."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.steps = len(channels) - 1
        given = list(channels)
        for step in range(self.steps):
            finest = self.steps - 1 - step
            after = channels[finest]
            # All coarser maps have, after the step before, the channels and size of the finest's.
            factors = (1, *[2] * (step + 1))
            setattr(self, f"ida_{step}", MergeUp(after, given[finest:], factors))
            given[finest + 1 :] = [after] * (step + 1)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps float32 (N, c, h, w) from 1/4 of the sides on -> as many merged ones."""
        maps, merged = list(maps), [maps[-1]]
        for step in range(self.steps):
            finest = self.steps - 1 - step
            maps[finest:] = getattr(self, f"ida_{step}")(maps[finest:])
            merged.insert(0, maps[-1])
        return merged


class MergeUp(nn.Module):
    """Iterative aggregation (IDA): each map is projected, upsampled, added to the one before."""

    def __init__(self, after: int, channels: Sequence[int], factors: Sequence[int]) -> None:
        """`channels`, `factors`: of each map, and its upsampling; those of the first are unused."""
        super().__init__()
        for number, (before, factor) in enumerate(zip(channels, factors, strict=True)):
            if number:
                up = nn.ConvTranspose2d(
                    after, after, 2 * factor, factor, factor // 2, groups=after, bias=False
                )
                fill_bilinear(up)
                setattr(self, f"proj_{number}", DeformableUnit(before, after))
                setattr(self, f"up_{number}", up)
                setattr(self, f"node_{number}", DeformableUnit(after, after))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps float32 (N, c, h, w), the finest first -> as many merged ones of its size."""
        merged = [maps[0]]
        for number, coarse in enumerate(maps[1:], 1):
            part = {name: getattr(self, f"{name}_{number}") for name in ("proj", "up", "node")}
            merged.append(part["node"](part["up"](part["proj"](coarse)) + merged[-1]))
        return merged


class DeformableUnit(nn.Module):
    """Deformable convolution, batch norm, ReLU."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.actf = nn.Sequential(nn.BatchNorm2d(after), nn.ReLU(inplace=True))
        self.conv = DeformableConv(before, after)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, before, h, w) -> float32 (N, after, h, w)."""
        return self.actf(self.conv(x))


def _normed(before: int, after: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )
