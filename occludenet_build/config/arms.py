"""The arms of an experiment by name: which there are, and what settings each depends on.

An arm's settings hold what it depends on and defaults for the rest, so that a change of what only
CAR uses leaves the baseline's rule alone. Standard library only: the workflow imports it.
"""

from __future__ import annotations

import dataclasses
import re

from occludenet_build.config import Config, Counterfactual
from occludenet_build.config.training import ARMS, WEIGHTED, Train, with_alpha
from occludenet_build.core.errors import UserError

_MIXED = ("stillmix", "fame")
PATTERN = "|".join((*ARMS, rf"{WEIGHTED}\d+(?:\.\d+)?"))
"""A name of an arm, as a regular expression."""
_OF_CAR = (
    "alpha",
    "causal_term",
    "detach_prediction",
    "detach_counterfactual",
    "counterfactual_forward",
    "empty_masks",
)
"""Settings that nothing reads where alpha is 0."""


def names(train: Train) -> list[str]:
    """The arms that are trained: train.arms, then one for each of train.alphas."""
    return [*train.arms, *(with_alpha(alpha) for alpha in train.alphas)]


def for_arm(train: Train, arm: str) -> Train:
    """What the arm depends on; what it does not use has its default value. Of an arm's own
    settings it gives these again. Raises UserError for a name that is none."""
    usual = Train()
    train = dataclasses.replace(train, arms=(_family(arm),), alpha=_alpha(train, arm), alphas=())
    if arm not in _MIXED:
        train = dataclasses.replace(train, mix=usual.mix)
    if arm == "clean":
        train = dataclasses.replace(train, scales=(0.0,))
    if train.alpha == 0:
        unused = {name: getattr(usual, name) for name in _OF_CAR if name != "alpha"}
        train = dataclasses.replace(train, **unused)
    return train


def of_training(config: Config, arm: str, seed: int) -> Config:
    """What one training depends on: neither another arm's settings nor another seed."""
    train = dataclasses.replace(for_arm(config.train, arm), seeds=(seed,))
    config = dataclasses.replace(config, train=train)
    if train.alpha == 0:  # nothing is erased for it
        config = dataclasses.replace(config, counterfactual=Counterfactual())
    return config


def mix_kind(arm: str) -> str:
    """How the arm's batches are mixed: none, or a name of recognition.mixup."""
    return arm if arm in _MIXED else "none"


def _alpha(train: Train, arm: str) -> float:
    if _family(arm) != "car":
        return 0.0
    return train.alpha if arm == "car" else float(arm.removeprefix(WEIGHTED))


def _family(arm: str) -> str:
    """car of car_a0.5."""
    if arm in ARMS:
        return arm
    if re.fullmatch(PATTERN, arm):
        weight = float(arm.removeprefix(WEIGHTED))
        if weight > 0 and with_alpha(weight) == arm:
            return "car"
    raise UserError(
        f"train.arms: wanted one of {', '.join(ARMS)}, or {WEIGHTED}<alpha> as "
        f"{with_alpha(0.5)}, got {arm!r}"
    )
