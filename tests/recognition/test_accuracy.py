"""Accuracies and intervals: exact small cases, and the coverage of intervals."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap

from occludenet_build.core.seeds import rng
from occludenet_build.recognition.accuracy import (
    Accuracy,
    accuracy_by_set,
    bootstrap_mean,
    bootstrap_ratios,
    compare_answers,
    mcnemar,
    one_clip_points,
    over_seeds,
    summarise_sets,
    wilson,
)


@pytest.mark.parametrize(("right", "clips"), [(0, 5), (13, 53), (50, 50), (1, 108)])
def test_wilson_against_its_formula(right, clips):
    z, share = 1.959963984540054, right / clips
    middle = (share + z**2 / (2 * clips)) / (1 + z**2 / clips)
    half = z / (1 + z**2 / clips) * (share * (1 - share) / clips + z**2 / (4 * clips**2)) ** 0.5
    assert wilson(right, clips) == pytest.approx((middle - half, middle + half))


def test_wilson_without_a_clip_says_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("first", "second"), [(0, 3), (2, 5), (4, 4), (0, 1)])
def test_mcnemar_by_counting_all_outcomes(first, second):
    """Exact p from all equally likely outcomes of the differing clips."""
    number = first + second
    outcomes = [sum(coins) for coins in product((0, 1), repeat=number)]
    away = abs(first - number / 2)
    extreme = sum(abs(heads - number / 2) >= away for heads in outcomes)
    assert mcnemar(first, second) == pytest.approx(extreme / 2**number)


def test_points_and_seeds():
    assert one_clip_points(345) == pytest.approx(0.28986, abs=1e-5) and one_clip_points(0) is None
    assert over_seeds([70.0, 72.0, 77.0]) == pytest.approx((73.0, 13**0.5))
    assert over_seeds([70.0]) == (70.0, None)


def test_the_mean_of_two_values_exactly():
    """The resampled mean of 0 and 1 is 0, 1/2 or 1, with probabilities 1/4, 1/2 and 1/4."""
    assert bootstrap_mean([0, 1], rng(1)) == (0.0, 1.0)
    assert bootstrap_mean([3.0] * 9, rng(1)) == (3.0, 3.0)
    assert np.isnan(bootstrap_mean([], rng(1))).all()


def test_the_mean_as_scipy_has_it():
    values = rng(3, "values").normal(2, 1, 40)
    theirs = bootstrap((values,), np.mean, method="percentile", rng=rng(3), n_resamples=4000)
    ours = bootstrap_mean(values, rng(4), 4000)
    assert ours == pytest.approx(theirs.confidence_interval, abs=0.02)


def test_intervals_depend_on_the_seed_only():
    values = rng(0, "values").random(30)
    assert bootstrap_mean(values, rng(5)) == bootstrap_mean(list(values), rng(5))
    assert bootstrap_mean(values, rng(5)) != bootstrap_mean(values, rng(6))


def test_coverage_of_the_mean():
    """95 % intervals of 60 coins contain the true share about 95 times of 100."""
    random = rng(11, "worlds")
    worlds = (random.random((200, 60)) < 0.7).astype(float)
    edges = [bootstrap_mean(world, rng(11, str(n)), 300) for n, world in enumerate(worlds)]
    held = np.mean([low <= 0.7 <= high for low, high in edges])
    assert 0.90 <= held <= 0.98


@pytest.mark.parametrize("clips", [1, 2, 5, 30, 1000])
def test_intervals_at_none_and_all_are_wilsons(clips):
    for right in (0.0, 1.0):
        edges = bootstrap_mean([right] * clips, rng(1), 50, bounds=(0, 1))
        assert edges == pytest.approx(wilson(round(right * clips), clips))
        assert edges[1] - edges[0] > 0
    assert bootstrap_mean([50.0] * clips, rng(1), 50, (0, 100))[0] < 50


@pytest.mark.parametrize("clips", [1, 12])
def test_differences_that_all_clips_share_have_tangos_interval(clips):
    """The score interval of a difference of paired shares where all pairs are of one kind."""
    z2 = 1.959963984540054**2
    none = bootstrap_mean([0.0] * clips, rng(1), 50, bounds=(-1, 1))
    every = bootstrap_mean([1.0] * clips, rng(1), 50, bounds=(-1, 1))
    assert none == pytest.approx((-z2 / (clips + z2), z2 / (clips + z2)))
    assert every == pytest.approx(((clips - z2) / (clips + z2), 1.0))


def test_only_intervals_without_a_width_are_widened():
    values = rng(3, "values").random((20, 4)).round()
    values[:, 2] = 1
    counts = np.ones((20, 1))
    plain, wide = (bootstrap_ratios(values, counts, rng(4), 200, b) for b in (None, (0, 1)))
    others = [0, 1, 3]
    assert all(np.array_equal(a[others], b[others]) for a, b in zip(plain, wide, strict=True))
    assert plain[0][2] == 1 and wide[0][2] == pytest.approx(wilson(20, 20)[0])


def test_the_clips_of_a_point_are_those_that_it_has():
    counts = np.array([[1.0, 0.0], [3.0, 0.0], [2.0, 1.0]])
    low, high = bootstrap_ratios(counts, counts, rng(1), 50, (0, 1))
    assert low == pytest.approx([wilson(3, 3)[0], wilson(1, 1)[0]]) and high.tolist() == [1, 1]


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95, 0.98, 1.0])
@pytest.mark.parametrize("clips", [2, 5, 20, 60])
def test_coverage_near_the_ends(clips, share):
    """In 500 data sets of few clips with three rows each, 9 of 10 intervals contain the truth."""
    worlds = 3.0 * (rng(5, "worlds", str(clips), str(share)).random((clips, 500)) < share)
    low, high = bootstrap_ratios(worlds, np.full((clips, 500), 3.0), rng(6), 200, (0, 1))
    held = ((low <= share) & (share <= high)).mean()
    assert held >= 0.9, held


def test_a_plain_bootstrap_of_few_clips_near_the_end_does_not_hold_the_truth():
    worlds = (rng(5, "worlds").random((20, 500)) < 0.98).astype(float)
    low, high = bootstrap_ratios(worlds, np.ones((20, 1)), rng(6), 200)
    assert ((low <= 0.98) & (high >= 0.98)).mean() < 0.5


def test_accuracies_by_set_in_the_order_of_the_scales():
    marks = [("S", None, 1), ("D-50", 0.5, 0), ("clean", 0.0, 1), ("clean", 0.0, 0)]
    rows = [{"set": name, "scale": scale, "top1": right, "top5": 1} for name, scale, right in marks]
    found = accuracy_by_set(rows)
    assert [(one.set, one.scale) for one in found] == [("clean", 0.0), ("D-50", 0.5), ("S", None)]
    assert (found[0].top1, found[0].top5) == (Accuracy(1, 2), Accuracy(2, 2))
    assert found[0].top1.percent == 50 and found[0].top1.interval == wilson(1, 2)
    assert [entry["n"] for entry in summarise_sets(pd.DataFrame(rows))] == [2, 1, 1]


def test_two_models_on_the_same_clips():
    two = compare_answers(pd.Series([True, True, False, True]), pd.Series([0.0, 1.0, 1.0, 0.0]))
    assert (two.only_first, two.only_second, two.points, two.p) == (2, 1, 25.0, 1.0)
    with pytest.raises(ValueError, match="the same clips"):
        compare_answers(pd.Series([True]), pd.Series([True, False]))


def test_scales_of_one_source_are_drawn_together():
    """Ten rows of one source clip with the same value count as one row."""
    values = rng(2, "values").random(30)
    one = bootstrap_ratios(values[:, None], np.ones((30, 1)), rng(3), 500)
    ten = bootstrap_ratios(10 * values[:, None], np.full((30, 1), 10.0), rng(3), 500)
    apart = bootstrap_mean(np.repeat(values, 10), rng(3), 500)
    assert np.allclose(one, ten)
    assert apart[1] - apart[0] < 0.5 * (one[1] - one[0])[0]
