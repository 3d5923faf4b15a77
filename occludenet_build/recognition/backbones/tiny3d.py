"""A small 3-D network for the demo and for tests, which trains in seconds on two CPU cores.

(N, 3, T, H, W) -> logits (N, classes). Any T; H and W from 16 up. It is made for fixed cameras: its
input is the difference of each frame to the median of the frames, which removes everything that
does not move. Trained from scratch on a few hundred clips, a network on plain colours learns the
background only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTHS = (8, 16, 32, 64)
GROUPS = 4


class Tiny3DBlock(nn.Sequential):
    """Halves height and width. Group norm keeps the clips of a batch independent."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            nn.Conv3d(before, after, 3, stride=(1, 2, 2), padding=1, bias=False),
            nn.GroupNorm(GROUPS, after),
            nn.ReLU(inplace=True),
        )


class Tiny3D(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        pairs = zip((1, *WIDTHS[:-1]), WIDTHS, strict=True)
        self.blocks = nn.Sequential(*(Tiny3DBlock(before, after) for before, after in pairs))
        self.head = nn.Linear(2 * WIDTHS[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, T, H, W) -> logits float32 (N, classes)."""
        seen = self.blocks(moving(x)).flatten(3)
        # The maximum finds a small actor; the mean gives every position a gradient.
        return self.head(torch.cat([seen.amax(dim=3), seen.mean(dim=3)], dim=1).mean(dim=2))


def moving(x: Tensor) -> Tensor:
    """float32 (N, 1, T, H, W): distance of a clip float32 (N, 3, T, H, W) to its median over time,
    mean over colours."""
    still = x.median(dim=2, keepdim=True).values
    return 2 * (x - still).abs().mean(dim=1, keepdim=True)
