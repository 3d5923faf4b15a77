"""The optimizer of a recipe: what decays, how fast each layer learns, and the rate of each step."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from occludenet_build.config import Train
from occludenet_build.recognition import backbones


def make_optimizer(model: nn.Module, settings: Train) -> torch.optim.Optimizer:
    """AdamW or SGD with Nesterov's momentum, over groups of one rate and one decay each."""
    recipe, groups = settings.optimizer, _groups(model, settings)
    if recipe.name == "sgd":
        nesterov = recipe.momentum > 0
        return torch.optim.SGD(groups, 0.0, momentum=recipe.momentum, nesterov=nesterov)
    return torch.optim.AdamW(groups, 0.0, betas=(recipe.momentum, recipe.beta2))


def _groups(model: nn.Module, settings: Train) -> list[dict[str, Any]]:
    """Parameters by (rate as a share of the learning rate, weight decay).

    Biases, the scales of norms and all else of one dimension do not decay.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    shares = rate_shares(model, settings)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decay = settings.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((shares[name], decay), []).append(parameter)
    return [
        {"params": parameters, "share": share, "weight_decay": decay}
        for (share, decay), parameters in groups.items()
    ]


def rate_shares(model: nn.Module, settings: Train) -> dict[str, float]:
    """Parameter -> its learning rate as a share of the step's: optimizer.layer_decay to the power
    of the layers between it and the head, and optimizer.head_rate for the head."""
    recipe, head = settings.optimizer, backbones.BACKBONES[settings.backbone].head
    depths = backbones.layers(model)
    last = max(depths.values())
    return {
        name: recipe.head_rate if name.startswith(head) else recipe.layer_decay ** (last - depth)
        for name, depth in depths.items()
    }


def learning_rate(step: int, steps_per_epoch: int, settings: Train) -> float:
    """Of a step: a linear rise over the warm-up, then half a cosine down to the end."""
    low, high, end = (
        settings.optimizer.first_rate,
        settings.learning_rate,
        settings.optimizer.final_rate,
    )
    total = settings.epochs * steps_per_epoch
    warm = min(round(settings.warmup_epochs * steps_per_epoch), total)
    if step < warm:
        return low + (high - low) * (step + 1) / warm
    return end + (high - end) * 0.5 * (1 + math.cos(math.pi * (step - warm) / (total - warm)))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
