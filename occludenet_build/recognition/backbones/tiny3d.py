"""A small 3-D network for the demo and for tests: trains in seconds on two CPU cores.

(N, 3, T, H, W) -> logits (N, classes). Any T; H and W from 16 up. Made for fixed cameras: it sees
how far each frame differs from the median of its frames, so what stands still is gone. From some
hundred clips and from scratch a network on plain colours learns the background and nothing else.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTHS = (8, 16, 32, 64)
GROUPS = 4


class Tiny3DBlock(nn.Sequential):
    """Halves the picture. Group norm: no clip of a batch sees another."""

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
        # The actor is small: the strongest place counts. The mean lets every place learn.
        return self.head(torch.cat([seen.amax(dim=3), seen.mean(dim=3)], dim=1).mean(dim=2))


def moving(x: Tensor) -> Tensor:
    """float32 (N, 3, T, H, W) -> (N, 1, T, H, W):
    distance to the median over time, mean over colours."""
    still = x.median(dim=2, keepdim=True).values
    return 2 * (x - still).abs().mean(dim=1, keepdim=True)
