"""VideoMamba: Li et al., "VideoMamba: State Space Model for Efficient Video Understanding", 2024.

Section 3.2: patches of single frames, a class token in front, positions in space and time, and
bidirectional Mamba blocks over all patches of the clip, frame by frame (spatial first). Names
and shapes are those of the official checkpoints. Depth and width of tiny, small and middle: 24
and 192, 24 and 384, 32 and 576.

The selective scan is that of Gu and Dao, "Mamba", 2023, section 3.2, equations 2 to 4, in plain
PyTorch, so it runs on every device. The recurrence h[t] = a[t] h[t-1] + b[t] is computed in pieces,
and each piece in parallel chunks: a GPU needs few long steps, a CPU little memory at a time. Its
gradient is the same recurrence backwards.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint
from torchvision.ops import StochasticDepth

from occludenet_build.recognition.backbones.spec import Tensors, drop_rates

CPU_PIECE, CPU_CHUNKS = 32, 1
GPU_PIECE, GPU_CHUNKS = 512, 16


def selective_scan(
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    piece: int | None = None,
    chunks: int | None = None,
) -> Tensor:
    """y of h[t] = exp(delta[t] A) h[t-1] + delta[t] B[t] x[t], y[t] = C[t] h[t].

    `x`, `delta` (N, L, D), `A` (D, S) below 0, `B`, `C` (N, L, S) -> (N, L, D) in the dtype of
    `x`. Computed in float32 or wider, also under autocast: a state is a product of hundreds of
    factors, for which the 8 bits of bfloat16's mantissa are too few.
    """
    on_cpu = x.device.type == "cpu"
    piece = piece or (CPU_PIECE if on_cpu else GPU_PIECE)
    chunks = chunks or (CPU_CHUNKS if on_cpu else GPU_CHUNKS)
    wide = torch.promote_types(x.dtype, torch.float32)
    if x.is_meta:  # a trial of shapes
        return torch.empty_like(x)
    with torch.autocast(x.device.type, enabled=False):
        A = A.to(wide).T.contiguous()
        timed = [part.to(wide).transpose(0, 1) for part in (x, delta, B, C)]
        state = timed[0].new_zeros((x.shape[0], *A.shape))
        seen = []
        for parts in zip(*(part.split(piece) for part in timed), strict=True):
            if torch.is_grad_enabled():  # states of the whole clip take gigabytes
                y, state = checkpoint(_piece, chunks, state, A, *parts, use_reentrant=False)
            else:
                y, state = _piece(chunks, state, A, *parts)
            seen.append(y)
        return torch.cat(seen).transpose(0, 1).to(x.dtype)


def _piece(
    chunks: int, state: Tensor, A: Tensor, x: Tensor, delta: Tensor, B: Tensor, C: Tensor
) -> tuple[Tensor, Tensor]:
    """y (L, N, D) of a piece, time first, and the state after it, from the state (N, S, D) before.

    Channels are the last axis, since there are hundreds of them and 16 states.
    """
    a = (delta[:, :, None] * A).exp()
    b = (delta * x)[:, :, None] * B[..., None]
    states: Tensor = Recurrence.apply(a, b, state, chunks)
    return (C[:, :, None] @ states)[:, :, 0], states[-1]


class Recurrence(torch.autograd.Function):
    """h[t] = a[t] h[t-1] + b[t] along the first axis, from h[-1] = start."""

    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor, start: Tensor, chunks: int) -> Tensor:
        """a, b float32 (L, N, S, D), start float32 (N, S, D) -> h float32 (L, N, S, D)."""
        states = _states(a, b, start, chunks)
        ctx.save_for_backward(a, states, start)
        ctx.chunks = chunks
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """gradient of h, float32 (L, N, S, D) -> those of a and b, of start (N, S, D), and None."""
        a, states, start = ctx.saved_tensors
        # g[t] = gradient[t] + a[t+1] g[t+1]: from the end, each factor one step later
        later = torch.cat([a[1:], torch.zeros_like(a[:1])]).flip(0)
        g = _states(later, gradient.flip(0), torch.zeros_like(start), ctx.chunks).flip(0)
        before = torch.cat([start[None], states[:-1]])
        return g * before, g, g[0] * a[0], None


def _states(a: Tensor, b: Tensor, start: Tensor, chunks: int) -> Tensor:
    length = len(a)
    size = -(-length // chunks)
    fill = (chunks * size - length, *a.shape[1:])
    if fill[0]:
        a, b = torch.cat([a, a.new_ones(fill)]), torch.cat([b, b.new_zeros(fill)])
    a, b = a.unflatten(0, (chunks, size)), b.unflatten(0, (chunks, size))
    states = torch.empty_like(b)
    state = torch.cat([start[None], start.new_zeros((chunks - 1, *start.shape))])
    for step in range(size):  # all chunks at once; all but the first start from 0
        state = torch.addcmul(b[:, step], a[:, step], state, out=states[:, step])
    if chunks > 1:
        reach = a.cumprod(dim=1)
        for chunk in range(1, chunks):
            states[chunk].addcmul_(reach[chunk], states[chunk - 1, -1])
    return states.flatten(0, 1)[:length]


EPSILON = 1e-5


class VideoMamba(nn.Module):
    """(N, 3, T, H, W) -> logits (N, classes), for `frames` of `size` x `size` px."""

    def __init__(
        self,
        classes: int,
        frames: int = 8,
        size: int = 224,
        *,
        patch: int = 16,
        tubelet: int = 1,
        width: int = 576,
        depth: int = 32,
        drop_path: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.patch_embed = TubeletEmbed(width, (tubelet, patch, patch))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, (size // patch) ** 2 + 1, width))
        self.temporal_pos_embedding = nn.Parameter(torch.zeros(1, frames // tubelet, width))
        # A block drops the output of the previous one, so it has the previous one's rate.
        rates = [0.0, *drop_rates(drop_path, depth)][:depth]
        self.layers = nn.ModuleList(MambaBlock(width, rate) for rate in rates)
        self.drop_path = StochasticDepth(drop_path, "row")
        self.norm_f = nn.RMSNorm(width, eps=EPSILON)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, classes)
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, 3, T, H, W) -> logits float32 (N, classes).

        Raises ValueError for clips of another size.
        """
        hidden = self._tokens(self.patch_embed.proj(x))
        residual = torch.zeros_like(hidden)
        for layer in self.layers:
            hidden, residual = layer(hidden, residual)
        seen = self.norm_f(residual + self.drop_path(hidden))
        return self.head(self.dropout(seen[:, 0]))

    def _tokens(self, patches: Tensor) -> Tensor:
        """(N, width, T, h, w) -> (N, 1 + T h w, width), the class token first."""
        space, time = self.pos_embed[:, 1:], self.temporal_pos_embedding
        grid, expected = patches.shape[2:], (time.shape[1], space.shape[1])
        if (grid[0], grid[1] * grid[2]) != expected:
            raise ValueError(
                f"wanted clips of {expected[0]} x {expected[1]} patches, got {grid[0]} x "
                f"{grid[1] * grid[2]}; build it for these frames and this size"
            )
        tokens = patches.flatten(3).permute(0, 2, 3, 1) + space[:, None] + time[:, :, None]
        first = self.cls_token + self.pos_embed[:, :1]
        return torch.cat([first.expand(len(tokens), -1, -1), tokens.flatten(1, 2)], dim=1)

    def _initialise(self) -> None:
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        with torch.no_grad():
            for name, parameter in self.layers.named_parameters():
                if name.endswith("out_proj.weight"):  # the sum's scale is independent of the depth
                    parameter.div_(math.sqrt(len(self.layers)))


