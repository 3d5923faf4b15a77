"""The moving average of the weights, which then is what is evaluated."""

from __future__ import annotations

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def moving_average(model: nn.Module, decay: float) -> AveragedModel | None:
    """An exponential one, that begins with the weights after the first step; None for decay 0.

    After n steps a step's weights count with (1 - decay) decay^(n - step): half of it are the last
    0.7 / (1 - decay). Statistics of batch norm are those of the network itself.
    """
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay else None
