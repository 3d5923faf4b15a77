"""UniFormerV2: Li et al., "UniFormerV2: Spatiotemporal Learning by Arming Image ViTs", 2022.

Section 3: CLIP's ViT over single frames with local MHRA over time in its blocks (3.2; the
Kinetics models have none), and global blocks that gather the last of its layers into one video
token (3.3), fused with the mean class token (3.4). Names and shapes are those of the official
checkpoints, with their prefix `backbone.`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from occludenet_build.recognition.backbones.spec import drop_rates, zero_parameters


class UniFormerV2(nn.Module):
    """(N, 3, T, H, W) -> logits (N, classes); any T, H = W = `size`. The defaults are B/16.

    L/14: patch 14, width 1024, layers 24, heads 16, return_list 20 to 23.
    """

    def __init__(
        self,
        classes: int,
        size: int = 224,
        *,
        patch: int = 16,
        width: int = 768,
        layers: int = 12,
        heads: int = 12,
        return_list: Sequence[int] = (8, 9, 10, 11),
        mlp_factor: float = 4.0,
        no_lmhra: bool = True,
        double_lmhra: bool = False,
        dw_reduction: float = 1.5,
        temporal_downsample: bool = False,
        backbone_drop_path: float = 0.0,
        drop_path: float = 0.0,
        mlp_dropout: float = 0.5,
        cls_dropout: float = 0.5,
        frozen: bool = False,
    ) -> None:
        """`frozen`: only the global blocks and the head are trained; CLIP's token is not fused."""
        super().__init__()
        local = 0 if no_lmhra else 2 if double_lmhra else 1
        rates = drop_rates(backbone_drop_path, layers)
        blocks = [ResidualAttention(width, heads, local, dw_reduction, rate) for rate in rates]
        rates = drop_rates(drop_path, len(return_list))
        extractors = [Extractor(width, heads, mlp_factor, mlp_dropout, rate) for rate in rates]
        fusion = Transformer(blocks, extractors, return_list, classes, cls_dropout, not frozen)
        self.backbone = Vision(size, patch, width, temporal_downsample, fusion)
        if frozen:
            learning = [module for module in fusion.children() if module is not fusion.resblocks]
            self.backbone.requires_grad_(False)
            for module in learning:
                module.requires_grad_(True)
            fusion.temporal_cls_token.requires_grad_(True)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, T, H, W) -> logits float32 (N, classes).

        Raises ValueError for clips of another size.
        """
        return self.backbone(x)


class Vision(nn.Module):
    """Patch embedding of single frames with positions; `downsample` halves the frame rate."""

    def __init__(
        self, size: int, patch: int, width: int, downsample: bool, transformer: Transformer
    ) -> None:
        super().__init__()
        depth = 3 if downsample else 1
        self.conv1 = nn.Conv3d(
            3,
            width,
            (depth, patch, patch),
            (2 if downsample else 1, patch, patch),
            (depth // 2, 0, 0),
            bias=False,
        )
        places = (size // patch) ** 2 + 1
        self.class_embedding = nn.Parameter(width**-0.5 * torch.randn(width))
        self.positional_embedding = nn.Parameter(width**-0.5 * torch.randn(places, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = transformer

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, T, H, W) -> logits float32 (N, classes).

        Raises ValueError for clips of another size.
        """
        patches = self.conv1(x)
        grid = patches.shape[2:]
        tokens = patches.flatten(3).permute(0, 2, 3, 1).flatten(0, 1)  # (N T, H W, width)
        if tokens.shape[1] + 1 != len(self.positional_embedding):
            raise ValueError(
                f"wanted frames of {len(self.positional_embedding) - 1} patches, got "
                f"{tokens.shape[1]}; build it for this size"
            )
        first = self.class_embedding.to(tokens.dtype).expand(len(tokens), 1, -1)
        tokens = torch.cat([first, tokens], dim=1) + self.positional_embedding.to(tokens.dtype)
        return self.transformer(self.ln_pre(tokens), tuple(grid))


