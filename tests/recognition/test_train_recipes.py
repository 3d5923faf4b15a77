"""The ready configurations, read as Snakemake merges them."""

import math

import pytest
import torch
import yaml
from conftest import REPO

from occludenet_build import config as cfg
from occludenet_build.config import arms
from occludenet_build.config.protocols import IBM_STUDY, with_protocol
from occludenet_build.config.recognition import Evaluate
from occludenet_build.recognition.backbones.registry import BACKBONES, input_of
from occludenet_build.recognition.optim import learning_rate
from occludenet_build.release.cnn_study import mini_kinetics_run

RECIPES = {
    name: recipe
    for name, recipe in sorted(
        (path.stem, yaml.safe_load(path.read_text())) for path in REPO.glob("recipes/*.yaml")
    )
    if "train" in recipe
}
"""The recipes of trainings; those of whole builds are in tests/workflow/test_recipes.py."""
MINE = {"detect": {"backend": "motion"}, "actor_masks": {"backend": "grabcut"}}


def merged(*names):
    """Merge as Snakemake does with several --configfile: the later one wins, key by key."""

    def into(one, other):
        for key, value in other.items():
            both = isinstance(value, dict) and isinstance(one.get(key), dict)
            one[key] = into(dict(one[key]), value) if both else value
        return one

    whole = dict(MINE)
    for name in names:
        whole = into(whole, RECIPES[name])
    return cfg.load(whole)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_loads_and_its_head_says_how(name):
    config = merged(name)
    own = BACKBONES[config.train.backbone].input.frames
    assert input_of(config.train).frames == RECIPES[name]["train"].get("frames", own)
    if not name.startswith("ibm_"):  # the study has 8 to 64 frames of each network
        assert input_of(config.train).frames == own
    head = (REPO / f"recipes/{name}.yaml").read_text().split("\ntrain:")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    assert "snakemake --configfile mine.yaml" in head and f"recipes/{name}.yaml" in head
    for line in head.splitlines():
        for used in (word for word in line.split() if word.startswith("recipes/")):
            assert (REPO / used).is_file()


def test_what_the_paper_states():
    config = merged("car_uniformerv2_d").train
    assert (config.backbone, config.epochs, config.alpha) == ("uniformerv2_b16", 5, 1.0)
    assert arms.names(config) == ["baseline", "car"]
    for epochs in (5, 10):
        for model in ("x3d_s", "uniformerv2_b", "videomamba_m"):
            train = merged(model, f"car_s{epochs}").train
            assert (train.epochs, train.alpha) == (epochs, 1.0)
    sweep = merged("car_uniformerv2_d", "alpha_sweep").train
    alphas = {arms.for_arm(sweep, arm).alpha for arm in arms.names(sweep)}
    assert alphas == {0, 0.5, 1, 2} and len(sweep.seeds) == 3
    table_4 = merged("car_uniformerv2_d", "comparators").train
    assert arms.names(table_4) == ["baseline", "car", "stillmix", "fame"]


@pytest.mark.parametrize(
    ("name", "epochs", "warmup", "rate"),
    [("uniformerv2_clip", 55, 5, 1e-5), ("uniformerv2_clip_k710", 5, 1, 2e-6)],
)
def test_uniformerv2s_own_rows(name, epochs, warmup, rate):
    train = merged(name).train
    assert (train.epochs, train.warmup_epochs, train.learning_rate) == (epochs, warmup, rate)
    recipe = train.optimizer
    assert train.batch * recipe.accumulate == 256
    assert (recipe.first_rate, recipe.final_rate, train.clip_gradient) == (1e-6, 1e-6, 20)
    assert math.isclose(train.weight_decay, 0.05) and train.precision == "fp16"


def test_car_on_d_is_uniformerv2s_recipe_and_the_papers_arms():
    car, own = RECIPES["car_uniformerv2_d"], RECIPES["uniformerv2_clip_k710"]
    assert car["evaluate"] == own["evaluate"]
    assert own["train"].items() <= car["train"].items()


def test_every_default_that_a_recipe_of_car_writes_out_is_the_default():
    usual = cfg.Train()
    for name, value in RECIPES["car_uniformerv2_d"]["train"].items():
        if name in ("causal_term", "counterfactual_forward", "empty_masks") or "detach" in name:
            assert value == getattr(usual, name)


STUDY = ["ibm_i3d", "ibm_s3d", "ibm_tsn", "ibm_tam", "ibm_resnet3d", "ibm_r2plus1d"]
"""The families of the CNN study."""


@pytest.mark.parametrize("name", STUDY)
def test_the_study_trains_its_families_alike(name):
    recipe, other = RECIPES[name], RECIPES["ibm_i3d"]
    assert recipe["evaluate"] == other["evaluate"]
    own = {"backbone", "batch", "inflation", "dropout"}
    assert {k: v for k, v in recipe["train"].items() if k not in own} == {
        k: v for k, v in other["train"].items() if k not in own
    }
    config = merged(name)
    run = mini_kinetics_run(config.train.backbone, 8, temporal_stride=False)
    if config.train.backbone in IBM_STUDY:
        assert (run.batch, run.epochs) == (config.train.batch, config.train.epochs)
        of_3d = name in ("ibm_i3d", "ibm_s3d")
        assert config.train.inflation == ("repeated" if of_3d else "divided")
        assert config.train.dropout == 0.5
    else:
        assert run is None and "ours" in (REPO / f"recipes/{name}.yaml").read_text()
    published = with_protocol(Evaluate(sampling="published"), "ibm_i3d_resnet50", 0)
    for setting in RECIPES[name]["evaluate"]:
        assert getattr(config.evaluate, setting) == getattr(published, setting)


def test_the_study_goes_on_with_more_frames():
    first, more = merged("ibm_i3d").train, merged("ibm_i3d", "ibm_more_frames").train
    assert (more.frames, more.epochs, more.optimizer.steps) == (16, 45, (15, 30))
    run = mini_kinetics_run("ibm_i3d_resnet50", 16, temporal_stride=False)
    assert (run.schedule, run.batch, run.epochs) == ("multisteps", more.batch, more.epochs)
    kept = ("name", "momentum", "nesterov", "decay", "per_epoch")
    assert all(getattr(first.optimizer, n) == getattr(more.optimizer, n) for n in kept)
    assert (more.augment, more.sampling, more.warmup_epochs) == (first.augment, "ibm", 0)


def test_the_dense_input_is_that_of_the_released_networks():
    config = merged("ibm_tam", "ibm_dense32")
    seen = input_of(config.train)
    assert (seen.frames, seen.stride) == (32, 2)
    published = with_protocol(Evaluate(sampling="published"), "ibm_tam_resnet50", seen.stride)
    assert config.evaluate == published


@pytest.mark.parametrize("names", [["ibm_tsn"], ["ibm_tsn", "ibm_more_frames"]])
def test_the_rates_of_the_study_are_torchs_schedules_by_epoch(names):
    train = merged(*names).train
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.01)
    theirs = torch.optim.lr_scheduler
    if len(names) == 1:
        schedule = theirs.CosineAnnealingLR(optimizer, T_max=train.epochs)
    else:
        schedule = theirs.MultiStepLR(optimizer, [15, 30, 45], gamma=0.1)
    for epoch in range(train.epochs):
        for step in (3 * epoch, 3 * epoch + 2):
            wanted = schedule.get_last_lr()[0]
            assert math.isclose(learning_rate(step, 3, train), wanted, abs_tol=1e-12)
        optimizer.step()
        schedule.step()
