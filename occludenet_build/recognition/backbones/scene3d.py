"""A small 3-D network that sees the scenery, for the demo, the shortcut benchmark and tests.

(N, 3, T, H, W) -> logits (N, classes). Any T; H and W from 16 up. tiny3d subtracts the median over
time from each frame, so it hardly sees a static background and cannot learn it as a shortcut. This
network has that difference as a fourth channel in addition to the colours, and training decides
which it uses. Batch norm as in X3D: with tiny3d's group norm, training takes several times as long.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from occludenet_build.recognition.backbones.tiny3d import moving

WIDTHS = (8, 16, 32, 64)


class Block(nn.Sequential):
    """Convolution that halves height and width."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            nn.Conv3d(before, after, 3, stride=(1, 2, 2), padding=1, bias=False),
            nn.BatchNorm3d(after),
            nn.ReLU(inplace=True),
        )


class Scene3D(nn.Module):
    """Colours and movement, then four blocks, then maximum and mean over positions."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        widths = (4, *WIDTHS)
        self.blocks = nn.Sequential(*map(Block, widths[:-1], widths[1:]))
        self.head = nn.Linear(2 * WIDTHS[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, T, H, W), normalised -> logits float32 (N, classes)."""
        channels = torch.cat([x, moving(x.mean(dim=1, keepdim=True))], dim=1)
        features = self.blocks(channels).flatten(3)
        return self.head(torch.cat([features.amax(dim=3), features.mean(dim=3)], dim=1).mean(dim=2))
