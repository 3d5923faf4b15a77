"""VideoMAE's classifier: Tong et al., "VideoMAE", NeurIPS 2022, section 3 and appendix A.

A plain ViT over cubes of 2 frames x 16 x 16 px with joint space-time attention, a fixed sine
table of positions and a head on the mean of all cubes. VideoMAE v2 (Wang et al., CVPR 2023) is
the same network. Names and shapes are those of the official fine-tuned checkpoints.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from occludenet_build.recognition.backbones.spec import drop_rates

_Norm = partial(nn.LayerNorm, eps=1e-6)


class VideoMAE(nn.Module):
    """(N, 3, T, H, W) -> logits (N, classes), for `frames` of `size` x `size` px.

    Small, base, large and huge: width 384, 768, 1024, 1280; depth 12, 12, 24, 32; heads 6, 12,
    16, 16.
    """

    positions: Tensor

    def __init__(
        self,
        classes: int,
        frames: int = 16,
        size: int = 224,
        *,
        patch: int = 16,
        tubelet: int = 2,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp_ratio: float = 4.0,
        drop_path: float = 0.0,
        dropout: float = 0.0,
        mean_pooling: bool = True,
    ) -> None:
        """Without `mean_pooling` the head reads the first cube, after `norm` instead of
        `fc_norm`."""
        super().__init__()
        cubes = (frames // tubelet) * (size // patch) ** 2
        self.patch_embed = CubeEmbed(width, (tubelet, patch, patch))
        self.register_buffer("positions", sine_table(cubes, width), persistent=False)
        rates = drop_rates(drop_path, depth)
        self.blocks = nn.ModuleList(ViTBlock(width, heads, mlp_ratio, rate) for rate in rates)
        self.norm = nn.Identity() if mean_pooling else _Norm(width)
        self.fc_norm = _Norm(width) if mean_pooling else None
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, classes)
        self.apply(_initialise)
        with torch.no_grad():
            self.head.weight.mul_(0.001)  # the head starts near 0, as in fine-tuning

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, T, H, W) -> logits float32 (N, classes).

        Raises ValueError for clips of another size.
        """
        x = self.patch_embed(x)
        if x.shape[1] != self.positions.shape[1]:
            raise ValueError(
                f"wanted clips of {self.positions.shape[1]} cubes, got {x.shape[1]}; build it for "
                "these frames and this size"
            )
        x = x + self.positions.to(x.dtype)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        x = x[:, 0] if self.fc_norm is None else self.fc_norm(x.mean(dim=1))
        return self.head(self.dropout(x))


class CubeEmbed(nn.Module):
    """(N, 3, T, H, W) -> (N, cubes, width), time outermost."""

    def __init__(self, width: int, cube: tuple[int, int, int]) -> None:
        super().__init__()
        self.proj = nn.Conv3d(3, width, cube, cube)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, T, H, W) -> float32 (N, L, width), L cubes."""
        return self.proj(x).flatten(2).transpose(1, 2)


class ViTBlock(nn.Module):
    """A block of a ViT: attention and MLP, each with a residual connection."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, drop_path: float) -> None:
        super().__init__()
        self.norm1 = _Norm(width)
        self.attn = JointAttention(width, heads)
        self.norm2 = _Norm(width)
        self.mlp = Mlp(width, int(width * mlp_ratio))
        self.drop_path = StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, L, width) -> the same shape."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class JointAttention(nn.Module):
    """Joint space-time attention. Keys have no bias, since softmax cancels it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, L, width) -> the same shape."""
        bias = torch.cat([self.q_bias, torch.zeros_like(self.v_bias), self.v_bias])
        parts = F.linear(x, self.qkv.weight, bias).unflatten(2, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value)
        return self.proj(seen.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, L, width) -> the same shape."""
        return self.fc2(F.gelu(self.fc1(x)))


def sine_table(positions: int, width: int) -> Tensor:
    """Sine table float32 (1, L, width), L = `positions`: alternately sine and cosine."""
    position = torch.arange(positions, dtype=torch.float64)[:, None]
    pair = torch.arange(width, dtype=torch.float64) // 2
    angle = position / 10000 ** (2 * pair / width)
    even = torch.arange(width) % 2 == 0
    return torch.where(even, angle.sin(), angle.cos()).float()[None]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
