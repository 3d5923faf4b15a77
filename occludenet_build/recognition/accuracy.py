"""Accuracies, their intervals, and comparisons of models on the same clips.

evaluate, predictions, report, paper and attention compute their numbers with this module.
Accuracies are shares from 0 to 1, float64, unless a name says percent or points. Intervals are
95 % intervals.

The bootstrap draws groups of clips that are not independent (recognition.groups); in most sets each
clip is a group. A share of clips has a Wilson interval, and where there are fewer groups than clips
a bootstrap interval beside it; a mean and a point of a curve have a bootstrap interval, drawn with
the caller's generator (core.seeds.rng).

Top-5 of a model that knows at most TOP classes is always right; `tells_top5` checks for this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from occludenet_build.core.seeds import rng
from occludenet_build.recognition.groups import groups_of, sums_by_group

CONFIDENCE = 0.95
RESAMPLES = 2000
"""Number of bootstrap draws; percentile intervals need about a thousand."""
TOP = 5
"""Number of labels that top-5 counts."""
METRICS = {"top-1": "top1", "top-5": "top5"}
"""Column in a table of predictions, by the name of the accuracy."""
SHARES = (0.0, 1.0)
"""Smallest and largest possible accuracy."""
DIFFERENCES = (-1.0, 1.0)
"""Smallest and largest possible difference of two accuracies."""


# one clip


def rank_logits(logits: Sequence[float], labels: Sequence[str], label: str) -> dict[str, Any]:
    """The columns predicted (str), top1 and top5 (bool) of one clip.

    `logits`: K floats in the order of `labels`. Of equal logits the first counts as larger.

    >>> rank_logits([0.1, 0.7, 0.2], ["run", "sit", "hop"], "hop")
    {'predicted': 'sit', 'top1': False, 'top5': True}
    """
    order = sorted(range(len(labels)), key=lambda position: -logits[position])[:TOP]
    best = [labels[position] for position in order]
    return {"predicted": best[0], "top1": best[0] == label, "top5": label in best}


def tells_top5(classes: int) -> bool:
    """Whether top-5 of a model with this number of classes can be wrong.

    >>> tells_top5(5), tells_top5(6)
    (False, True)
    """
    return classes > TOP


# a set of clips


@dataclass(frozen=True)
class Accuracy:
    """Number of clips recognised, of at least one clip."""

    right: int
    """Clips with a correct prediction."""
    clips: int
    """All clips."""
    groups: int | None = field(default=None, compare=False)
    """Number of groups of clips that are not independent; None where the clips are not known."""
    by_group: tuple[float, float] | None = field(default=None, compare=False)
    """Low and high end of the bootstrap interval that draws groups, as shares; None where every
    group is one clip."""

    @classmethod
    def of(
        cls,
        answers: Sequence[Any] | np.ndarray | pd.Series,
        groups: Sequence[str] | pd.Series | None = None,
    ) -> Accuracy:
        """The accuracy of `answers` (N,): bool, or 0 and 1, one per clip; `groups` (N,): theirs."""
        values = np.asarray(answers, np.float64)
        counted = (int(values.sum()), len(values))
        if groups is None:
            return cls(*counted)
        number = len(set(groups))
        return cls(
            *counted, number, None if number == len(values) else group_interval(values, groups)
        )

    @property
    def share(self) -> float:
        """Share of the clips, 0 to 1."""
        return self.right / self.clips

    @property
    def percent(self) -> float:
        """Percent of the clips, 0 to 100."""
        return 100 * self.right / self.clips

    @property
    def interval(self) -> tuple[float, float]:
        """Low and high end of the Wilson interval, as shares."""
        return wilson(self.right, self.clips)


@dataclass(frozen=True)
class SetAccuracy:
    """A model's accuracies on one set."""

    set: str
    scale: float | None
    """Size of the occluder relative to the actor's box; None for the set of a list."""
    top1: Accuracy
    top5: Accuracy | None
    """None where the model ranks no five classes: a video LLM's answers."""


def set_order(name: str, scale: float | None) -> tuple[bool, float, str]:
    """Sort key of sets: by scale, then the sets of lists by name."""
    return scale is None, scale or 0.0, name


def accuracy_by_set(rows: pd.DataFrame | Sequence[Mapping[str, Any]]) -> list[SetAccuracy]:
    """Accuracies per set, in `set_order`.

    `rows`: one row per clip, with the columns set (str), scale (float64, null for a list), top1 and
    top5 (bool), and, for groups, clip (str) and perhaps group (str or null).
    """
    table = pd.DataFrame(rows, columns=["set", "scale", "top1", "top5", "clip", "group"])
    known = table["clip"].notna().all()
    table["group"] = groups_of(table) if known else None
    accuracies = []
    for name, part in table.groupby("set", sort=False):
        scale = None if pd.isna(part["scale"].iloc[0]) else float(part["scale"].iloc[0])
        groups = part["group"] if known else None
        top1 = Accuracy.of(part["top1"], groups)
        top5 = Accuracy.of(part["top5"], groups) if part["top5"].notna().all() else None
        accuracies.append(SetAccuracy(str(name), scale, top1, top5))
    return sorted(accuracies, key=lambda one: set_order(one.set, one.scale))


