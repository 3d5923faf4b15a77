"""The optimizer of a recipe: what decays, the rate of each layer and step, the EMA.

The order of a training: which clips make which batch, and which batches make which step.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from occludenet_build.config.recognition import Train
from occludenet_build.core.seeds import rng
from occludenet_build.recognition.backbones.registry import BACKBONES

_BLOCK = re.compile(r"(?:^|\.)(?:resblocks|blocks|layers|features|layer|s)\.?(\d+)\.")
"""A block or a stage of any of the backbones, by its number."""
_STEM = re.compile(
    r"^(?:backbone\.)?(?:stem|conv1|bn1|conv_proj|patch_embed|pos_encoding|class_embedding|ln_pre"
    r"|cls_token|pos_embed|temporal_pos_embedding|positional_embedding)\b"
)


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
    recipe, head = settings.optimizer, BACKBONES[settings.backbone].head
    depths = layer_depths(model)
    last = max(depths.values())
    return {
        name: recipe.head_rate if name.startswith(head) else recipe.layer_decay ** (last - depth)
        for name, depth in depths.items()
    }


def layer_depths(model: nn.Module) -> dict[str, int]:
    """Parameter -> depth, from 0: stem and positions, then the blocks (of a CNN its stages), then
    whatever follows them, the head and in UniFormerV2 the global blocks too.

    A recipe with layer decay d gives a parameter the rate d ** (largest depth - its own).
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
    """Give each group its share of the step's learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]


def ema_of(model: nn.Module, decay: float) -> AveragedModel | None:
    """An exponential one, that begins with the weights after the first step; None for decay 0.

    After n steps a step's weights count with (1 - decay) decay^(n - step): half of it are the last
    0.7 / (1 - decay). Statistics of batch norm are those of the network itself.
    """
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay else None


@dataclass(frozen=True)
class Schedule:
    """`accumulate` batches make a step; none reaches over the end of an epoch, whose last step
    and whose last batch may be smaller.

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
    def of(cls, clips: int, settings: Train) -> Schedule:
        """For this many clips, with the batch, accumulation and epochs of the settings."""
        return cls(clips, settings.batch, settings.optimizer.accumulate, settings.epochs)

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch."""
        return -(-self.clips // (self.batch * self.accumulate))

    @property
    def total(self) -> int:
        """Steps of the training."""
        return self.per_epoch * self.epochs

    def clips_in(self, step: int) -> int:
        """How many clips a step has, if none is skipped."""
        whole = self.batch * self.accumulate
        return min(whole, self.clips - step % self.per_epoch * whole)

    def batches(self, step: int) -> int:
        """How many batches a step has."""
        return -(-self.clips_in(step) // self.batch)

    def first_batch(self, step: int) -> int:
        """Its number, counted from the beginning of the training."""
        epoch, place = divmod(step, self.per_epoch)
        return epoch * -(-self.clips // self.batch) + place * self.accumulate


class BatchOrder:
    """The batches of a whole training as lists of (number, epoch), from step `start` on.

    Every epoch has its own order, a function of seed and epoch; its last batch may be smaller.
    """

    def __init__(self, clips: int, batch: int, epochs: int, seed: int, start: int = 0) -> None:
        self.clips, self.batch, self.epochs = clips, batch, epochs
        self.seed, self.start = seed, start

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
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
