"""The shortcut benchmark: background tied to the class in training, crossed in the test."""

from __future__ import annotations

import json
import statistics
import sys
from collections import Counter
from dataclasses import replace

import cv2
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
from occludenet_build.recognition.backbones.scene3d import Scene3D
from occludenet_build.recognition.backbones.tiny3d import Tiny3D

sys.path.insert(0, str(REPO / "benchmarks"))
import shortcut
from parts.shortcut import others
from parts.shortcut.arms import ARMS, BASELINE, CAR, CAR_SWAP, LONG, ORACLE, QUICK, SWAP, Network
from parts.shortcut.outcome import Difference, summary
from parts.shortcut.pictures import Memory, MemoryPixels, erased, holes, missed
from parts.shortcut.pretraining import pretrained
from parts.shortcut.trial import Trial, finished, result_path, trained
from parts.shortcut.world import DILATE, HEIGHT, LABELS, UNTIED, World


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
    scene = background(clip.background, rng(3, clip.name, "background"), HEIGHT, 64)
    return clip, *world.drawn([clip])[0], scene


@pytest.mark.parametrize("fill", ["zero", "mean", "median", "inpaint", "noise", "blur"])
def test_the_actor_goes_and_the_rest_stays(clip, fill):
    one, pictures, masks, _ = clip
    grown = holes(one.name, masks, DILATE)
    other = erased(one.name, pictures, grown, fill)
    assert np.array_equal(grown, [dilate_mask(mask, DILATE) for mask in masks])
    assert np.array_equal(other[~grown], pictures[~grown])
    assert np.abs(other[masks].astype(int) - pictures[masks]).mean() > 10
    assert fill != "zero" or not other[grown].any()


def test_the_median_leaves_the_bare_scenery(clip):
    one, pictures, masks, scene = clip
    other = erased(one.name, pictures, holes(one.name, masks, DILATE), "median")
    error = np.abs(other.astype(int) - scene)
    assert error[masks].mean() < 6, "sensor noise and the figure's faint shadow"
    assert np.abs(pictures.astype(int) - scene)[masks].mean() > 20


def test_the_network_sees_static_content_and_tiny3d_does_not():
    still = torch.rand(2, 3, 1, 48, 48).repeat(1, 1, 8, 1, 1)
    for network, blind in ((Scene3D(5), False), (Tiny3D(5), True)):
        one, other = network.eval()(still)
        assert torch.allclose(one, other) == blind


@pytest.mark.parametrize("toward", [0.0, 1.6, 3.1, 4.7])
def test_a_mask_misses_a_connected_part(clip, toward):
    for mask in clip[2]:
        part = missed(mask, 0.1, toward)
        assert part.sum() == round(0.1 * mask.sum()) and not (part & ~mask).any()
        assert cv2.connectedComponents(part.astype(np.uint8), connectivity=4)[0] == 2
        rows, columns = np.nonzero(mask)
        along = rows * np.sin(toward) + columns * np.cos(toward)
        mine = np.nonzero(part)
        assert np.max(mine[0] * np.sin(toward) + mine[1] * np.cos(toward)) == along.max()
    assert not missed(mask, 0.0, toward).any()


def test_what_a_mask_misses_is_neither_erased_nor_swapped(clip):
    one, pictures, masks, _ = clip
    hole = holes(one.name, masks, DILATE, missing=0.1)
    shown = masks & ~hole
    assert shown.sum() == pytest.approx(0.1 * masks.sum(), rel=0.02)
    assert np.array_equal(erased(one.name, pictures, hole, "median")[shown], pictures[shown])


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


def test_arms_differ_in_what_they_are_named_for():
    long, swap, both = (ARMS[name].settings(12, 0) for name in (LONG, SWAP, CAR_SWAP))
    assert (long.epochs, swap.epochs, both.epochs) == (24, 12, 12)
    assert (long.alpha, swap.alpha, both.alpha) == (0, 0, 1)
    passes = {name: Trial(name, World(0, 0.7), 12).passes for name in (LONG, SWAP, CAR_SWAP, CAR)}
    assert passes == {LONG: 2, SWAP: 1, CAR_SWAP: 2, CAR: 2}
    assert [ARMS[name].swaps for name in (BASELINE, CAR, SWAP, CAR_SWAP)] == [0, 0, 1, 1]
    assert {ARMS[name].fill for name in (SWAP, CAR_SWAP)} == {"median"}


def test_a_row_names_its_pictures_and_its_counterfactual():
    one = World(3, 0.7, train=1).training()[0]
    source, hole = Memory(2), np.zeros((3, 2, 2), bool)
    hole[1] = True
    pictures, empty = np.zeros((3, 2, 2, 3), np.uint8), np.ones((3, 2, 2, 3), np.uint8)
    row = source.put(one, pictures, hole, empty)
    assert source.of(row.file, [0, 2]).shape == (2, 2, 2, 3)
    assert row.erased_file is not None
    assert source.of(row.erased_file, [1]).all()
    view = MemoryPixels(source).of(row, [1, 0], 2, 2)
    assert view.actor[0].all() and not view.actor[1].any()
    assert source.put(one, pictures, hole, None).erased_file is None


