"""Arms by name: their settings, what each depends on, errors."""

import dataclasses
import re

import pytest

from occludenet_build import config as cfg
from occludenet_build.config import Config, arms
from occludenet_build.config.occlusion import Counterfactual
from occludenet_build.config.training import ARMS, Swap, Train, with_alpha
from occludenet_build.core.errors import UserError

EVERY = Train(arms=ARMS, alphas=(0.5, 2.0), one_scale=True)
SCALES = ("scale_0.25", "scale_0.5", "scale_0.75")


def test_names():
    assert arms.names(Train()) == ["baseline", "car"]
    assert arms.names(EVERY) == [*EVERY.arms, "car_a0.5", "car_a2", *SCALES]
    assert all(re.fullmatch(arms.PATTERN, name) for name in arms.names(EVERY))


@pytest.mark.parametrize("alpha", [0.5, 2.0, 10.0, 1e-7, 0.30000000000000004, 1234567.125])
def test_a_name_holds_its_alpha_exactly(alpha):
    name = with_alpha(alpha)
    assert arms.for_arm(Train(), name).alpha == alpha
    assert re.fullmatch(arms.PATTERN, name)


def settings_of(config, arm, seed=0):
    return cfg.canonical(cfg.stage_settings(arms.of_training(config, arm, seed), "train"))


@pytest.mark.parametrize("arm", arms.names(EVERY))
def test_an_arm_depends_on_its_own_settings_only(arm):
    """The arms that another value of a setting trains again."""
    car, mixed = arm.startswith("car"), arm in ("stillmix", "fame")
    swapped, one_scale = arm in ("swap", "car_swap"), arm.startswith("scale_")
    usual = Config(train=EVERY)
    for change, concerned in [
        ({"alpha": 3.0}, arm in ("car", "car_swap")),
        ({"alphas": (0.5,)}, False),
        ({"arms": (arm if arm in EVERY.arms else "car",)}, False),
        ({"seeds": (0, 1)}, False),
        ({"causal_term": "ce_y"}, car),
        ({"detach_prediction": True}, car),
        ({"detach_counterfactual": True}, car),
        ({"counterfactual_forward": "own"}, car),
        ({"empty_masks": "keep"}, car),
        ({"counterfactual_noise": "own"}, car),
        ({"min_erased": 0.1}, car),
        ({"fills": ("zero", "mean")}, car or swapped),
        ({"swap": Swap(counterfactual="own")}, swapped),
        ({"one_scale": False}, one_scale),
        ({"mix": cfg.Mix(probability=0.5)}, mixed),
        ({"scales": (0.25,)}, arm != "clean"),
        ({"scales": (0.5, 0.25, 0.75)}, arm != "clean" and not one_scale),
        ({"epochs": 7}, True),
        ({"datasets": ("D", "S", "I")}, False),
    ]:
        changed = Config(train=dataclasses.replace(EVERY, **change))
        assert (settings_of(changed, arm) != settings_of(usual, arm)) == concerned, change
    erased = Config(train=EVERY, counterfactual=Counterfactual(fill="mean"))
    assert (settings_of(erased, arm) != settings_of(usual, arm)) == (car or swapped)
    assert settings_of(usual, arm, 1) != settings_of(usual, arm, 0)


@pytest.mark.parametrize("arm", arms.names_on_recorded(EVERY))
def test_a_training_on_real_clips_depends_on_no_scale(arm):
    """S, I and M have no clean twins and no scales; other settings count as for D."""

    def of_set(**change):
        config = Config(train=dataclasses.replace(EVERY, datasets=("D", "I"), **change))
        return cfg.canonical(cfg.stage_settings(arms.of_training(config, arm, 0, "I"), "train"))

    assert arm != "clean" and not arm.startswith("scale_")
    assert of_set() == of_set(scales=(0.25,)) != of_set(epochs=7)
    assert arms.recorded_datasets(Train(datasets=("D", "S", "mine"))) == ["S", "mine"]


@pytest.mark.parametrize(
    ("erase", "line"),
    [({"fill": "median"}, "another fill than median"), ({"splits": ("test",)}, "wanted train")],
)
def test_car_on_real_clips_needs_actors_erased_at_load_time(erase, line):
    config = Config(counterfactual=Counterfactual(**erase))
    with pytest.raises(UserError, match=line):
        arms.of_training(config, "car", 0, "I")
    arms.of_training(config, "baseline", 0, "I")


@pytest.mark.parametrize("arm", arms.names(EVERY))
def test_the_rules_settings_give_the_same_arm_again(arm):
    """The stage takes the settings that the rule passes, and derives the same from them."""
    once = arms.for_arm(EVERY, arm)
    assert arms.for_arm(once, arm) == once
    handed = cfg.stage_settings(arms.of_training(Config(train=EVERY), arm, 4), "train")
    assert arms.for_arm(cfg.load_part(handed).train, arm) == dataclasses.replace(once, seeds=(4,))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"arms": ["car", "car"]}, "train.arms: wanted different values, got car, car"),
        ({"arms": ["cars"]}, "train.arms: wanted one of baseline, car, clean, stillmix, fame"),
        ({"arms": []}, "train.arms: wanted a list"),
        ({"datasets": ["I", "I"]}, "train.datasets: wanted different names, got I, I"),
        ({"alphas": [0.5, 0.5]}, "train.alphas: wanted different values"),
        ({"alphas": [0.0]}, "train.alphas: wanted weights above 0"),
        (
            {"alphas": [1.0]},
            "train.alphas: wanted other weights than train.alpha, 1, which the arm",
        ),
        ({"alpha": 0.0}, "train.alpha: wanted more than 0 for the arm car, got 0"),
        ({"optimizer": {"first_rate": 1.0}}, "train.optimizer.first_rate: wanted at most"),
        ({"optimizer": {"final_rate": 1.0}}, "train.optimizer.final_rate: wanted at most"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_mistakes_are_one_line(values, message):
    with pytest.raises(UserError) as caught:
        cfg.load_part({"train": values})
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_alpha_may_be_0_where_no_arm_uses_it():
    config = cfg.load_part({"train": {"alpha": 0.0, "arms": ["baseline"], "alphas": [0.5]}})
    assert (config.train.alpha, config.train.alphas) == (0.0, (0.5,))
    assert arms.for_arm(config.train, "car_a0.5").alpha == 0.5


@pytest.mark.parametrize("name", ["cars", "car_a", "car_a0", "car_a1e5", "car_a0.50", "car_ainf"])
def test_names_that_are_none(name):
    with pytest.raises(UserError, match=r"train\.arms: wanted one of"):
        arms.for_arm(Train(), name)
