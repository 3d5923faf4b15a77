"""S3D on ResNets: Xie et al., "Rethinking Spatiotemporal Feature Learning", ECCV 2018.

Every 3 x 3 x 3 kernel behind the stem is one over space and one over time, with batch norm and ReLU
between them and the same width (section 4.2), in the blocks of He et al., "Deep Residual Learning
for Image Recognition", CVPR 2016. It is the nearest that action-recognition-pytorch has to R(2+1)D,
whose middle width matches the parameters of the 3-D network. Names and shapes are that project's.
"""

from __future__ import annotations

from torch import Tensor, nn

from occludenet_build.recognition.backbones.inception3d import initialise
from occludenet_build.recognition.backbones.resnet3d import BLOCKS


class S3DResNet(nn.Module):
    """(N, 3, T, H, W) -> logits (N, classes)."""

    def __init__(
        self, classes: int, depth: int = 50, *, temporal_stride: bool = False, dropout: float = 0.5
    ) -> None:
        """`temporal_stride`: T is halved at the start of the last three stages."""
        super().__init__()
        self.conv1 = nn.Conv3d(3, 64, (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False)
        self.bn1 = nn.BatchNorm3d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        before = 64
        for number, count in enumerate(BLOCKS[depth]):
            blocks = []
            for first in (True, *[False] * (count - 1)):
                steps = (2 if temporal_stride else 1, 2) if first and number else (1, 1)
                blocks.append(_Block(before, 64 * 2**number, steps, bottleneck=depth >= 50))
                before = blocks[-1].width
            self.add_module(f"layer{number + 1}", nn.Sequential(*blocks))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(before, classes)
        initialise(self, self.fc)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, T, H, W) -> logits float32 (N, classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
        return self.fc(self.dropout(x.mean(dim=(2, 3, 4))))


class _Block(nn.Module):
    """A residual block: two split convolutions, or in a bottleneck 1 x 1, split, 1 x 1."""

    def __init__(
        self, before: int, inner: int, steps: tuple[int, int], *, bottleneck: bool
    ) -> None:
        """`steps`: stride in time and in space."""
        super().__init__()
        self.width = inner * (4 if bottleneck else 1)
        self.parts: list[str] = []
        if bottleneck:
            self._add("1", before, inner, (1, 1, 1))
            self._add_split("2", inner, inner, steps)
            self._add("3", inner, self.width, (1, 1, 1))
        else:
            self._add_split("1", before, inner, steps)
            self._add_split("2", inner, inner, (1, 1))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if steps != (1, 1) or before != self.width:
            stride = (steps[0], steps[1], steps[1])
            conv = nn.Conv3d(before, self.width, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm3d(self.width))

    def _add_split(self, name: str, before: int, after: int, steps: tuple[int, int]) -> None:
        self._add(name, before, after, (1, 3, 3), (1, steps[1], steps[1]))
        self._add(f"{name}_t", after, after, (3, 1, 1), (steps[0], 1, 1))

    def _add(
        self,
        name: str,
        before: int,
        after: int,
        kernel: tuple[int, int, int],
        stride: tuple[int, int, int] = (1, 1, 1),
    ) -> None:
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        conv = nn.Conv3d(before, after, kernel, stride, padding, bias=False)
        self.add_module(f"conv{name}", conv)
        self.add_module(f"bn{name}", nn.BatchNorm3d(after))
        self.parts.append(name)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, before, T, H, W) -> (N, width, T / step, H / step, W / step)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        for name in self.parts:
            x = self.get_submodule(f"bn{name}")(self.get_submodule(f"conv{name}")(x))
            x = self.relu(x if name != self.parts[-1] else x + shortcut)
        return x
