"""Layers that both backbones use: the deformable convolution, and bilinear upsampling.

Zhu et al., "Deformable ConvNets v2", CVPR 2019, in the form of CenterNet (Zhou et al., "Objects as
Points", 2019, section 5), with torchvision's operator in place of the CUDA extension, so that it
runs on CPUs. `benchmarks/deformable.py` measures what it costs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torchvision.ops import deform_conv2d

KERNEL = 3
TAPS = KERNEL * KERNEL


class DeformableConv(nn.Module):
    """3x3 convolution, float32 (N, before, h, w) -> (N, after, h, w), whose taps move.

    A plain convolution says, for each place, the offsets (y, x) of the nine taps in cells and a
    weight 0..1 of each. At first the offsets are 0 and the weights 1/2.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        reach = 1 / math.sqrt(before * TAPS)
        self.weight = nn.Parameter(torch.empty(after, before, KERNEL, KERNEL))
        nn.init.uniform_(self.weight, -reach, reach)
        self.bias = nn.Parameter(torch.zeros(after))
        self.conv_offset_mask = nn.Conv2d(before, 3 * TAPS, KERNEL, padding=KERNEL // 2)
        nn.init.zeros_(self.conv_offset_mask.weight)
        nn.init.zeros_(self.conv_offset_mask.bias)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, before, h, w) -> float32 (N, after, h, w)."""
        moved = self.conv_offset_mask(x)
        offsets, weights = moved[:, : 2 * TAPS], moved[:, 2 * TAPS :].sigmoid()
        # torchvision's operator wants one dtype, and has no halves on CPUs: under autocast the
        # offsets are halves, of which the places of a large map would not survive the rounding.
        x, offsets, weights = (one.to(self.weight.dtype) for one in (x, offsets, weights))
        return deform_conv2d(x, offsets, self.weight, self.bias, padding=KERNEL // 2, mask=weights)


def fill_bilinear(layer: nn.ConvTranspose2d) -> None:
    """Give the kernels [:, 0] of a transposed convolution the weights of bilinear upsampling.

    In a layer with a group per channel these are all its kernels. In the dense ones of the ResNets
    they are those to the first output channel only, as in CenterNet; the others stay random.
    """
    side = layer.weight.shape[-1]
    half = math.ceil(side / 2)
    centre = (2 * half - 1 - half % 2) / (2 * half)
    ramp = 1 - (torch.arange(side) / half - centre).abs()
    with torch.no_grad():
        layer.weight[:, 0] = torch.outer(ramp, ramp)
