"""Optimizer, learning rates and EMA of a recipe; the order of clips, batches and steps."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from occludenet_build.config.loop import Loop
from occludenet_build.core.seeds import rng

_BLOCK = re.compile(
    r"(?:^|\.)(?:resblocks|blocks|layers|features|layer|s|(?:inception|tam)(?=\d[a-e]))\.?(\d+)[a-e]?\."
)
"""Finds the number of the block or stage in a parameter name of any backbone."""
_STEM = re.compile(
    r"^(?:backbone\.|model\.\w+\.(?:encoder\.)?)?(?:stem|embeddings|conv[1-3]|bn1|tam[1-3]|conv_proj|patch_embed|pos_encoding|class_embedding|ln_pre"
    r"|cls_token|pos_embed|temporal_pos_embedding|positional_embedding)\b"
)


def make_optimizer(model: nn.Module, settings: Loop, head: str) -> torch.optim.Optimizer:
    """The optimizer of the recipe, with groups by learning rate and weight decay.

    `head`: prefix of the names of the head's parameters; empty: none has a rate of its own.
    """
    recipe, groups = settings.optimizer, _groups(model, settings, head)
    if recipe.name == "sgd":
        nesterov = recipe.nesterov and recipe.momentum > 0
        return torch.optim.SGD(groups, 0.0, momentum=recipe.momentum, nesterov=nesterov)
    kind = torch.optim.Adam if recipe.name == "adam" else torch.optim.AdamW
    return kind(groups, 0.0, betas=(recipe.momentum, recipe.beta2))


def _groups(model: nn.Module, settings: Loop, head: str) -> list[dict[str, Any]]:
    """Parameters by (rate as a share of the learning rate, weight decay).

    Unless optimizer.decay is all, those of one dimension (biases, scales of norms) do not decay.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    shares = rate_shares(model, settings, head)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 or settings.optimizer.decay == "all"
            decay = settings.weight_decay if decays else 0.0
            groups.setdefault((shares[name], decay), []).append(parameter)
    return [
        {"params": parameters, "share": share, "weight_decay": decay}
        for (share, decay), parameters in groups.items()
    ]


def rate_shares(model: nn.Module, settings: Loop, head: str) -> dict[str, float]:
    """Learning rate by parameter name, as a share of the step's learning rate.

    It is optimizer.layer_decay to the power of the number of layers between the parameter and the
    head, and optimizer.head_rate for the head.
    """
    recipe, depths = settings.optimizer, layer_depths(model)
    last = max(depths.values())
    shares = {name: recipe.layer_decay ** (last - depth) for name, depth in depths.items()}
    of_head = [name for name in depths if head and name.startswith(head)]
    return shares | dict.fromkeys(of_head, recipe.head_rate)


def layer_depths(model: nn.Module) -> dict[str, int]:
    """Depth by parameter name, from 0: stem and position tables, then the blocks (of a CNN the
    stages), then what follows them: the head, and in UniFormerV2 the global blocks.

    With layer decay d a parameter has the rate d ** (largest depth - its depth).
    """
    names = [name for name, _ in model.named_parameters()]
    found = {name: match for name in names if (match := _BLOCK.search(name)) is not None}
    numbers = sorted({int(match[1]) for match in found.values()})
    has_stem = any(_STEM.match(name) for name in names)
    depths = {}
    for name in names:
        if name in found:
            depths[name] = numbers.index(int(found[name][1])) + has_stem
        else:
            depths[name] = 0 if _STEM.match(name) else len(numbers) + has_stem
    return depths


def learning_rate(step: int, steps_per_epoch: int, settings: Loop) -> float:
    """The learning rate of a step: linear warm-up, then as optimizer.schedule says."""
    recipe, high = settings.optimizer, settings.learning_rate
    total = settings.epochs * steps_per_epoch
    warm = min(round(settings.warmup_epochs * steps_per_epoch), total)
    if step < warm:
        return recipe.first_rate + (high - recipe.first_rate) * (step + 1) / warm
    epoch = step // steps_per_epoch
    if recipe.schedule == "steps":
        return high * recipe.step_factor ** sum(epoch >= fall for fall in recipe.steps)
    at = max(epoch * steps_per_epoch, warm) if recipe.per_epoch else step
    down = 0.5 * (1 + math.cos(math.pi * (at - warm) / (total - warm)))
    return recipe.final_rate + (high - recipe.final_rate) * down


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of each group to its share of `rate`."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]


def ema_of(model: nn.Module, decay: float) -> AveragedModel | None:
    """An exponential moving average that starts with the weights after the first step.

    After n steps the weights of a step count with (1 - decay) decay^(n - step); the last
    0.7 / (1 - decay) steps make up half of the average. Statistics of batch norm are those of the
    network itself. None for decay 0.
    """
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay else None


@dataclass(frozen=True)
class Schedule:
    """Steps of a training: a step has `accumulate` batches and does not cross an epoch's end.

    The last step and the last batch of an epoch may be smaller.

    >>> schedule = Schedule(clips=10, batch=4, accumulate=2, epochs=3)
    >>> schedule.per_epoch, [schedule.clips_in(step) for step in range(4)]
    (2, [8, 2, 8, 2])
    >>> [schedule.first_batch(step) for step in range(4)]
    [0, 2, 3, 5]
    >>> [schedule.batches(step) for step in range(2)]
    [2, 1]
    """

    clips: int
    batch: int
    accumulate: int
    epochs: int

    @classmethod
    def of(cls, clips: int, settings: Loop) -> Schedule:
        """The schedule for this number of clips and these settings."""
        return cls(clips, settings.batch, settings.optimizer.accumulate, settings.epochs)

    @property
    def per_epoch(self) -> int:
        """Number of steps in an epoch."""
        return -(-self.clips // (self.batch * self.accumulate))

    @property
    def total(self) -> int:
        """Number of steps in the training."""
        return self.per_epoch * self.epochs

    def clips_in(self, step: int) -> int:
        """Number of clips in a step, if none is skipped."""
        whole = self.batch * self.accumulate
        return min(whole, self.clips - step % self.per_epoch * whole)

    def batches(self, step: int) -> int:
        """Number of batches in a step."""
        return -(-self.clips_in(step) // self.batch)

    def first_batch(self, step: int) -> int:
        """Number of the step's first batch, counted from the start of the training."""
        epoch, step_in_epoch = divmod(step, self.per_epoch)
        return epoch * -(-self.clips // self.batch) + step_in_epoch * self.accumulate


class BatchOrder:
    """The batches of a whole training as lists of (number, epoch), from step `start` on.

    Every epoch has its own order, a function of seed and epoch. Its last batch may be smaller.
    """

    def __init__(self, clips: int, batch: int, epochs: int, seed: int, start: int = 0) -> None:
        self.clips, self.batch, self.epochs = clips, batch, epochs
        self.seed, self.start = seed, start

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches in an epoch."""
        return -(-self.clips // self.batch)

    def __len__(self) -> int:
        return self.steps_per_epoch * self.epochs - self.start

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        first, done = divmod(self.start, self.steps_per_epoch)
        for epoch in range(first, self.epochs):
            order = rng(self.seed, "order", str(epoch)).permutation(self.clips).tolist()
            for at in range(done * self.batch, self.clips, self.batch):
                yield [(number, epoch) for number in order[at : at + self.batch]]
            done = 0