def summarise_sets(rows: pd.DataFrame | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`accuracy_by_set` as an entry of the JSON files of evaluate and predictions.

    Keys: `set`, `scale`, `n`, `groups`; `top1` and `top5` in percent of the n clips, each with
    `_low` and `_high` (Wilson) and, where there are fewer groups than clips, `_group_low` and
    `_group_high` (bootstrap of groups), null where the model has no top-5; `one_clip_points`.
    """
    return [
        {"set": one.set, "scale": one.scale, "n": one.top1.clips, "groups": one.top1.groups}
        | percents("top1", one.top1)
        | percents("top5", one.top5)
        | {"one_clip_points": one_clip_points(one.top1.clips)}
        for one in accuracy_by_set(rows)
    ]


def percents(name: str, accuracy: Accuracy | None) -> dict[str, Any]:
    """An accuracy and its intervals in percent, by key: `name`, and it with _low, _high and, where
    there are fewer groups than clips, _group_low and _group_high. None gives null for all."""
    if accuracy is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    edges = {"": accuracy.interval} | ({"_group": accuracy.by_group} if accuracy.by_group else {})
    return {name: accuracy.percent} | {
        f"{name}{kind}_{end}": 100 * edge
        for kind, both in edges.items()
        for end, edge in zip(("low", "high"), both, strict=True)
    }


def one_clip_points(clips: int) -> float | None:
    """Percentage points by which one clip changes an accuracy; None without a clip.

    >>> one_clip_points(53)
    1.8867924528301887
    """
    return 100 / clips if clips else None


def over_seeds(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation; the deviation is None for a single value.

    >>> over_seeds([1.0, 3.0]), over_seeds([2.0])
    ((2.0, 1.4142135623730951), (2.0, None))
    """
    return fmean(values), stdev(values) if len(values) > 1 else None


# two models on the same clips


@dataclass(frozen=True)
class Comparison:
    """Two models compared on the same clips."""

    clips: int
    only_first: int
    """Clips that only the first model recognises."""
    only_second: int
    """Clips that only the second model recognises."""
    groups: int | None = None
    """Number of groups of clips that are not independent; None where the clips are not known."""
    by_group: tuple[float, float] | None = None
    """Bootstrap interval of `points` that draws groups, points; None where groups are not known."""

    @property
    def points(self) -> float:
        """Accuracy of the first minus that of the second, percentage points."""
        return 100 * (self.only_first - self.only_second) / self.clips

    @property
    def p(self) -> float:
        """Two-sided p of McNemar's exact test."""
        return mcnemar(self.only_first, self.only_second)


def compare_answers(
    first: pd.Series, second: pd.Series, groups: Sequence[str] | pd.Series | None = None
) -> Comparison:
    """Compare two models clip by clip.

    `first`, `second` (N,): bool or 0 and 1, whether the model recognises the clip, for the same N
    clips in the same order; `groups` (N,): their groups. Raises ValueError where the numbers of
    clips differ.
    """
    one, other = (np.asarray(answers).astype(bool) for answers in (first, second))
    if one.shape != other.shape:
        raise ValueError(f"wanted answers for the same clips, got {one.shape} and {other.shape}")
    counted = (len(one), int((one & ~other).sum()), int((other & ~one).sum()))
    if groups is None:
        return Comparison(*counted)
    low, high = group_interval(one.astype(float) - other, groups, DIFFERENCES)
    return Comparison(*counted, len(set(groups)), (100 * low, 100 * high))


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p of McNemar's test, from the clips that only one of two models recognises.

    >>> mcnemar(0, 0), mcnemar(1, 9)
    (1.0, 0.021484375)
    """
    differing = only_first + only_second
    return float(binomtest(only_first, differing).pvalue) if differing else 1.0


# intervals


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Low and high end of the Wilson interval of a share; (0, 1) without a trial.

    >>> [round(edge, 3) for edge in wilson(5, 10)]
    [0.237, 0.763]
    """
    if trials == 0:
        return 0.0, 1.0
    interval = binomtest(successes, trials).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap_ratios(
    sums: np.ndarray,
    counts: np.ndarray,
    random: np.random.Generator,
    resamples: int = RESAMPLES,
    bounds: tuple[float, float] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals of means over clips: low and high ends, each float64 (C,).

    `sums` and `counts` (N, C) float64: what each of N groups of clips adds to the numerator and the
    denominator of each of C means; `counts` of shape (N, 1) hold for all means. The bootstrap draws
    groups, so all scales of a clip are drawn together, and all means see the same draws. A draw in
    which a mean has no clip is ignored for it; the ends are nan where all draws are.

    `bounds`: smallest and largest possible value. With them an interval has a width even where all
    clips have the same value (`widen`); without them it has none there.
    """
    means = drawn_means(sums, counts, random, resamples)
    edges = percentile_edges(means)
    if bounds is not None:
        widen(edges, (np.broadcast_to(counts, sums.shape) > 0).sum(axis=0), bounds)
    return edges[0], edges[1]


def drawn_means(
    sums: np.ndarray, counts: np.ndarray, random: np.random.Generator, resamples: int = RESAMPLES
) -> np.ndarray:
    """The means of every draw, float64 (resamples, C), of `sums` and `counts` as in
    `bootstrap_ratios`; nan where a draw has no clip of a mean."""
    groups, points = sums.shape
    means = np.full((resamples, points), np.nan)
    for row in means if groups else ():
        # one draw at a time: all draws at once take gigabytes for Kinetics' 20,000 clips
        weights = np.bincount(random.integers(0, groups, groups), minlength=groups).astype(float)
        total = weights @ counts
        np.divide(weights @ sums, total, out=row, where=total > 0)
    return means


def percentile_edges(drawn: np.ndarray) -> np.ndarray:
    """Percentile intervals, float64 (2, C): low and high ends of `drawn` (resamples, C).

    nan among the draws is ignored; the ends are nan where there is nothing else.
    """
    edges = np.full((2, drawn.shape[1]), np.nan)
    seen = ~np.isnan(drawn).all(axis=0)
    if seen.any():
        tail = (1 - CONFIDENCE) / 2
        edges[:, seen] = np.nanquantile(drawn[:, seen], (tail, 1 - tail), axis=0)
    return edges


def widen(edges: np.ndarray, clips: np.ndarray, bounds: tuple[float, float]) -> None:
    """Widen intervals of width 0 in place, according to their number of groups.

    `edges` float64 (2, C): low, high; `clips` int64 (C,): groups of each mean.

    Where all n groups have the same value v, every draw gives v, and the bootstrap cannot show how
    often other values occur. By Wilson's upper bound for 0 of n ("Probable inference, the law of
    succession, and statistical inference", JASA 22, 1927) their share is at most
    w = z^2 / (n + z^2). With values between a and b the mean lies in
    [v - w (v - a), v + w (b - v)]. For accuracies of 0 and 1 this is Wilson's interval of n source
    clips. For differences of 0, 1 and -1 it is Tango's score interval of paired proportions
    (Statistics in Medicine 17, 1998, 891-908) with n pairs that all agree, or all differ one way.
    """
    for point in np.flatnonzero(edges[1] - edges[0] < 1e-12):
        value, share = edges[0, point], wilson(0, int(clips[point]))[1]
        edges[0, point] = value - share * (value - bounds[0])
        edges[1, point] = value + share * (bounds[1] - value)


def bootstrap_mean(
    values: Sequence[float] | np.ndarray,
    random: np.random.Generator,
    resamples: int = RESAMPLES,
    bounds: tuple[float, float] | None = None,
    groups: Sequence[str] | pd.Series | pd.Index | None = None,
) -> tuple[float, float]:
    """Percentile interval of the mean of `values` (N,) float64; both ends are nan for N = 0.

    `bounds`: as in `bootstrap_ratios`; `groups` (N,): what is drawn; None: each value by itself.
    """
    column = np.asarray(values, np.float64).reshape(-1, 1)
    sums, counts = (
        (column, np.ones_like(column)) if groups is None else sums_by_group(column, groups)
    )
    low, high = bootstrap_ratios(sums, counts, random, resamples, bounds)
    return float(low[0]), float(high[0])


def group_interval(
    values: Sequence[float] | np.ndarray,
    groups: Sequence[str] | pd.Series,
    bounds: tuple[float, float] = SHARES,
) -> tuple[float, float]:
    """Percentile interval of the mean of `values` (N,), drawing `groups` (N,); the same at each
    call: it does not depend on the seed of a build."""
    return bootstrap_mean(values, rng(0, "groups"), bounds=bounds, groups=groups)


def bootstrap_curve(
    rows: pd.DataFrame,
    by: Sequence[str],
    value: str,
    random: np.random.Generator,
    resamples: int,
    bounds: tuple[float, float] = SHARES,
) -> pd.DataFrame:
    """Means with bootstrap intervals, a row per value of the columns `by`, sorted by them.

    `rows` has a row per clip and set: `group` (recognition.groups), `by`, and `value` (float64,
    between the `bounds`). Returns `by`, mean, low, high (float64, in the unit of `value`), n (int,
    rows). All clips of a group are drawn together, and all rows of the result see the same draws.
    """
    parts = rows.groupby([*by, "group"])[value].agg(["sum", "size"])
    sums = parts["sum"].unstack("group", fill_value=0.0)
    counts = parts["size"].unstack("group", fill_value=0).astype(float)
    low, high = bootstrap_ratios(sums.to_numpy().T, counts.to_numpy().T, random, resamples, bounds)
    n = counts.sum(axis=1)
    found = pd.DataFrame({"mean": sums.sum(axis=1) / n, "low": low, "high": high, "n": n})
    return found.astype({"n": int}).reset_index()
