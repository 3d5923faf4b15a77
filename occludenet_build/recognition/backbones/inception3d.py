"""I3D and S3D on Inception-V1, as action-recognition-pytorch has them.

I3D: Carreira and Zisserman, "Quo Vadis, Action Recognition?", CVPR 2017. S3D: Xie et al.,
"Rethinking Spatiotemporal Feature Learning", ECCV 2018, section 4.2: every k x k x k kernel behind
the stem is split into one over space and one over time, each followed by batch norm and ReLU. The
frame is torchvision's googlenet, whose "5 x 5" branch is 3 x 3. Names and shapes are those of
action-recognition-pytorch; torchvision's s3d is another network.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from occludenet_build.recognition.backbones.frames2d import POOLS

Triple = tuple[int, int, int]

BLOCKS = {
    "3a": (192, 64, (96, 128), (16, 32), 32),
    "3b": (256, 128, (128, 192), (32, 96), 64),
    "4a": (480, 192, (96, 208), (16, 48), 64),
    "4b": (512, 160, (112, 224), (24, 64), 64),
    "4c": (512, 128, (128, 256), (24, 64), 64),
    "4d": (512, 112, (144, 288), (32, 64), 64),
    "4e": (528, 256, (160, 320), (32, 128), 128),
    "5a": (832, 256, (160, 320), (32, 128), 128),
    "5b": (832, 384, (192, 384), (48, 128), 128),
}
"""Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, Table 1: channels before the block,
of the 1 x 1 branch, of the two 3 x 3 branches (between their convolutions, after them), and of the
branch with the pool."""
EPS = 1e-3


class Inception3D(nn.Module):
    """(N, 3, T, H, W) -> logits (N, classes)."""

    def __init__(
        self,
        classes: int,
        *,
        split: bool,
        temporal_stride: bool = False,
        pooling: str = "max",
        dropout: float = 0.5,
    ) -> None:
        """`split`: kernels over space and over time, S3D; else I3D. `pooling`: max or avg, of the
        pools between blocks. `temporal_stride`: T is halved by the last three of them."""
        super().__init__()
        wide = Split if split else Conv
        # S3D's last pool has a kernel of 2: without a temporal stride, T becomes T - 1 there.
        self.last_pool = (2, 0) if split else (3, 1)
        self.time_step = 2 if temporal_stride else 1
        self.pool = POOLS[pooling]
        self.conv1 = Conv(3, 64, (3 if split else 7, 7, 7), (1, 2, 2))
        self.conv2 = Conv(64, 64, (1, 1, 1))
        self.conv3 = wide(64, 192, (3, 3, 3))
        for name, widths in BLOCKS.items():
            self.add_module(f"inception{name}", Block(*widths, wide))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, classes)
        initialise(self, self.fc)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, T, H, W) -> logits float32 (N, classes)."""
        x = self.pool(self.conv1(x), (1, 3, 3), (1, 2, 2), (0, 1, 1))
        x = self.conv3(self.conv2(x))
        for name in BLOCKS:
            if name.endswith("a"):  # the first block of a stage
                kernel, padding = self.last_pool if name == "5a" else (3, 1)
                x = self.pool(x, kernel, (self.time_step, 2, 2), padding)
            x = self.get_submodule(f"inception{name}")(x)
        return self.fc(self.dropout(x.mean(dim=(2, 3, 4))))


def initialise(model: nn.Module, fc: nn.Linear) -> None:
    """The start of action-recognition-pytorch's 3-D networks, in place.

    Kernels: Kaiming's normal, fan out; biases of convolutions as in torch; `fc`: normal, 0.001.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    nn.init.normal_(fc.weight, std=0.001)
    nn.init.zeros_(fc.bias)


class Conv(nn.Module):
    """Convolution without bias, padded to keep the size, batch norm, ReLU."""

    def __init__(self, before: int, after: int, kernel: Triple, stride: Triple = (1, 1, 1)) -> None:
        super().__init__()
        self.conv = nn.Conv3d(before, after, kernel, stride, _half(kernel), bias=False)
        self.bn = nn.BatchNorm3d(after, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, before, T, H, W) -> (N, after, T, H', W')."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Split(Conv):
    """A convolution over space, then one over time with a bias; batch norm and ReLU after each."""

    def __init__(self, before: int, after: int, kernel: Triple) -> None:
        super().__init__(before, after, (1, *kernel[1:]))
        over_time = (kernel[0], 1, 1)
        self.conv_t = nn.Conv3d(after, after, over_time, 1, _half(over_time))
        self.bn_t = nn.BatchNorm3d(after, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, before, T, H, W) -> (N, after, T, H, W)."""
        return F.relu(self.bn_t(self.conv_t(super().forward(x))), inplace=True)


def _half(kernel: Triple) -> Triple:
    return (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)


class Block(nn.Module):
    """Four branches side by side; their outputs are one after the other in the channels."""

    def __init__(
        self,
        before: int,
        single: int,
        second: tuple[int, int],
        third: tuple[int, int],
        pooled: int,
        wide: type[Conv],
    ) -> None:
        super().__init__()
        one, three = (1, 1, 1), (3, 3, 3)
        self.branch1 = Conv(before, single, one)
        self.branch2 = nn.Sequential(Conv(before, second[0], one), wide(*second, three))
        self.branch3 = nn.Sequential(Conv(before, third[0], one), wide(*third, three))
        self.branch4 = nn.Sequential(nn.MaxPool3d(3, 1, 1), Conv(before, pooled, one))

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, before, T, H, W) -> (N, after, T, H, W)."""
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(x) for branch in branches], dim=1)
