"""Accuracies of all trainings by set, with intervals, and comparisons with the baseline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from occludenet_build.core.files import csv_text
from occludenet_build.recognition.accuracy import (
    Comparison,
    SetAccuracy,
    accuracy_by_set,
    compare_answers,
    over_seeds,
    set_order,
    tells_top5,
)
from occludenet_build.recognition.groups import groups_of
from occludenet_build.recognition.significance import holm, paired_t
from occludenet_build.results.report.facts import ReportBuild

BASELINE = "baseline"


@dataclass(frozen=True)
class TrainingScore:
    """Accuracies of one training on one set, as shares from 0 to 1."""

    arm: str
    seed: int
    set: str
    scale: float | None
    """Size of the occluder relative to the actor's box; None for the set of a list."""
    clips: int
    right: int
    """Clips with a correct prediction."""
    top1: float
    low: float
    """Lower end of the Wilson 95 % interval of top1."""
    high: float
    """Upper end of the interval."""
    top5: float | None
    """None where the network knows so few classes that top-5 is always right."""
    groups: int
    """Groups of clips that are not independent."""
    group_low: float | None
    """Lower end of top1's bootstrap interval that draws groups; None where each clip is one."""
    group_high: float | None


@dataclass(frozen=True)
class SeedMean:
    """Mean accuracy of the seeds of an arm on one set."""

    arm: str
    set: str
    seeds: int
    """Number of seeds."""
    top1: float
    """Mean, 0 to 1."""
    deviation: float
    """Sample standard deviation over seeds."""


@dataclass(frozen=True, kw_only=True)
class BaselineComparison(Comparison):
    """An arm compared with the baseline of the same seed, on the clips of a set that both saw."""

    arm: str
    seed: int
    set: str
    holm: float | None = None
    """p, corrected for all that the table shows; None where the test over seeds replaces it."""


@dataclass(frozen=True)
class SeedComparison:
    """An arm compared with the baseline over seeds, on one set."""

    arm: str
    set: str
    seeds: int
    points: float
    """Mean over seeds of the arm's top-1 minus the baseline's, percentage points."""
    deviation: float
    """Sample standard deviation over seeds, points."""
    p: float | None
    """Two-sided p of the paired t test over seeds; None for fewer than SEEDS."""
    holm: float | None = None
    """p, corrected for all that the table shows."""


def scores(build: ReportBuild) -> list[TrainingScore]:
    """Accuracies of this build's trainings, in the order arm, seed, set.

    Derived sets are left out: the module background_bias has their figures.
    """
    derived = build.derived_sets()
    return [
        _score(arm, seed, one, tells_top5(len(predicted.about.labels)))
        for (arm, seed), predicted in build.predictions().items()
        for one in accuracy_by_set(predicted.rows)
        if one.set not in derived
    ]


def _score(arm: str, seed: int, one: SetAccuracy, top5: bool) -> TrainingScore:
    return TrainingScore(
        arm,
        seed,
        one.set,
        one.scale,
        one.top1.clips,
        one.top1.right,
        one.top1.share,
        *one.top1.interval,
        one.top5.share if top5 and one.top5 else None,
        one.top1.groups or one.top1.clips,
        *(one.top1.by_group or (None, None)),
    )


def set_names(found: Iterable[TrainingScore]) -> list[str]:
    """Names of the sets: by scale, then the sets of lists."""
    scales = {score.set: score.scale for score in found}
    return sorted(scales, key=lambda name: set_order(name, scales[name]))


def seed_means(found: list[TrainingScore]) -> list[SeedMean]:
    """Means over seeds by arm and set, for the arms that were trained with several seeds."""
    groups: dict[tuple[str, str], list[float]] = {}
    for score in found:
        groups.setdefault((score.arm, score.set), []).append(score.top1)
    averaged = {key: over_seeds(values) for key, values in groups.items()}
    return [
        SeedMean(*key, len(groups[key]), mean, deviation)
        for key, (mean, deviation) in averaged.items()
        if deviation is not None
    ]


def baseline_comparisons(build: ReportBuild) -> list[BaselineComparison]:
    """Comparisons of each arm with the baseline of the same seed, where both exist, by set."""
    trained = build.predictions()
    order = set_names(scores(build))
    found = []
    for (arm, seed), predicted in trained.items():
        if arm != BASELINE and (BASELINE, seed) in trained:
            columns = ["set", "file", "top1"]
            of_arm = predicted.rows[[*columns, "clip"]].assign(group=groups_of(predicted.rows))
            of_baseline = trained[BASELINE, seed].rows[columns]
            both = pd.merge(of_arm, of_baseline, on=["set", "file"], suffixes=("", "_baseline"))
            parts = dict(list(both.groupby("set")))
            found += [_pair(arm, seed, parts[name]) for name in order if name in parts]
    return found


def _pair(arm: str, seed: int, both: pd.DataFrame) -> BaselineComparison:
    two = compare_answers(both["top1"], both["top1_baseline"], both["group"])
    return BaselineComparison(**vars(two), arm=arm, seed=seed, set=str(both["set"].iloc[0]))


def seed_comparisons(pairs: Iterable[BaselineComparison]) -> list[SeedComparison]:
    """Comparisons over seeds of the arms and sets that have several pairs."""
    by_arm: dict[tuple[str, str], list[float]] = {}
    for pair in pairs:
        by_arm.setdefault((pair.arm, pair.set), []).append(pair.points)
    return [
        SeedComparison(*key, len(points), mean, deviation, paired_t(points))
        for key, points in by_arm.items()
        for mean, deviation in [over_seeds(points)]
        if deviation is not None
    ]


def corrected(
    pairs: list[BaselineComparison], over: list[SeedComparison]
) -> tuple[list[BaselineComparison], list[SeedComparison]]:
    """Both with Holm's p, over the tests over seeds and the McNemar tests without one."""
    replaced = {(one.arm, one.set) for one in over if one.p is not None}
    single = [pair.p for pair in pairs if (pair.arm, pair.set) not in replaced]
    found = iter(holm([*single, *(one.p for one in over if one.p is not None)]))
    return (
        [
            pair if (pair.arm, pair.set) in replaced else replace(pair, holm=next(found))
            for pair in pairs
        ],
        [one if one.p is None else replace(one, holm=next(found)) for one in over],
    )


def classes_known(build: ReportBuild) -> int | None:
    """Number of classes that the networks know; None without predictions."""
    for predicted in build.predictions().values():
        return len(predicted.about.labels)
    return None


def scores_csv(found: list[TrainingScore]) -> str:
    """The text of accuracy.csv: a row per score, shares with six digits, empty cells for None."""
    names = ["arm", "seed", "set", "scale", "clips", "right", "top1", "low", "high", "top5"]
    names += ["groups", "group_low", "group_high"]
    return csv_text(names, ([_cell(getattr(score, name)) for name in names] for score in found))


def _cell(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