class Transformer(nn.Module):
    """CLIP's blocks, the global blocks that read them, and the head."""

    def __init__(
        self,
        blocks: list[ResidualAttention],
        extractors: list[Extractor],
        return_list: Sequence[int],
        classes: int,
        dropout: float,
        fused: bool,
    ) -> None:
        super().__init__()
        width = blocks[0].ln_1.weight.shape[0]
        self.return_list = tuple(return_list)
        self.resblocks = nn.ModuleList(blocks)
        self.temporal_cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.dpe = nn.ModuleList(
            nn.Conv3d(width, width, 3, padding=1, groups=width) for _ in extractors
        )
        self.dec = nn.ModuleList(extractors)
        for conv in self.dpe:
            nn.init.zeros_(conv.get_parameter("bias"))
        self.proj = nn.Sequential(
            nn.LayerNorm(width), nn.Dropout(dropout), nn.Linear(width, classes)
        )
        self.balance = nn.Parameter(torch.zeros(width)) if fused else None

    def forward(self, x: Tensor, grid: tuple[int, ...]) -> Tensor:
        """float32 (N T, 1 + H W, width) and (T, H, W) -> logits (N, classes)."""
        video = self.temporal_cls_token.expand(len(x) // grid[0], -1, -1)
        for number, block in enumerate(self.resblocks):
            x = block(x, grid)
            if number in self.return_list:
                place = self.return_list.index(number)
                seen = add_local(x, grid, self.dpe[place])
                video = self.dec[place](video, seen.unflatten(0, (-1, grid[0])).flatten(1, 2))
        video = video[:, 0]
        if self.balance is not None:
            weight = self.balance.sigmoid()
            frames = x[:, 0].unflatten(0, (-1, grid[0])).mean(dim=1)
            video = (1 - weight) * video + weight * frames
        return self.proj(video)


def add_local(x: Tensor, grid: tuple[int, ...], local: nn.Module) -> Tensor:
    """Tokens float32 (N, L, width), with the output of `local` added to the patches.

    `local` sees the patches as float32 (N, width, T, H, W); class tokens stay unchanged.
    """
    first, patches = x[:, :1], x[:, 1:]
    video = patches.unflatten(0, (-1, grid[0])).flatten(1, 2).transpose(1, 2).unflatten(2, grid)
    more = local(video).flatten(2).transpose(1, 2).unflatten(1, (grid[0], -1)).flatten(0, 1)
    return torch.cat([first, patches + more], dim=1)


class QuickGELU(nn.Module):
    """The approximation of GELU that CLIP was trained with."""

    def forward(self, x: Tensor) -> Tensor:
        """float32 of any shape -> the same shape."""
        return x * torch.sigmoid(1.702 * x)


def _mlp(width: int, factor: float, dropout: float) -> nn.Sequential:
    inner = round(factor * width)
    return nn.Sequential(
        OrderedDict(
            c_fc=nn.Linear(width, inner),
            gelu=QuickGELU(),
            dropout=nn.Dropout(dropout),
            c_proj=nn.Linear(inner, width),
        )
    )


class ResidualAttention(nn.Module):
    """A block of CLIP's ViT, with 0, 1 or 2 local units over time."""

    def __init__(
        self, width: int, heads: int, local: int, reduction: float, drop_path: float
    ) -> None:
        super().__init__()
        self.lmhra1 = LocalMHRA(width, reduction) if local > 0 else None
        self.lmhra2 = LocalMHRA(width, reduction) if local > 1 else None
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = _mlp(width, 4.0, 0.0)
        self.ln_2 = nn.LayerNorm(width)
        self.drop_path = StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor, grid: tuple[int, ...]) -> Tensor:
        """Tokens float32 (N, L, width) of N frames of `grid` (T, H, W) -> the same shape."""
        x = self._local(x, grid, self.lmhra1)
        y = self.ln_1(x)
        x = x + self.drop_path(self.attn(y, y, y, need_weights=False)[0])
        x = self._local(x, grid, self.lmhra2)
        return x + self.drop_path(self.mlp(self.ln_2(x)))

    def _local(self, x: Tensor, grid: tuple[int, ...], unit: nn.Module | None) -> Tensor:
        return x if unit is None else add_local(x, grid, nn.Sequential(unit, self.drop_path))


class LocalMHRA(nn.Module):
    """A local unit: channelwise convolution over time between two pointwise ones."""

    def __init__(self, width: int, reduction: float) -> None:
        super().__init__()
        inner = int(width // reduction)
        self.pos_embed = nn.Sequential(
            nn.BatchNorm3d(width),
            nn.Conv3d(width, inner, 1),
            nn.Conv3d(inner, inner, (3, 1, 1), padding=(1, 0, 0), groups=inner),
            nn.Conv3d(inner, width, 1),
        )
        zero_parameters(self.pos_embed[3])

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, width, T, H, W) -> the same shape."""
        return self.pos_embed(x)


class Extractor(nn.Module):
    """A global block: cross attention from the video token to all tokens of a layer."""

    def __init__(
        self, width: int, heads: int, mlp_factor: float, dropout: float, drop_path: float
    ) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1, self.ln_2, self.ln_3 = (nn.LayerNorm(width) for _ in range(3))
        self.mlp = _mlp(width, mlp_factor, dropout)
        self.drop_path = StochasticDepth(drop_path, "row")
        zero_parameters(self.attn.out_proj)
        zero_parameters(self.mlp.get_submodule("c_proj"))

    def forward(self, video: Tensor, tokens: Tensor) -> Tensor:
        """Video token float32 (N, 1, width), tokens float32 (N, L, width) -> (N, 1, width)."""
        keys = self.ln_3(tokens)
        attended = self.attn(self.ln_1(video), keys, keys, need_weights=False)[0]
        video = video + self.drop_path(attended)
        return video + self.drop_path(self.mlp(self.ln_2(video)))
