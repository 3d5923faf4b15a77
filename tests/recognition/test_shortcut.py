"""The shortcut benchmark: background tied to the class in training, crossed in the test."""

from __future__ import annotations

import json
import statistics
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from conftest import REPO

from demo.world.plan import TIED
from demo.world.scenery import background
from occludenet_build.config.occlusion import Counterfactual
from occludenet_build.config.training import Train
from occludenet_build.core import files
from occludenet_build.core.seeds import rng
from occludenet_build.occlusion.counterfactual import dilate_mask
from occludenet_build.recognition.backbones.tiny3d import Tiny3D

sys.path.insert(0, str(REPO / "benchmarks"))
import shortcut
from parts.shortcut import world as worlds
from parts.shortcut.arms import ARMS, BASELINE, CAR, ORACLE
from parts.shortcut.network import SceneAndMovement
from parts.shortcut.outcome import Difference, summary
from parts.shortcut.trial import Trial, finished, result_path
from parts.shortcut.world import UNTIED, Memory, World, erased


@pytest.mark.parametrize(("tied", "own"), [(0.7, 28), (0.9, 36), (1.0, 40), (UNTIED, 8)])
def test_training_shows_each_action_before_its_own_scenery_in_the_share_that_is_asked(tied, own):
    seen = Counter((clip.label, clip.background) for clip in World(3, tied).training())
    for label, scenery in TIED.items():
        assert seen[label, scenery] == own
        others = [seen[label, other] for other in TIED.values() if other != scenery]
        assert sum(others) == 40 - own
        assert max(others) - min(others) <= 1


@pytest.mark.parametrize("crossed", [1, 2, 4])
def test_the_test_crosses_what_training_ties(crossed):
    clips = World(3, 0.7, test=8, crossed=crossed).testing()
    own = [clip for clip in clips if clip.background == TIED[clip.label]]
    other = [clip for clip in clips if clip.background != TIED[clip.label]]
    assert (len(own), len(other)) == (40, 40 * crossed)
    assert Counter(clip.name for clip in other) == {clip.name: crossed for clip in own}
    assert len({(clip.name, clip.background) for clip in clips}) == len(clips)
    before = Counter((clip.label, clip.background) for clip in other)
    assert set(before.values()) == {2 * crossed}, "each other scenery as often"
    assert {clip.name for clip in clips}.isdisjoint(c.name for c in World(3, 0.7).training())


def test_the_figure_moves_alike_before_every_scenery():
    world = World(3, 0.7, test=1, crossed=1)
    one, other = world.drawn(world.testing()[:2])
    assert np.array_equal(one[1], other[1])
    assert np.abs(one[0].astype(int) - other[0]).mean() > 10


@pytest.fixture(scope="module")
def clip():
    """A clip, its pictures, its masks, and its scenery without the figure."""
    world = World(3, 0.7, test=1, crossed=1)
    clip = world.testing()[0]
    scene = background(clip.background, rng(3, clip.name, "background"), *worlds_size())
    return clip, *world.drawn([clip])[0], scene


def worlds_size() -> tuple[int, int]:
    return worlds.HEIGHT, worlds.WIDTH


@pytest.mark.parametrize("fill", ["zero", "mean", "median", "inpaint", "noise", "blur"])
def test_the_actor_goes_and_the_rest_stays(clip, fill):
    one, pictures, masks, _ = clip
    other = erased(one.name, pictures, masks, fill)
    grown = np.stack([dilate_mask(mask, worlds.DILATE) for mask in masks])
    assert np.array_equal(other[~grown], pictures[~grown])
    assert np.abs(other[masks].astype(int) - pictures[masks]).mean() > 10
    assert fill != "zero" or not other[grown].any()


def test_the_median_leaves_the_bare_scenery(clip):
    one, pictures, masks, scene = clip
    other = erased(one.name, pictures, masks, "median")
    error = np.abs(other.astype(int) - scene)
    assert error[masks].mean() < 6, "sensor noise and the figure's faint shadow"
    assert np.abs(pictures.astype(int) - scene)[masks].mean() > 20


def test_the_network_sees_static_content_and_tiny3d_does_not():
    still = torch.rand(2, 3, 1, 48, 48).repeat(1, 1, 8, 1, 1)
    for network, blind in ((SceneAndMovement(5), False), (Tiny3D(5), True)):
        one, other = network.eval()(still)
        assert torch.allclose(one, other) == blind


