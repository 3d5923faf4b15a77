"""How sure numbers are: against exact small cases, and how often intervals hold the truth."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import bootstrap

from occludenet_build.core.seeds import rng
from occludenet_build.core.statistics import (
    bootstrap_mean,
    bootstrap_ratios,
    mcnemar,
    one_clip_points,
    over_seeds,
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
    """Every way in which the differing clips could have fallen, each as likely."""
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
    """Of 0 and 1 the resampled mean is 0, 1/2 or 1; the outer two have a quarter each."""
    assert bootstrap_mean([0, 1], rng(1)) == (0.0, 1.0)
    assert bootstrap_mean([3.0] * 9, rng(1)) == (3.0, 3.0)
    assert np.isnan(bootstrap_mean([], rng(1))).all()


def test_the_mean_as_scipy_has_it():
    values = rng(3, "values").normal(2, 1, 40)
    theirs = bootstrap((values,), np.mean, method="percentile", rng=rng(3), n_resamples=4000)
    ours = bootstrap_mean(values, rng(4), 4000)
    assert ours == pytest.approx(theirs.confidence_interval, abs=0.02)


def test_intervals_hang_on_the_seed_alone():
    values = rng(0, "values").random(30)
    assert bootstrap_mean(values, rng(5)) == bootstrap_mean(list(values), rng(5))
    assert bootstrap_mean(values, rng(5)) != bootstrap_mean(values, rng(6))


def test_coverage_of_the_mean():
    """95 % intervals of 60 coins hold the true share about 95 times of 100."""
    random = rng(11, "worlds")
    worlds = (random.random((200, 60)) < 0.7).astype(float)
    edges = [bootstrap_mean(world, rng(11, str(n)), 300) for n, world in enumerate(worlds)]
    held = np.mean([low <= 0.7 <= high for low, high in edges])
    assert 0.90 <= held <= 0.98


def test_scales_of_one_source_are_drawn_together():
    """Ten rows that all say the same of their source are worth one row, not ten."""
    values = rng(2, "values").random(30)
    one = bootstrap_ratios(values[:, None], np.ones((30, 1)), rng(3), 500)
    ten = bootstrap_ratios(10 * values[:, None], np.full((30, 1), 10.0), rng(3), 500)
    apart = bootstrap_mean(np.repeat(values, 10), rng(3), 500)
    assert np.allclose(one, ten)
    assert apart[1] - apart[0] < 0.5 * (one[1] - one[0])[0]
