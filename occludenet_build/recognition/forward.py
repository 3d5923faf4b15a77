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
