"""TAM: Fan et al., "More Is Less: Learning Efficient Video Representations", NeurIPS 2019.

Section 3.2, depthwise temporal aggregation: a channel of a frame is blended with the same channel
of the frames before and after, each with a weight of its own. Names and shapes are those of
action-recognition-pytorch: in ResNets it is the start of every residual branch, in Inception-V1 it
follows every convolution of the stem and every block.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from occludenet_build.recognition.backbones.inception3d import BLOCKS
from occludenet_build.recognition.backbones.tsn import TSNInception, TSNResNet


class TAM(nn.Module):
    """relu(previous w_p + current w_c + next w_n), channel by channel; zeros beyond the ends."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.prev_se = ChannelWeight(channels)
        self.next_se = ChannelWeight(channels)
        self.curr_se = ChannelWeight(channels)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """float32 (M, C, H, W), M = N t -> the same shape; `frames`: t."""
        clips = x.unflatten(0, (-1, frames))
        before = F.pad(clips[:, :-1], (0, 0, 0, 0, 0, 0, 1, 0)).flatten(0, 1)
        after = F.pad(clips[:, 1:], (0, 0, 0, 0, 0, 0, 0, 1)).flatten(0, 1)
        return F.relu(self.prev_se(before) + self.curr_se(x) + self.next_se(after))


class ChannelWeight(nn.Module):
    """A weight per channel, (C, 1, 1, 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels, 1, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, C, H, W) -> the same shape."""
        return self.fc1(x)


class TAMBasicBlock(BasicBlock):
    """A basic block with TAM on its branch; the shortcut is not blended."""

    def __init__(self, inplanes: int, *args: Any, **more: Any) -> None:
        super().__init__(inplanes, *args, **more)
        self.tam = TAM(inplanes)

    def forward(self, x: Tensor, frames: int) -> Tensor:  # type: ignore[override]
        """float32 (M, C, H, W) -> (M, C', H', W'), M = N t; `frames`: t."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(self.tam(x, frames))))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)


class TAMBottleneck(Bottleneck):
    """A bottleneck block with TAM on its branch; the shortcut is not blended."""

    def __init__(self, inplanes: int, *args: Any, **more: Any) -> None:
        super().__init__(inplanes, *args, **more)
        self.tam = TAM(inplanes)

    def forward(self, x: Tensor, frames: int) -> Tensor:  # type: ignore[override]
        """float32 (M, C, H, W) -> (M, C', H', W'), M = N t; `frames`: t."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(self.tam(x, frames))))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + shortcut)


class TAMResNet(TSNResNet):
    """Clips (N, 3, T, H, W) or (N, 3T, H, W) -> logits (N, classes)."""

    blocks = (TAMBasicBlock, TAMBottleneck)

    def through(self, layer: nn.Sequential, x: Tensor, frames: int) -> Tensor:
        """Frames float32 (M, C, H, W), M = N t, through the blocks of a stage; `frames`: t."""
        for block in layer:
            x = block(x, frames)
        return x


class TAMInception(TSNInception):
    """Inception-V1 with TAM: (N, 3, T, H, W) or (N, 3T, H, W) -> logits (N, classes)."""

    def __init__(self, classes: int, **options: Any) -> None:
        super().__init__(classes, **options)
        for part, channels in zip(("1", "2", "3", *BLOCKS), WIDTHS, strict=True):
            self.add_module(f"tam{part}", TAM(channels))

    def blended(self, part: str, x: Tensor, frames: int) -> Tensor:
        """The output float32 (M, C, H, W), M = N t, of a part, blended with that of neighbouring
        frames; `frames`: t."""
        return self.get_submodule(f"tam{part}")(x, frames)


WIDTHS = (64, 64, *(before for before, *_ in BLOCKS.values()), 1024)
"""Channels of Inception-V1 after the three convolutions and the nine blocks."""