@pytest.mark.parametrize("arm", [BASELINE, SWAP, CAR_SWAP])
def test_an_arm_is_trained(arm):
    torch.set_num_threads(1)
    model, state, seconds = trained(Trial(arm, World(5, 0.7, train=4), 1))
    assert len(state.rows) == 1 and state.rows[0]["clips"] == 20 and seconds > 0
    assert (state.rows[0]["kl"] > 0) == (arm == CAR_SWAP)
    assert model(torch.zeros(1, 3, 8, 48, 48)).shape == (1, len(LABELS))


def test_a_network_is_trained_before_on_what_no_trial_has(tmp_path, caplog):
    torch.set_num_threads(1)
    small = World(5, 0.7, train=4)
    network = pretrained(Network(), small, 1, tmp_path)
    assert set(others.ACTIONS).isdisjoint(LABELS)
    assert set(others.BACKGROUNDS).isdisjoint(TIED.values())
    again = pretrained(Network(), small, 1, tmp_path)
    assert again == network and len(list(tmp_path.iterdir())) == 1, "it is kept"
    start, other = (Trial(BASELINE, small, 1, one) for one in (network, Network()))
    assert start.key() != other.key()
    given = torch.load(network.weights, weights_only=True)["model"]
    assert given and not any(name.startswith("head.") for name in given)
    with caplog.at_level("INFO"):
        trained(start)
    assert "the head starts with random weights" in caplog.text


def test_other_actions_are_drawn_before_other_sceneries():
    other = World(5, 0.7, train=1, others=True)
    clips = other.training()
    assert {clip.label for clip in clips} == set(others.ACTIONS)
    pictures, masks = other.drawn(clips[:1])[0]
    assert pictures.shape == (12, 48, 64, 3) and masks.any(axis=(1, 2)).all()


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
    "swap_minus_baseline_mean",
    "car_swap_minus_swap_mean",
    "car_swap_wins",
)
RESULT = dict.fromkeys(
    ("own", "scenery", "without_actor", "tde", "tde_own", "train_top1", "kl", "passes"), 1.0
) | {"cpu_seconds": 2.0}
ABOVE = {BASELINE: 0.0, CAR: -2.0, SWAP: 20.0, CAR_SWAP: 23.0}


def quick_trials(seeds: int = 3) -> list[Trial]:
    world = replace(World(shortcut.FIRST, shortcut.TIED), **shortcut.QUICK_WORLD)
    return shortcut.planned(QUICK, seeds, world, shortcut.QUICK_EPOCHS, Network())


def test_finished_trials_are_read_and_summed_up(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["shortcut.py", "--quick", "--results", str(tmp_path)])
    trials = quick_trials()
    assert [trial.world.seed for trial in trials[:: len(QUICK)]] == [100, 101, 102]
    for trial in trials:
        crossed = 40.0 + trial.world.seed + ABOVE[trial.arm]
        own = 90.0 - 0.5 * (trial.arm == SWAP)
        files.write_json(result_path(trial, tmp_path), RESULT | {"crossed": crossed, "own": own})
    assert shortcut.main() == 0
    lines = capsys.readouterr().out.splitlines()
    said = json.loads(lines[-1])
    wanted = [3, 141.0, 139.0, -2.0, 0.0, 20.0, 3.0, 3]
    assert [said[name] for name in WANTED] == wanted, "a loss is said"
    assert said["own_minus_baseline_mean"] == {CAR: 0.0, SWAP: -0.5, CAR_SWAP: 0.0}
    assert said["read"] == 12 and said["long_mean"] is said["oracle_mean"] is None
    assert (said["setting"]["fill"], said["setting"]["tied"]) == ("zero", shortcut.TIED)
    assert any("12 of 12 trials were finished earlier" in line for line in lines)


def test_another_setting_is_another_trial(tmp_path):
    trial = Trial(CAR, World(0, 0.7), 12)
    files.write_json(result_path(trial, tmp_path), {"crossed": 1.0})
    assert finished(trial, tmp_path) == {"crossed": 1.0}
    for other in (
        Trial(CAR, World(0, 0.8), 12),
        Trial(CAR, World(1, 0.7), 12),
        Trial(CAR, World(0, 0.7, missing=0.1), 12),
        Trial(CAR, World(0, 0.7), 13),
        Trial(CAR, World(0, 0.7), 12, Network(weights_sha256="a")),
        Trial(BASELINE, World(0, 0.7), 12),
        Trial("car + swap, fill median, own", World(0, 0.7), 12),
    ):
        assert finished(other, tmp_path) is None
    moved = Trial(CAR, World(0, 0.7), 12, Network(weights="elsewhere"))
    assert moved.key() == trial.key(), "the content of the weights counts, not their place"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--weights", "nothing.pt"], "wanted a file"),
        (["--weights", __file__, "--pretrained"], "got both"),
    ],
)
def test_wrong_weights_are_one_line(tmp_path, monkeypatch, caplog, options, says):
    monkeypatch.setattr(sys, "argv", ["shortcut.py", "--results", str(tmp_path), *options])
    assert shortcut.main() == 2
    assert says in caplog.text


def test_the_summary_names_the_oracle_and_the_variants():
    results = {
        name: [RESULT | {"crossed": 10.0}, RESULT | {"crossed": 20.0 + n}]
        for n, name in enumerate(ARMS)
    }
    said = summary(results)
    assert set(WANTED) <= said.keys()
    assert said["oracle_mean"] == (30 + list(ARMS).index(ORACLE)) / 2
    assert list(said["variants_minus_baseline_mean"]) == [
        name for name in ARMS if name not in (BASELINE, CAR, ORACLE)
    ]
