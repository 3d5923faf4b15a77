"""A pair through the network: the logits of the clips and those of their counterfactuals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def arithmetic(precision: str, device: str) -> torch.autocast:
    """The context in which a network computes in train.precision; weights stay float32."""
    dtype = _DTYPES.get(precision, torch.bfloat16)
    return torch.autocast(device.split(":")[0], dtype, enabled=precision in _DTYPES)


def both_logits(
    model: nn.Module, clips: Tensor, counterfactuals: Tensor | None, forward: str
) -> tuple[Tensor, Tensor | None]:
    """p and c of normalised clips (N, 3, T, H, W) and (M, 3, T, H, W), as
    train.counterfactual_forward says."""
    if counterfactuals is None:
        return model(clips), None
    norms = any(isinstance(module, _BatchNorm) for module in model.modules())
    if forward == "shared" or (forward == "auto" and not norms):
        p, c = model(torch.cat([clips, counterfactuals])).split([len(clips), len(counterfactuals)])
        return p, c
    p = model(clips)
    with _statistics_kept(model):
        return p, model(counterfactuals)


class PairedForward(nn.Module):
    """`both_logits` of a network as one module, for torch's DistributedDataParallel.

    DDP waits for every process in the forward and the backward of what it wraps. One call per batch
    has the same number of them on each process, whoever has a counterfactual. A process without a
    clip in its part calls it with None and runs the backward of the zero that it gets.
    """

    def __init__(self, model: nn.Module, forward: str) -> None:
        """forward: train.counterfactual_forward."""
        super().__init__()
        self.model, self._how = model, forward

    def forward(
        self, clips: Tensor | None, counterfactuals: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """clips float32 (N, 3, T, H, W), counterfactuals float32 (M, 3, T, H, W) or None -> logits
        float (N, K) and (M, K) or None; without clips a scalar 0, whose gradients are 0."""
        if clips is not None:
            return both_logits(self.model, clips, counterfactuals, self._how)
        # DDP averages a gradient when that of every parameter is there, so the zero needs them all
        every = [p.sum() for p in self.model.parameters() if p.requires_grad]
        return 0 * torch.stack(every).sum(), None


@contextmanager
def _statistics_kept(model: nn.Module) -> Iterator[None]:
    """Batch norm normalises by the batch, as in training, but leaves its running statistics."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
