"""The arms of an experiment (baseline, car, swap, ...) and the settings that each depends on.

The settings of an arm hold defaults for everything that the arm does not use, so that a change of a
CAR setting does not rerun the baseline. This module uses the standard library only because the
workflow imports it.
"""

from __future__ import annotations

import dataclasses
import re

from occludenet_build.config import Config
from occludenet_build.config.occlusion import Counterfactual
from occludenet_build.config.training import (
    ARMS,
    DATASET_D,
    ONE_SCALE,
    WEIGHTED,
    Train,
    for_scale,
    with_alpha,
)
from occludenet_build.core.errors import UserError

_MIXED, _SWAPPED, _OF_PAIRS = ("stillmix", "fame"), ("swap", "car_swap"), ("car", "car_swap")
_NUMBER = r"\d+(?:\.\d+)?"
PATTERN = "|".join((*reversed(ARMS), WEIGHTED + _NUMBER, ONE_SCALE + _NUMBER))
"""Regular expression that matches the name of an arm."""
_OF_CAR = (
    "causal_term",
    "detach_prediction",
    "detach_counterfactual",
    "counterfactual_forward",
    "counterfactual_noise",
    "empty_masks",
    "min_erased",
)
"""Settings that have no effect if alpha is 0."""


def names(train: Train) -> list[str]:
    """Names of the arms to train: train.arms, one arm per value of train.alphas, and with
    train.one_scale one arm per scale."""
    scales = train.scales if train.one_scale else ()
    weighted = (with_alpha(alpha) for alpha in train.alphas)
    return [*train.arms, *weighted, *map(for_scale, scales)]


def names_on_recorded(train: Train) -> list[str]:
    """Names of the arms that can be trained on S, I and M, which have no clean twins and no scales.

    >>> names_on_recorded(Train(arms=("baseline", "car", "clean"), one_scale=True))
    ['baseline', 'car']
    """
    return [arm for arm in names(train) if arm != "clean" and not arm.startswith(ONE_SCALE)]


def recorded_datasets(train: Train) -> list[str]:
    """The names in train.datasets but D: datasets of real clips."""
    return [name for name in train.datasets if name != DATASET_D]


def for_arm(train: Train, arm: str) -> Train:
    """Training settings of one arm: settings that the arm does not use have their defaults.

    The function is idempotent: applied to the settings of an arm it returns them unchanged. Raises
    UserError if no arm has this name.
    """
    train = dataclasses.replace(
        train,
        datasets=(DATASET_D,),
        arms=(_family(arm),),
        alpha=_alpha(train, arm),
        alphas=(),
        one_scale=False,
        scales=_scales(train, arm),
        epochs=train.epochs * _rounds(train, arm),
    )
    unused = [] if arm in _MIXED else ["mix"]
    unused += [] if arm in _SWAPPED else ["swap"]
    unused += [] if train.alpha else _OF_CAR
    unused += [] if reads_counterfactuals(arm) else ["fills"]
    default = Train()
    return dataclasses.replace(train, **{name: getattr(default, name) for name in unused})


def of_training(config: Config, arm: str, seed: int, dataset: str = DATASET_D) -> Config:
    """Configuration of one training, without the settings of other arms and without other seeds.

    On another `dataset` than D the scales have no meaning and their default. Raises UserError for
    an arm that cannot be trained on it with this counterfactual.
    """
    if dataset != DATASET_D and reads_counterfactuals(arm):
        _check_erased_at_load(config.counterfactual, arm, dataset)
    train = dataclasses.replace(for_arm(config.train, arm), seeds=(seed,))
    if dataset != DATASET_D:
        train = dataclasses.replace(train, scales=Train().scales)
    config = dataclasses.replace(config, train=train)
    if not reads_counterfactuals(arm):
        config = dataclasses.replace(config, counterfactual=Counterfactual())
    return config


