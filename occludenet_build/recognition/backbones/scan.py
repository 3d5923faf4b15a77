"""The selective scan of Mamba: Gu and Dao, "Mamba", 2023, section 3.2, equations 2 to 4.

In plain PyTorch, so it runs on every device. The recurrence h[t] = a[t] h[t-1] + b[t] is walked
piece by piece, and a piece in several chunks side by side: few long steps for a GPU, few bytes
at a time for a CPU. Its gradient is the same recurrence backwards.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

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

    `x`, `delta` (N, L, D), `A` (D, S) below 0, `B`, `C` (N, L, S) -> (N, L, D) in the type of
    `x`. Computed in float32 or wider, also under autocast: a state that is a product of hundreds
    of factors does not live in 8 bits.
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
            if torch.is_grad_enabled():  # states of the whole clip would be gigabytes
                y, state = checkpoint(_piece, chunks, state, A, *parts, use_reentrant=False)
            else:
                y, state = _piece(chunks, state, A, *parts)
            seen.append(y)
        return torch.cat(seen).transpose(0, 1).to(x.dtype)


def _piece(
    chunks: int, state: Tensor, A: Tensor, x: Tensor, delta: Tensor, B: Tensor, C: Tensor
) -> tuple[Tensor, Tensor]:
    """A piece, time first, from the state (N, S, D) before it: y (L, N, D), the state after it."""
    # Channels are innermost: there are hundreds of them, and 16 states.
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
    for step in range(size):  # all chunks at once, as if each but the first began at zero
        state = torch.addcmul(b[:, step], a[:, step], state, out=states[:, step])
    if chunks > 1:
        reach = a.cumprod(dim=1)
        for chunk in range(1, chunks):
            states[chunk].addcmul_(reach[chunk], states[chunk - 1, -1])
    return states.flatten(0, 1)[:length]
