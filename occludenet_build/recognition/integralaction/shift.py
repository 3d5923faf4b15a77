"""ResNets with a temporal shift: the backbones of IntegralAction.

Lin, Gan and Han, "TSM: Temporal Shift Module for Efficient Video Understanding", ICCV 2019: before
the residual branch of every block a part of the channels comes from the frame before and as many
from the frame after; the shortcut sees the frame itself. Parameters have torchvision's names.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet

FOLD = 4
"""One channel in so many comes from the frame before, and one from the frame after."""

DEPTHS = {
    18: resnet.resnet18,
    34: resnet.resnet34,
    50: resnet.resnet50,
    101: resnet.resnet101,
    152: resnet.resnet152,
}


def shift(x: Tensor, frames: int) -> Tensor:
    """Exchange channels between neighbouring frames; beyond the ends they are 0.

    x: any dtype (M, C, H, W), M = N T pictures, `frames` T in a row of each clip; the result too.

    >>> x = torch.arange(1.0, 9).reshape(2, 4, 1, 1)  # 2 frames of 4 channels
    >>> shift(x, 2).flatten(1).tolist()
    [[0.0, 6.0, 3.0, 4.0], [1.0, 0.0, 7.0, 8.0]]
    """
    clips = x.unflatten(0, (len(x) // frames, frames))
    part = x.shape[1] // FOLD
    ahead, back, still = clips.split([part, part, x.shape[1] - 2 * part], dim=2)
    no_time = (0, 0, 0, 0, 0, 0)
    from_before = F.pad(ahead[:, :-1], (*no_time, 1, 0))
    from_after = F.pad(back[:, 1:], (*no_time, 0, 1))
    return torch.cat([from_before, from_after, still], dim=2).flatten(0, 1)


class ShiftedResNet(nn.Module):
    """A ResNet of torchvision without its classifier, with a temporal shift in every block."""

    def __init__(self, depth: int = 18) -> None:
        """`depth`: one of DEPTHS. `width`: the number of channels that come out."""
        super().__init__()
        made = DEPTHS[depth]()
        self.width: int = made.fc.in_features
        self.conv1, self.bn1 = made.conv1, made.bn1
        self.relu, self.maxpool = made.relu, made.maxpool
        self.layer1, self.layer2 = made.layer1, made.layer2
        self.layer3, self.layer4 = made.layer3, made.layer4

    def forward(self, x: Tensor, frames: int, stem: bool = True) -> Tensor:
        """float32 (M, 3, H, W), M = N T pictures -> float32 (M, width, H / 32, W / 32).

        `frames`: T. Without `stem` x is (M, 64, H, W), and only the blocks are used, which leave
        H / 8 and W / 8.
        """
        if stem:
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            for block in stage.children():
                x = _shifted_block(block, x, frames)
        return x


def _shifted_block(block: resnet.BasicBlock | resnet.Bottleneck, x: Tensor, frames: int) -> Tensor:
    """torchvision's basic block or bottleneck, whose residual branch sees shifted channels."""
    shortcut = x if block.downsample is None else block.downsample(x)
    last = 3 if isinstance(block, resnet.Bottleneck) else 2
    x = shift(x, frames)
    for number in range(1, last + 1):
        x = block.get_submodule(f"bn{number}")(block.get_submodule(f"conv{number}")(x))
        if number < last:
            x = F.relu(x)
    return F.relu(x + shortcut)
