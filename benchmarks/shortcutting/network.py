"""A small network that sees scenery and movement.

(N, 3, T, H, W) -> logits (N, classes). tiny3d of the demo takes the median over time off each
frame, so it hardly sees what stands still, and a shortcut planted there says nothing of it. Here
that movement is a fourth channel beside the colours: the network may use either, and training
decides. Batch norm, as in X3D: with tiny3d's group norm it learns several times slower.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from occludenet_build.recognition.backbones.tiny3d import moving

WIDTHS = (8, 16, 32, 64)


class Block(nn.Sequential):
    """Halves the picture."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            nn.Conv3d(before, after, 3, stride=(1, 2, 2), padding=1, bias=False),
            nn.BatchNorm3d(after),
            nn.ReLU(inplace=True),
        )


class SceneAndMovement(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        widths = (4, *WIDTHS)
        self.blocks = nn.Sequential(*map(Block, widths[:-1], widths[1:]))
        self.head = nn.Linear(2 * WIDTHS[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([x, moving(x.mean(dim=1, keepdim=True))], dim=1)
        seen = self.blocks(both).flatten(3)
        return self.head(torch.cat([seen.amax(dim=3), seen.mean(dim=3)], dim=1).mean(dim=2))
