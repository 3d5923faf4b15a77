"""Layers that both backbones use: the deformable convolution, and bilinear upsampling.

Zhu et al., "Deformable ConvNets v2", CVPR 2019, in the form of CenterNet (Zhou et al., "Objects as
Points", 2019, section 5), with torchvision's operator in place of the CUDA extension, so that it
runs on CPUs. There its backward pass is slow; a training on a CPU takes another way to the same
convolution. `benchmarks/deformable.py` measures both.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
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
        for parameter in self.conv_offset_mask.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, before, h, w) -> float32 (N, after, h, w)."""
        moved = self.conv_offset_mask(x)
        offsets, weights = moved[:, : 2 * TAPS], moved[:, 2 * TAPS :].sigmoid()
        # torchvision's operator wants one dtype, and has no halves on CPUs: under autocast the
        # offsets are halves, of which the places of a large map would not survive the rounding.
        x, offsets, weights = (one.to(self.weight.dtype) for one in (x, offsets, weights))
        given = (x, offsets, self.weight, self.bias, weights)
        if samples(x):  # as torchvision's, it makes its columns again in the backward pass
            return checkpoint(sampled, *given, use_reentrant=False, preserve_rng_state=False)
        return deform_conv2d(*given[:4], padding=KERNEL // 2, mask=weights)


def samples(x: Tensor) -> bool:
    """Whether the convolution of x, float32 of any shape, is made of `sampled`: on a CPU, where
    gradients are wanted."""
    return x.device.type == "cpu" and torch.is_grad_enabled()


def sampled(x: Tensor, offsets: Tensor, weight: Tensor, bias: Tensor, weights: Tensor) -> Tensor:
    """What torchvision's `deform_conv2d` computes for a 3x3 kernel, by bilinear sampling.

    x (N, before, h, w), offsets (N, 18, h, w), weight (after, before, 3, 3), bias (after,),
    weights (N, 9, h, w), all float32 or float64 -> (N, after, h, w).
    """
    height, width = x.shape[2:]
    taps = _count(TAPS, x)
    moved = offsets.unflatten(1, (TAPS, 2))
    rows = moved[:, :, 0] + (taps // KERNEL - 1).view(-1, 1, 1) + _count(height, x).view(-1, 1)
    columns = moved[:, :, 1] + (taps % KERNEL - 1).view(-1, 1, 1) + _count(width, x)
    # The map's edges, half a cell before its first and after its last centre, are at -1 and 1.
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    seen = F.grid_sample(x, grid.flatten(1, 2), align_corners=False)
    seen = seen.unflatten(2, (TAPS, height)) * weights[:, None]
    convolved = weight.flatten(1) @ seen.flatten(1, 2).flatten(2) + bias[:, None]
    return convolved.unflatten(2, (height, width))


def _count(side: int, x: Tensor) -> Tensor:
    return torch.arange(side, device=x.device)


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
