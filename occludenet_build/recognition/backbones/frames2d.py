"""The frames of a clip in a 2-D network: how they enter, are pooled over time, and are averaged.

In such a network the frames of all clips are one batch, (N T, C, H, W), clip after clip.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

POOLS: dict[str, Callable[..., Tensor]] = {"max": F.max_pool3d, "avg": F.avg_pool3d}
TIME_KERNEL, TIME_STRIDE = 3, 2
"""A temporal pool of action-recognition-pytorch: T frames become ceil(T / 2)."""


def as_frames(x: Tensor) -> tuple[Tensor, int]:
    """The frames float32 (N T, 3, H, W) of clips, and T.

    `x`: (N, 3, T, H, W), or (N, 3T, H, W), frame after frame and each of them RGB, as
    action-recognition-pytorch has it. Raises ValueError for another shape.
    """
    if x.ndim == 4 and x.shape[1] % 3 == 0:
        return x.unflatten(1, (-1, 3)).flatten(0, 1), x.shape[1] // 3
    if x.ndim == 5 and x.shape[1] == 3:
        return x.transpose(1, 2).flatten(0, 1), x.shape[2]
    raise ValueError(f"wanted clips (N, 3, T, H, W) or (N, 3T, H, W), got {tuple(x.shape)}")


def pooled_over_time(x: Tensor, frames: int, pooling: str) -> tuple[Tensor, int]:
    """Frames float32 (M, C, H, W) pooled over time, and their number per clip, ceil(t / 2).

    M = N t with t, `frames`, per clip; the result has N ceil(t / 2) in its first axis.

    `pooling`: max; or avg, in which the zeros beyond the ends count, as in torch.
    """
    volume = x.unflatten(0, (-1, frames)).transpose(1, 2)
    volume = POOLS[pooling](volume, (TIME_KERNEL, 1, 1), (TIME_STRIDE, 1, 1), (1, 0, 0))
    return volume.transpose(1, 2).flatten(0, 1), volume.shape[2]


class FrameAverage(nn.Identity):
    """The end of a 2-D network: a class per frame, and the mean of the logits over frames.

    It passes the volume of features (N, C, t, h, w) through, so that it can be observed.
    """

    def logits(self, x: Tensor, frames: int, dropout: nn.Module, fc: nn.Module) -> Tensor:
        """Features float32 (M, C, h, w), M = N t -> logits float32 (N, classes); `frames`: t."""
        volume = self(x.unflatten(0, (-1, frames)).transpose(1, 2))
        each = volume.mean(dim=(3, 4)).transpose(1, 2)
        return fc(dropout(each)).mean(dim=1)