def mix_kind(arm: str) -> str:
    """How the batches of the arm are mixed: none, or a name in recognition.mixup.KINDS."""
    return arm if arm in _MIXED else "none"


def swaps(arm: str) -> bool:
    """Whether clips of the arm get the scenery of other clips."""
    return arm in _SWAPPED


def epochs(train: Train, arm: str) -> int:
    """Number of epochs of the arm: baseline_long has twice train.epochs, since CAR's step has two
    forward and backward passes for each clip where the baseline's has one."""
    return train.epochs * (2 if arm == "baseline_long" else 1)


def reads_counterfactuals(arm: str) -> bool:
    """Whether the arm reads counterfactual clips: as the second clip of a pair, or as scenery."""
    return _family(arm) in (*_OF_PAIRS, *_SWAPPED)


def require_clips(config: Config) -> None:
    """Check that a build makes the clips that the arms of train are trained on.

    Raises UserError where it does not.
    """
    erased = config.counterfactual.splits
    for arm in names(config.train):
        if reads_counterfactuals(arm) and "train" not in erased:
            raise UserError(
                f"config: counterfactual.splits: wanted train among them for the arm {arm}, got "
                f"{', '.join(erased) or 'none'}; add it or take {arm} out of train.arms"
            )
        if _family(arm) == "clean" and not config.composite.clean_twin:
            raise UserError(
                "config: composite.clean_twin: wanted true for the arm clean, got false; set it or "
                "take clean out of train.arms"
            )


def versioned_part(train: Train, arm: str) -> str | None:
    """For core.versions.results_version: None, all parts, for an arm that is trained on pairs; else
    the part `train`, so that a new version of `pairs` reruns no other arm."""
    return None if _alpha(train, arm) > 0 else "train"


def _check_erased_at_load(erase: Counterfactual, arm: str, dataset: str) -> None:
    """Real clips have no files of counterfactuals: the loader erases the actor."""
    if erase.fill == "median":
        raise UserError(
            f"config: counterfactual.fill: wanted another fill than median for {arm} on {dataset}, "
            "whose actors are erased when a clip is read; choose zero, or train the baseline only"
        )
    if "train" not in erase.splits:
        raise UserError(
            f"config: counterfactual.splits: wanted train among them for {arm} on {dataset}, got "
            f"{', '.join(erase.splits) or 'none'}; add it"
        )


def _rounds(train: Train, arm: str) -> int:
    """Epochs of the arm in train.epochs: an arm of one scale sees its clips as often as the other
    arms see clips of all scales. Where one_scale is false, these are the settings of the arm."""
    return len(train.scales) if arm.startswith(ONE_SCALE) and train.one_scale else 1


def _scales(train: Train, arm: str) -> tuple[float, ...]:
    if arm == "clean":
        return (0.0,)
    if not arm.startswith(ONE_SCALE):
        return train.scales
    return (float(arm.removeprefix(ONE_SCALE)),)


def _alpha(train: Train, arm: str) -> float:
    if _family(arm) not in _OF_PAIRS:
        return 0.0
    return float(arm.removeprefix(WEIGHTED)) if arm.startswith(WEIGHTED) else train.alpha


def _family(arm: str) -> str:
    """Name of the arm without its number: car for car_a0.5, baseline for scale_0.25."""
    if arm in ARMS:
        return arm
    for prefix, named, family in (
        (WEIGHTED, with_alpha, "car"),
        (ONE_SCALE, for_scale, "baseline"),
    ):
        if re.fullmatch(prefix + _NUMBER, arm):
            number = float(arm.removeprefix(prefix))
            if named(number) == arm and (number > 0 or prefix == ONE_SCALE):
                return family
    raise UserError(
        f"train.arms: wanted one of {', '.join(ARMS)}, {WEIGHTED}<alpha> as {with_alpha(0.5)}, or "
        f"{ONE_SCALE}<scale> as {for_scale(0.25)}, got {arm!r}"
    )
