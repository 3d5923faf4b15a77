"""A small 3-D network for the demo and for tests: trains in seconds on two CPU cores.

(N, 3, T, H, W) -> logits (N, classes). Any T; H and W from 16 up.
"""

from __future__ import annotations

from torch import Tensor, nn

WIDTHS = (16, 32, 64, 96)
GROUPS = 4


class Block(nn.Module):
    """A convolution in space, one in time, each normalised per clip, around a shortcut.

    Group norm: no clip of a batch sees another, so pairs may be run together or apart.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.space = nn.Conv3d(before, after, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False)
        self.space_norm = nn.GroupNorm(GROUPS, after)
        self.time = nn.Conv3d(after, after, (3, 1, 1), 1, (1, 0, 0), bias=False)
        self.time_norm = nn.GroupNorm(GROUPS, after)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.space_norm(self.space(x)))
        return self.activation(x + self.time_norm(self.time(x)))


class Tiny3D(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        pairs = zip((3, *WIDTHS[:-1]), WIDTHS, strict=True)
        self.blocks = nn.Sequential(*(Block(before, after, 2) for before, after in pairs))
        self.head = nn.Linear(WIDTHS[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x).mean(dim=(2, 3, 4)))
