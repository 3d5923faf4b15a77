"""ResNets with three upsampling steps of a deformable and a transposed convolution.

Xiao et al., "Simple Baselines for Human Pose Estimation", ECCV 2018, with CenterNet's deformable
convolutions (Zhou et al., "Objects as Points", 2019, section 5, Res-DCN). The trunk is
torchvision's; names and shapes are those of MOC's checkpoints.
"""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from occludenet_build.action_detection.deformable import DeformableConv, fill_bilinear

DEPTHS: dict[int, tuple[type[BasicBlock | Bottleneck], list[int]]] = {
    18: (BasicBlock, [2, 2, 2, 2]),
    34: (BasicBlock, [3, 4, 6, 3]),
    50: (Bottleneck, [3, 4, 6, 3]),
    101: (Bottleneck, [3, 4, 23, 3]),
    152: (Bottleneck, [3, 8, 36, 3]),
}
WIDTHS = (256, 128, 64)
"""Channels after each upsampling step."""


class DeconvResNet(ResNet):
    """Pictures float32 (N, channels, H, W) -> features float32 (N, 64, H / 4, W / 4).

    H and W are multiples of 32.
    """

    def __init__(self, depth: int, channels: int = 3) -> None:
        super().__init__(*DEPTHS[depth])
        before = self.fc.in_features
        del self.avgpool, self.fc
        if channels != 3:
            self.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        self.deconv_layer = Upsampling(before)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, channels, H, W) -> float32 (N, 64, H / 4, W / 4)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.deconv_layer(x)


class Upsampling(nn.Module):
    """float32 (N, before, h, w) -> float32 (N, 64, 8h, 8w)."""

    def __init__(self, before: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for after in WIDTHS:
            up = nn.ConvTranspose2d(after, after, 4, stride=2, padding=1, bias=False)
            fill_bilinear(up)
            layers += [DeformableConv(before, after), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
            layers += [up, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
            before = after
        self.deconv_layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, before, h, w) -> float32 (N, 64, 8h, 8w)."""
        return self.deconv_layers(x)
