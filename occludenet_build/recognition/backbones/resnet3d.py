"""Inflated ResNets: Carreira and Zisserman, "Quo Vadis, Action Recognition?", CVPR 2017.

Section 2.4 inflates 2-D networks; the ResNet forms are of Wang et al., "Non-local Neural
Networks", CVPR 2018, section 4 (I3D-R50: a 3x1x1 kernel in every other block), and of Chen et
al., "Deep Analysis of CNN-based Spatio-temporal Representations", CVPR 2021 (every kernel
3x3x3). Names and shapes are those of mmaction2's checkpoints.
"""

from __future__ import annotations

from collections import OrderedDict

import torch.nn.functional as F
from torch import Tensor, nn

Triple = tuple[int, int, int]

BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
"""Residual blocks of the four stages by depth: He et al., "Deep Residual Learning for Image
Recognition", CVPR 2016, Table 1."""
I3D_R50_INFLATE = ((1, 1, 1), (1, 0, 1, 0), (1, 0, 1, 0, 1, 0), (0, 1, 0))


class ResNet3D(nn.Module):
    """(N, 3, T, H, W) -> logits (N, classes). The defaults are mmaction2's I3D-R50."""

    def __init__(
        self,
        classes: int,
        depth: int = 50,
        *,
        inflate: tuple[tuple[int, ...], ...] | None = I3D_R50_INFLATE,
        inflate_style: str = "3x1x1",
        conv1_kernel: Triple = (5, 7, 7),
        conv1_stride_t: int = 2,
        pool1_stride_t: int = 2,
        with_pool2: bool = True,
        temporal_strides: tuple[int, ...] = (1, 1, 1, 1),
        dropout: float = 0.5,
    ) -> None:
        """`inflate`: for each stage and block whether its kernels span time; None: all do."""
        super().__init__()
        inflate = inflate or tuple((1,) * blocks for blocks in BLOCKS[depth])
        trunk = OrderedDict[str, nn.Module](
            conv1=_normed(3, 64, conv1_kernel, (conv1_stride_t, 2, 2), relu=True),
            maxpool=nn.MaxPool3d((1, 3, 3), (pool1_stride_t, 2, 2), (0, 1, 1)),
        )
        before = 64
        for number, reaching in enumerate(inflate):
            stride = (temporal_strides[number], 2, 2) if number else (1, 1, 1)
            stage = _stage(before, 64 * 2**number, reaching, stride, depth, inflate_style)
            trunk[f"layer{number + 1}"] = stage
            if number == 0 and with_pool2:
                trunk["pool2"] = nn.MaxPool3d((2, 1, 1), (2, 1, 1))
            before = 64 * 2**number * (1 if depth < 50 else 4)
        self.backbone = nn.Sequential(trunk)
        self.dropout = nn.Dropout(dropout)
        fc = nn.Linear(before, classes)
        self.cls_head = nn.Sequential(OrderedDict(fc_cls=fc))
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(fc.weight, std=0.01)
        nn.init.zeros_(fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, T, H, W) -> logits float32 (N, classes)."""
        return self.cls_head(self.dropout(self.backbone(x).mean(dim=(2, 3, 4))))


def _normed(before: int, after: int, kernel: Triple, stride: Triple, relu: bool) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    parts = OrderedDict[str, nn.Module](
        conv=nn.Conv3d(before, after, kernel, stride, padding, bias=False),
        bn=nn.BatchNorm3d(after),
    )
    if relu:
        parts["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(parts)


def _stage(
    before: int, width: int, reaching: tuple[int, ...], stride: Triple, depth: int, style: str
) -> nn.Sequential:
    blocks = []
    for number, reaches in enumerate(reaching):
        steps = (1, 1, 1) if number else stride
        if depth < 50:
            block = ResNetBlock(before, width, steps, _basic(before, width, steps, bool(reaches)))
        else:
            branch = _bottleneck(before, width, steps, style if reaches else "")
            block = ResNetBlock(before, 4 * width, steps, branch)
        blocks.append(block)
        before = width if depth < 50 else 4 * width
    return nn.Sequential(*blocks)


def _basic(before: int, width: int, stride: Triple, reaches: bool) -> list[nn.Sequential]:
    kernel = (3 if reaches else 1, 3, 3)
    return [
        _normed(before, width, kernel, stride, relu=True),
        _normed(width, width, kernel, (1, 1, 1), relu=False),
    ]


def _bottleneck(before: int, width: int, stride: Triple, style: str) -> list[nn.Sequential]:
    """`style`: which kernel spans time, the first (3x1x1), the second (3x3x3) or none ("")."""
    first = (3 if style == "3x1x1" else 1, 1, 1)
    second = (3 if style == "3x3x3" else 1, 3, 3)
    return [
        _normed(before, width, first, (1, 1, 1), relu=True),
        _normed(width, width, second, stride, relu=True),
        _normed(width, 4 * width, (1, 1, 1), (1, 1, 1), relu=False),
    ]


class ResNetBlock(nn.Module):
    """A residual block with a basic or a bottleneck branch."""

    def __init__(
        self, before: int, after: int, stride: Triple, branch: list[nn.Sequential]
    ) -> None:
        super().__init__()
        self.names = [f"conv{number}" for number in range(1, len(branch) + 1)]
        for name, part in zip(self.names, branch, strict=True):
            self.add_module(name, part)
        self.downsample = None
        if stride != (1, 1, 1) or before != after:
            self.downsample = _normed(before, after, (1, 1, 1), stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, before, T, H, W) -> (N, after, T, H, W), H and W divided by the stride."""
        shortcut = x if self.downsample is None else self.downsample(x)
        for name in self.names:
            x = self.get_submodule(name)(x)
        return F.relu(x + shortcut)
