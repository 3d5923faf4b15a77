"""Tests over seeds against scipy's paired test, and Holm's correction against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_rel

from occludenet_build.core.seeds import rng
from occludenet_build.recognition.significance import SEEDS, holm, paired_t


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_the_paired_test_is_scipys(seeds):
    first, second = rng(1, str(seeds)).normal(70, 3, (2, seeds))
    assert paired_t(first - second) == pytest.approx(ttest_rel(first, second).pvalue)


@pytest.mark.parametrize("points", [[], [1.0], [1.0, 2.0], [4.0] * 5, [0.1 + 0.2, 0.3, 0.3]])
def test_without_seeds_or_variation_there_is_no_test(points):
    assert paired_t(points) is None and SEEDS == 3


def test_holm_by_its_definition():
    """A corrected p is the smallest level at which the stepwise test rejects the hypothesis."""
    p = rng(2, "p").random(6).round(2) / 4
    levels = np.linspace(0, 1, 20001)
    for number, corrected in enumerate(holm(p)):
        rejecting = [level for level in levels if number in rejected(p, level)]
        smallest = min(rejecting, default=1.0)
        assert corrected == pytest.approx(smallest, abs=2e-4)


def rejected(p: np.ndarray, level: float) -> set[int]:
    found: set[int] = set()
    for step, number in enumerate(np.argsort(p, kind="stable")):
        if p[number] > level / (len(p) - step):
            break
        found.add(int(number))
    return found


def test_holm_of_one_and_of_none():
    assert holm([0.2]) == [0.2] and holm([]) == [] and holm([0.9, 0.8]) == [1.0, 1.0]


def test_holm_keeps_the_error_of_a_whole_table():
    """Of 400 tables of 12 p values without any effect about 5 % have a corrected p below 0.05."""
    tables = rng(3, "tables").random((400, 12))
    share = np.mean([min(holm(table)) < 0.05 for table in tables])
    assert share < 0.09 < np.mean(tables.min(axis=1) < 0.05)
