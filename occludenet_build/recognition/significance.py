"""Tests over several trainings or of measures, and several tests in one table.

McNemar's exact test (accuracy.mcnemar) compares two networks on the same clips. It says nothing of
another training. From SEEDS trainings per arm on, the difference of two arms is tested over seeds:
the two trainings of a seed have the same order of clips and the same first weights, so they are a
pair, and the pairs are what is independent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import ttest_1samp, wilcoxon

SEEDS = 3
"""The fewest trainings per arm for a test over seeds."""


def paired_t(differences: Sequence[float] | np.ndarray) -> float | None:
    """Two-sided p of Student's paired t test: `differences` (n,), one per seed.

    None for fewer than SEEDS, and where all are the same: without variation there is no test.

    >>> paired_t([1.0, 2.0]), paired_t([5.0, 5.0, 5.0])
    (None, None)
    >>> round(paired_t([1.0, 2.0, 3.0]), 4)
    0.0742
    """
    values = np.asarray(differences, np.float64)
    if len(values) < SEEDS or np.ptp(values) < 1e-9:
        return None
    return float(ttest_1samp(values, 0.0).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for their number, in their order (Holm, Scandinavian Journal of Statistics
    6, 1979, 65-70): with them, all decisions at a level hold together at that level.

    The i-th smallest of m is multiplied by m - i + 1, is at least its predecessor and at most 1.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    corrected = np.empty_like(p)
    corrected[order] = stepped
    return corrected.tolist()


def signed_rank(differences: np.ndarray) -> float:
    """Two-sided p of the Wilcoxon signed-rank test; differences of 0 are left out.

    `differences` (N,) float64, a value per clip.

    >>> signed_rank(np.zeros(5)), signed_rank(np.arange(1.0, 7.0))
    (1.0, 0.03125)
    """
    nonzero = differences[differences != 0]
    return float(wilcoxon(nonzero).pvalue) if nonzero.size else 1.0