def test_car_is_the_product_s_and_the_baseline_lacks_its_loss_only():
    car, baseline = (ARMS[name].settings(12, 0) for name in (CAR, BASELINE))
    usual = Train()
    assert (car.alpha, car.causal_term) == (usual.alpha, usual.causal_term)
    assert (car.detach_counterfactual, car.empty_masks) == (False, "drop")
    assert ARMS[CAR].fill == Counterfactual().fill
    assert baseline.alpha == 0
    differing = {n for n in vars(car) if getattr(car, n) != getattr(baseline, n)}
    assert differing == {"alpha", "arms"}
    assert ARMS[ORACLE].settings(12, 0) == baseline


def test_a_row_names_its_pictures_and_its_counterfactual():
    one = World(3, 0.7, train=1).training()[0]
    source = Memory()
    row = source.put(one, np.zeros((3, 2, 2, 3), np.uint8), np.ones((3, 2, 2, 3), np.uint8))
    assert source.of(row.file, [0, 2]).shape == (2, 2, 2, 3)
    assert row.erased_file is not None
    assert source.of(row.erased_file, [1]).all()
    assert source.put(one, np.zeros((3, 2, 2, 3), np.uint8), None).erased_file is None


def test_differences_are_paired_by_seed():
    d = Difference.of([50.0, 61.0, 69.0], [40.0, 60.0, 71.0])
    assert (d.mean, d.wins, d.losses) == (3.0, 2, 1)
    assert d.sd == pytest.approx(statistics.stdev([10, 1, -2]))
    t = 3 / (d.sd / 3**0.5)  # of two degrees of freedom, whose p is in closed form
    assert d.t_test == pytest.approx(1 - t / (t**2 + 2) ** 0.5)
    assert d.sign_test == 1.0
    equal = Difference.of([1.0, 2.0], [1.0, 2.0])
    assert (equal.mean, equal.sd, equal.t_test, equal.sign_test) == (0.0, 0.0, None, 1.0)


WANTED = (
    "seeds",
    "baseline_mean",
    "car_mean",
    "car_minus_baseline_mean",
    "car_minus_baseline_sd",
)


def test_finished_trials_are_read_and_summed_up(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["shortcut.py", "--quick", "--results", str(tmp_path)])
    trials = shortcut.planned(shortcut.QUICK, range(3), shortcut.TIED, quick=True)
    for trial in trials:
        crossed = 40.0 + trial.world.seed + (0 if trial.arm == BASELINE else -2)
        found = dict.fromkeys(("own", "scenery", "without_actor", "train_top1", "kl"), 1.0)
        files.write_json(result_path(trial, tmp_path), {"crossed": crossed, **found})
    shortcut.main()
    lines = capsys.readouterr().out.splitlines()
    said = json.loads(lines[-1])
    assert [said[name] for name in WANTED] == [3, 41.0, 39.0, -2.0, 0.0], "a loss is said"
    assert said["read"] == 6
    assert (said["setting"]["fill"], said["setting"]["tied"]) == ("zero", shortcut.TIED)
    assert any("6 of 6 trials were finished earlier" in line for line in lines)


def test_another_setting_is_another_trial(tmp_path):
    trial = Trial(CAR, World(0, 0.7), 12)
    files.write_json(result_path(trial, tmp_path), {"crossed": 1.0})
    assert finished(trial, tmp_path) == {"crossed": 1.0}
    for other in (
        Trial(CAR, World(0, 0.8), 12),
        Trial(CAR, World(1, 0.7), 12),
        Trial(CAR, World(0, 0.7), 13),
        Trial(BASELINE, World(0, 0.7), 12),
    ):
        assert finished(other, tmp_path) is None


def test_the_summary_names_the_oracle_and_the_variants():
    results = {name: [{"crossed": 10.0}, {"crossed": 20.0 + n}] for n, name in enumerate(ARMS)}
    said = summary(results)
    assert set(WANTED) <= said.keys()
    assert said["oracle_mean"] == 16.0
    assert list(said["variants_minus_baseline_mean"]) == [
        name for name in ARMS if name not in (BASELINE, CAR, ORACLE)
    ]
