"""The arms of an experiment (baseline, car, clean, ...) and the settings that each depends on.

The settings of an arm hold defaults for everything that the arm does not use, so that a change of a
CAR setting does not rerun the baseline. This module uses the standard library only because the
workflow imports it.
"""

from __future__ import annotations

import dataclasses
import re

from occludenet_build.config import Config
from occludenet_build.config.occlusion import Counterfactual
from occludenet_build.config.recognition import ARMS, WEIGHTED, Train, with_alpha
from occludenet_build.core.errors import UserError

_MIXED = ("stillmix", "fame")
PATTERN = "|".join((*ARMS, rf"{WEIGHTED}\d+(?:\.\d+)?"))
"""Regular expression that matches the name of an arm."""
_OF_CAR = (
    "alpha",
    "causal_term",
    "detach_prediction",
    "detach_counterfactual",
    "counterfactual_forward",
    "empty_masks",
)
"""Settings that have no effect if alpha is 0."""


def names(train: Train) -> list[str]:
    """Names of the arms to train: train.arms, then one arm per value of train.alphas."""
    return [*train.arms, *(with_alpha(alpha) for alpha in train.alphas)]


def for_arm(train: Train, arm: str) -> Train:
    """Training settings of one arm: settings that the arm does not use have their defaults.

    The function is idempotent: applied to the settings of an arm it returns them unchanged. Raises
    UserError if no arm has this name.
    """
    default = Train()
    train = dataclasses.replace(train, arms=(_family(arm),), alpha=_alpha(train, arm), alphas=())
    if arm not in _MIXED:
        train = dataclasses.replace(train, mix=default.mix)
    if arm == "clean":
        train = dataclasses.replace(train, scales=(0.0,))
    if train.alpha == 0:
        unused = {name: getattr(default, name) for name in _OF_CAR if name != "alpha"}
        train = dataclasses.replace(train, **unused)
    return train


def of_training(config: Config, arm: str, seed: int) -> Config:
    """Configuration of one training, without the settings of other arms and without other seeds."""
    train = dataclasses.replace(for_arm(config.train, arm), seeds=(seed,))
    config = dataclasses.replace(config, train=train)
    if train.alpha == 0:  # the arm reads no counterfactual clips
        config = dataclasses.replace(config, counterfactual=Counterfactual())
    return config


def mix_kind(arm: str) -> str:
    """How the batches of the arm are mixed: none, or a name in recognition.mixup.KINDS."""
    return arm if arm in _MIXED else "none"


def _alpha(train: Train, arm: str) -> float:
    if _family(arm) != "car":
        return 0.0
    return train.alpha if arm == "car" else float(arm.removeprefix(WEIGHTED))


def _family(arm: str) -> str:
    """Name of the arm without its alpha: car for car_a0.5."""
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
