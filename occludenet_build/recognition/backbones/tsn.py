"""TSN: Wang et al., "Temporal Segment Networks", ECCV 2016, as action-recognition-pytorch has it.

A 2-D network sees every frame, and the logits of the frames are averaged (Chen et al., "Deep
Analysis of CNN-based Spatio-temporal Representations", CVPR 2021, section 3). The networks are
torchvision's resnet and googlenet: so are the names and shapes. With a temporal stride, the frames
are pooled over time three times.
"""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models.googlenet import GoogLeNet
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from occludenet_build.recognition.backbones.frames2d import (
    FrameAverage,
    as_frames,
    pooled_over_time,
)
from occludenet_build.recognition.backbones.inception3d import BLOCKS as INCEPTIONS
from occludenet_build.recognition.backbones.resnet3d import BLOCKS


class TSNResNet(ResNet):
    """Clips (N, 3, T, H, W) or (N, 3T, H, W) -> logits (N, classes)."""

    blocks: tuple[type[BasicBlock], type[Bottleneck]] = (BasicBlock, Bottleneck)
    """The residual blocks of networks up to depth 34, and of deeper ones."""

    def __init__(
        self,
        classes: int,
        depth: int = 50,
        *,
        temporal_stride: bool = False,
        pooling: str = "max",
        dropout: float = 0.5,
    ) -> None:
        """`pooling`: max or avg, of the pools over time."""
        super().__init__(self.blocks[depth >= 50], list(BLOCKS[depth]), classes)
        self.temporal_stride, self.pooling = temporal_stride, pooling
        self.features = FrameAverage()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, T, H, W) or (N, 3T, H, W) -> logits float32 (N, classes)."""
        x, frames = as_frames(x)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number, layer in enumerate((self.layer1, self.layer2, self.layer3, self.layer4)):
            if number and self.temporal_stride:
                x, frames = pooled_over_time(x, frames, self.pooling)
            x = self.through(layer, x, frames)
        return self.features.logits(x, frames, self.dropout, self.fc)

    def through(self, layer: nn.Sequential, x: Tensor, frames: int) -> Tensor:
        """Frames float32 (M, C, H, W), M = N t, through a stage; `frames`: t."""
        return layer(x)


class TSNInception(GoogLeNet):
    """Inception-V1 on clips (N, 3, T, H, W) or (N, 3T, H, W) -> logits (N, classes)."""

    def __init__(
        self,
        classes: int,
        *,
        temporal_stride: bool = False,
        pooling: str = "max",
        dropout: float = 0.5,
    ) -> None:
        """`pooling`: max or avg, of the pools over time. Weights start as torch starts them."""
        super().__init__(classes, aux_logits=False, init_weights=False, dropout=dropout)
        self.temporal_stride, self.pooling = temporal_stride, pooling
        self.features = FrameAverage()

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, T, H, W) or (N, 3T, H, W) -> logits float32 (N, classes)."""
        x, frames = as_frames(x)
        for part in ("1", "2", "3", *INCEPTIONS):
            if part in POOL_BEFORE:
                x = self.get_submodule(POOL_BEFORE[part])(x)
            if part in TIME_POOL_BEFORE and self.temporal_stride:
                x, frames = pooled_over_time(x, frames, self.pooling)
            name = f"conv{part}" if part.isdigit() else f"inception{part}"
            x = self.blended(part, self.get_submodule(name)(x), frames)
        return self.features.logits(x, frames, self.dropout, self.fc)

    def blended(self, part: str, x: Tensor, frames: int) -> Tensor:
        """The output float32 (M, C, H, W), M = N t, of a part, such as "3a", as the next part
        sees it; `frames`: t."""
        return x


POOL_BEFORE = {"2": "maxpool1", "3a": "maxpool2", "4a": "maxpool3", "5a": "maxpool4"}
"""The pool of torchvision's googlenet before a convolution or block."""
TIME_POOL_BEFORE = ("3a", "4a", "5a")
"""Where frames are pooled over time, with a temporal stride."""
