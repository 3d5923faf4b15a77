"""X3D: Feichtenhofer, "X3D: Expanding Architectures for Efficient Video Recognition", CVPR 2020.

Section 3.1 and Table 1: a ResNet whose 3x3x3 convolutions are channelwise, with squeeze and
excitation in every other block (section 3.2). Names and shapes are those of SlowFast's
checkpoints; a stride-2 shortcut has its batch norm also where the widths are equal, unlike in
pytorchvideo's.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import torch.nn.functional as F
from torch import Tensor, nn

BLOCKS = (1, 2, 5, 3)
"""Residual blocks of the four stages, before they are multiplied by `depth_factor`."""


class X3D(nn.Module):
    """(N, 3, T, H, W) -> logits (N, classes). XS, S, M and L differ in input and depth factor."""

    def __init__(
        self,
        classes: int,
        frames: int = 13,
        size: int = 160,
        *,
        width_factor: float = 2.0,
        depth_factor: float = 2.2,
        bottleneck_factor: float = 2.25,
        dim_c1: int = 12,
        dim_c5: int = 2048,
        dropout: float = 0.5,
        shortcut_norm: bool = True,
    ) -> None:
        super().__init__()
        width = int(dim_c1 * width_factor + 0.5)
        self.s1 = nn.Sequential(OrderedDict(pathway0_stem=_stem(width)))
        stages, inner = [], 0
        for blocks, base in zip(BLOCKS, _widths(dim_c1), strict=True):
            out = int(base * width_factor + 0.5)
            inner = int(bottleneck_factor * out)
            count = math.ceil(blocks * depth_factor)
            stages.append(_stage(width, inner, out, count, shortcut_norm))
            width = out
        self.s2, self.s3, self.s4, self.s5 = stages
        pool = (frames, math.ceil(size / 32), math.ceil(size / 32))
        self.head = Head(width, inner, dim_c5, classes, pool, dropout)
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, T, H, W) -> logits float32 (N, classes)."""
        return self.positions(x).mean(dim=1)

    def positions(self, x: Tensor) -> Tensor:
        """Logits float32 (N, P, classes) of a clip float32 (N, 3, T, H, W).

        P > 1 is the number of positions of the head in a clip larger than its own input. SlowFast's
        test averages their softmax.
        """
        for stage in (self.s1, self.s2, self.s3, self.s4, self.s5):
            x = stage(x)
        return self.head(x)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, Bottleneck):
                nn.init.zeros_(module.c_bn.weight)  # every block starts as its shortcut
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)


def _widths(dim_c1: int) -> list[int]:
    """Widths of the four stages: each is twice the previous one, rounded to multiples of 8."""
    widths = [dim_c1]
    for _ in BLOCKS[1:]:
        widths.append(round_width(2 * widths[-1]))
    return widths


def round_width(width: float, divisor: int = 8) -> int:
    """Round to the nearest multiple of `divisor`, or up where that is more than a tenth less.

    >>> round_width(54 / 16), round_width(24), round_width(27), round_width(12)
    (8, 24, 32, 16)
    """
    near = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return near + divisor if near < 0.9 * width else near


def _stem(width: int) -> nn.Sequential:
    """A convolution over space, then a channelwise one over time."""
    return nn.Sequential(
        OrderedDict(
            conv_xy=nn.Conv3d(3, width, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False),
            conv=nn.Conv3d(width, width, (5, 1, 1), 1, (2, 0, 0), groups=width, bias=False),
            bn=nn.BatchNorm3d(width),
            relu=nn.ReLU(inplace=True),
        )
    )


def _stage(before: int, inner: int, after: int, blocks: int, shortcut_norm: bool) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            (
                f"pathway0_res{number}",
                Residual(
                    after if number else before,
                    inner,
                    after,
                    stride=1 if number else 2,
                    squeeze=number % 2 == 0,
                    shortcut_norm=shortcut_norm or before != after,
                ),
            )
            for number in range(blocks)
        )
    )


class Residual(nn.Module):
    """A residual block."""

    def __init__(
        self, before: int, inner: int, after: int, stride: int, squeeze: bool, shortcut_norm: bool
    ) -> None:
        super().__init__()
        self.branch1 = self.branch1_bn = None
        if stride != 1 or before != after:
            self.branch1 = nn.Conv3d(before, after, 1, (1, stride, stride), bias=False)
            self.branch1_bn = nn.BatchNorm3d(after) if shortcut_norm else None
        self.branch2 = Bottleneck(before, inner, after, stride, squeeze)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, before, T, H, W) -> (N, after, T, H, W), H and W divided by the stride."""
        shortcut = x if self.branch1 is None else self.branch1(x)
        if self.branch1_bn is not None:
            shortcut = self.branch1_bn(shortcut)
        return F.relu(shortcut + self.branch2(x))


class Bottleneck(nn.Module):
    """The branch of a residual block."""

    def __init__(self, before: int, inner: int, after: int, stride: int, squeeze: bool) -> None:
        super().__init__()
        self.a = nn.Conv3d(before, inner, 1, bias=False)
        self.a_bn = nn.BatchNorm3d(inner)
        steps = (1, stride, stride)
        self.b = nn.Conv3d(inner, inner, 3, steps, 1, groups=inner, bias=False)
        self.b_bn = nn.BatchNorm3d(inner)
        self.se = SqueezeExcite(inner) if squeeze else nn.Identity()
        self.c = nn.Conv3d(inner, after, 1, bias=False)
        self.c_bn = nn.BatchNorm3d(after)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, before, T, H, W) -> (N, after, T, H, W), H and W divided by the stride."""
        x = F.relu(self.a_bn(self.a(x)))
        x = F.silu(self.se(self.b_bn(self.b(x))))
        return self.c_bn(self.c(x))


class SqueezeExcite(nn.Module):
    """Squeeze and excitation: weights channels by their mean over the clip; ratio 1/16."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = round_width(width / 16)
        self.fc1 = nn.Conv3d(width, inner, 1)
        self.fc2 = nn.Conv3d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, C, T, H, W) -> the same shape."""
        whole = x.mean(dim=(2, 3, 4), keepdim=True)
        return x * self.fc2(F.relu(self.fc1(whole))).sigmoid()


class Head(nn.Module):
    """(N, C, T, H, W) -> logits (N, P, classes): the pooling window slides with stride 1."""

    def __init__(
        self,
        before: int,
        inner: int,
        width: int,
        classes: int,
        pool: tuple[int, int, int],
        dropout: float,
    ) -> None:
        super().__init__()
        self.conv_5 = nn.Conv3d(before, inner, 1, bias=False)
        self.conv_5_bn = nn.BatchNorm3d(inner)
        self.lin_5 = nn.Conv3d(inner, width, 1, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(width, classes)
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, C, T, H, W) -> logits float32 (N, P, classes), P positions of the window."""
        x = F.relu(self.conv_5_bn(self.conv_5(x)))
        window = [min(pool, side) for pool, side in zip(self.pool, x.shape[2:], strict=True)]
        x = F.relu(self.lin_5(F.avg_pool3d(x, window, stride=1)))
        return self.projection(self.dropout(x.flatten(2).transpose(1, 2)))
