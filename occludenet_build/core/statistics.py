"""How sure a number from so many clips or seeds is, and whether two arms differ on the same clips.

Clips are what is drawn anew: a share of them has a Wilson interval, a mean a bootstrap interval, a
curve a bootstrap band. Every random number is a function of the seed that the caller gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

import numpy as np
from scipy.stats import binomtest

CONFIDENCE = 0.95
RESAMPLES = 2000
"""Percentile intervals need about a thousand."""


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The Wilson interval of a share, as shares; (0, 1) without a trial.

    >>> [round(edge, 3) for edge in wilson(5, 10)]
    [0.237, 0.763]
    """
    if trials == 0:
        return 0.0, 1.0
    interval = binomtest(successes, trials).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p that two arms are right equally often, from the clips where they differ.

    >>> mcnemar(0, 0), mcnemar(1, 9)
    (1.0, 0.021484375)
    """
    differing = only_first + only_second
    return float(binomtest(only_first, differing).pvalue) if differing else 1.0


def one_clip_points(clips: int) -> float | None:
    """Percentage points that one clip more moves an accuracy; None without a clip.

    >>> one_clip_points(53)
    1.8867924528301887
    """
    return 100 / clips if clips else None


def over_seeds(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and the sample's standard deviation, which one seed does not have.

    >>> over_seeds([1.0, 3.0]), over_seeds([2.0])
    ((2.0, 1.4142135623730951), (2.0, None))
    """
    return fmean(values), stdev(values) if len(values) > 1 else None


def bootstrap_ratios(
    sums: np.ndarray, counts: np.ndarray, random: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals of the means sums / counts, both summed over clips: low, high (C,).

    `sums` and `counts` (N, C) float64: what each of N clips adds to each of C points; (N, 1) counts
    are those of all points. Clips are drawn, with everything that was made from them: the scales of
    one source stand and fall together, and all points see the same draws. A draw that leaves a
    point empty has no say in it; nan where all do.
    """
    clips, points = sums.shape
    means = np.full((resamples, points), np.nan)
    for row in means if clips else ():
        # one draw at a time: all at once would be gigabytes for Kinetics' 20,000 clips
        weights = np.bincount(random.integers(0, clips, clips), minlength=clips).astype(float)
        total = weights @ counts
        np.divide(weights @ sums, total, out=row, where=total > 0)
    edges = np.full((2, points), np.nan)
    seen = ~np.isnan(means).all(axis=0)
    if seen.any():
        tail = (1 - CONFIDENCE) / 2
        edges[:, seen] = np.nanquantile(means[:, seen], (tail, 1 - tail), axis=0)
    return edges[0], edges[1]


def bootstrap_mean(
    values: Sequence[float] | np.ndarray, random: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Percentile interval of the mean of `values` (N,); both edges nan without a value."""
    column = np.asarray(values, np.float64).reshape(-1, 1)
    low, high = bootstrap_ratios(column, np.ones_like(column), random, resamples)
    return float(low[0]), float(high[0])
