"""Accuracies of all trainings by set, with intervals, and comparisons with the baseline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class BaselineComparison(Comparison):
    """An arm compared with the baseline of the same seed, on the clips of a set that both saw."""

    arm: str
    seed: int
    set: str


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
        one.top5.share if top5 else None,
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
            of_arm, of_baseline = predicted.rows[columns], trained[BASELINE, seed].rows[columns]
            both = pd.merge(of_arm, of_baseline, on=["set", "file"], suffixes=("", "_baseline"))
            parts = dict(list(both.groupby("set")))
            found += [_pair(arm, seed, parts[name]) for name in order if name in parts]
    return found


def _pair(arm: str, seed: int, both: pd.DataFrame) -> BaselineComparison:
    two = compare_answers(both["top1"], both["top1_baseline"])
    return BaselineComparison(**vars(two), arm=arm, seed=seed, set=str(both["set"].iloc[0]))


def classes_known(build: ReportBuild) -> int | None:
    """Number of classes that the networks know; None without predictions."""
    for predicted in build.predictions().values():
        return len(predicted.about.labels)
    return None


def scores_csv(found: list[TrainingScore]) -> str:
    """The text of accuracy.csv: a row per score, shares with six digits, empty cells for None."""
    names = ["arm", "seed", "set", "scale", "clips", "right", "top1", "low", "high", "top5"]
    return csv_text(names, ([_cell(getattr(score, name)) for name in names] for score in found))


def _cell(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