class TubeletEmbed(nn.Module):
    """Holds the patch embedding under the name that checkpoints have."""

    def __init__(self, width: int, cube: tuple[int, int, int]) -> None:
        super().__init__()
        self.proj = nn.Conv3d(3, width, cube, cube)


class MambaBlock(nn.Module):
    """Add, norm, mix: the sum of all previous blocks is passed on beside this block's output."""

    def __init__(self, width: int, drop_path: float) -> None:
        super().__init__()
        self.mixer = Mamba(width)
        self.norm = nn.RMSNorm(width, eps=EPSILON)
        self.drop_path = StochasticDepth(drop_path, "row")

    def forward(self, hidden: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        """Previous output and sum -> this output and new sum, all float32 (N, L, width)."""
        residual = residual + self.drop_path(hidden)
        return self.mixer(self.norm(residual)), residual


class Mamba(nn.Module):
    """The bidirectional mixer; names with _b belong to the backward direction."""

    def __init__(self, width: int, states: int = 16, kernel: int = 4, expand: int = 2) -> None:
        super().__init__()
        inner, rank = expand * width, math.ceil(width / 16)
        self.states, self.rank = states, rank
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        self.A_log, self.A_b_log = _decay(inner, states), _decay(inner, states)
        self.D, self.D_b = nn.Parameter(torch.ones(inner)), nn.Parameter(torch.ones(inner))
        for end in ("", "_b"):
            conv = nn.Conv1d(inner, inner, kernel, groups=inner, padding=kernel - 1)
            self.add_module(f"conv1d{end}", conv)
            self.add_module(f"x_proj{end}", nn.Linear(inner, rank + 2 * states, bias=False))
            self.add_module(f"dt_proj{end}", _steps(rank, inner))
        self.out_proj = nn.Linear(inner, width, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """float32 (N, L, width) -> float32 (N, L, width)."""
        x, z = self.in_proj(hidden).chunk(2, dim=2)
        forth = self._direction(x, "", self.A_log, self.D)
        back = self._direction(x.flip(1), "_b", self.A_b_log, self.D_b).flip(1)
        return self.out_proj((forth + back) * F.silu(z))

    def _direction(self, x: Tensor, end: str, a_log: Tensor, skip: Tensor) -> Tensor:
        conv, x_proj, dt_proj = (
            self.get_submodule(f"{name}{end}") for name in ("conv1d", "x_proj", "dt_proj")
        )
        length = x.shape[1]
        # The padding is at both ends; the part that is cut off depends on later tokens.
        x = F.silu(conv(x.transpose(1, 2))[..., :length]).transpose(1, 2)
        delta, B, C = x_proj(x).split([self.rank, self.states, self.states], dim=2)
        delta = F.softplus(dt_proj(delta))
        return selective_scan(x, delta, -a_log.exp(), B, C) + skip * x


def _decay(inner: int, states: int) -> nn.Parameter:
    """A = -1, -2, ... -states in every channel (Mamba, section 3.6)."""
    return nn.Parameter(torch.arange(1.0, states + 1).log().repeat(inner, 1))


def _steps(rank: int, inner: int, low: float = 1e-3, high: float = 1e-1) -> nn.Linear:
    """A layer whose steps softplus(...) are initially log-uniform between `low` and `high`."""
    linear = nn.Linear(rank, inner)
    nn.init.uniform_(linear.weight, -(rank**-0.5), rank**-0.5)
    step = torch.empty(inner).uniform_(math.log(low), math.log(high)).exp()
    with torch.no_grad():
        linear.bias.copy_(step.expm1().log())  # the inverse of softplus
    return linear


def fit_positions(given: Tensors, wanted: Tensors) -> Tensors:
    """Resize position tables as the official fine-tuning does: bicubic in space, linear in time."""
    given = dict(given)
    space, time = "pos_embed", "temporal_pos_embedding"
    if _another_length(given, wanted, space):
        first, places = given[space][:, :1], given[space][:, 1:]
        old, new = math.isqrt(places.shape[1]), math.isqrt(wanted[space].shape[1] - 1)
        if old * old == places.shape[1]:
            square = places.unflatten(1, (old, old)).permute(0, 3, 1, 2)
            fitted = F.interpolate(square, (new, new), mode="bicubic", align_corners=False)
            given[space] = torch.cat([first, fitted.flatten(2).transpose(1, 2)], dim=1)
    if _another_length(given, wanted, time):
        line = given[time].transpose(1, 2)
        fitted = F.interpolate(line, wanted[time].shape[1], mode="linear", align_corners=False)
        given[time] = fitted.transpose(1, 2)
    return given


def _another_length(given: Tensors, wanted: Tensors, name: str) -> bool:
    if name not in given or given[name].ndim != 3:
        return False
    (_, length, width), (_, our_length, our_width) = given[name].shape, wanted[name].shape
    return width == our_width and length != our_length
