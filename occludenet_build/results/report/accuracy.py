"""Accuracy by set for every training, with N and its interval; each arm against the baseline."""

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
from occludenet_build.results.report.facts import Build

BASELINE = "baseline"


@dataclass(frozen=True)
class TrainingScore:
    """One training on one set: shares from 0 to 1."""

    arm: str
    seed: int
    set: str
    scale: float | None
    """None for a set that is given by a list."""
    clips: int
    right: int
    top1: float
    low: float
    high: float
    top5: float | None
    """None where the network knows so few classes that it is always right."""


@dataclass(frozen=True)
class SeedMean:
    """All seeds of an arm on one set; `deviation` is the sample's, over seeds."""

    arm: str
    set: str
    seeds: int
    top1: float
    deviation: float


@dataclass(frozen=True)
class BaselineComparison(Comparison):
    """An arm and the baseline of one seed on the clips of one set that both were shown."""

    arm: str
    seed: int
    set: str


def scores(build: Build) -> list[TrainingScore]:
    """Accuracies of this build's trainings, in the order arm, seed, set."""
    return [
        _score(arm, seed, one, tells_top5(len(predicted.about.labels)))
        for (arm, seed), predicted in build.predictions().items()
        for one in accuracy_by_set(predicted.rows)
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
    """Names of the sets: by scale, those of lists last."""
    scales = {score.set: score.scale for score in found}
    return sorted(scales, key=lambda name: set_order(name, scales[name]))


def seed_means(found: list[TrainingScore]) -> list[SeedMean]:
    """Per arm and set, where an arm was trained with more than one seed."""
    groups: dict[tuple[str, str], list[float]] = {}
    for score in found:
        groups.setdefault((score.arm, score.set), []).append(score.top1)
    averaged = {key: over_seeds(values) for key, values in groups.items()}
    return [
        SeedMean(*key, len(groups[key]), mean, deviation)
        for key, (mean, deviation) in averaged.items()
        if deviation is not None
    ]


def baseline_comparisons(build: Build) -> list[BaselineComparison]:
    """Where an arm and the baseline of a seed exist: the exact McNemar test, clip by clip."""
    trained = build.predictions()
    order = set_names(scores(build))
    found = []
    for (arm, seed), predicted in trained.items():
        if arm != BASELINE and (BASELINE, seed) in trained:
            columns = ["set", "file", "top1"]
            mine, theirs = predicted.rows[columns], trained[BASELINE, seed].rows[columns]
            both = pd.merge(mine, theirs, on=["set", "file"], suffixes=("", "_baseline"))
            parts = dict(list(both.groupby("set")))
            found += [_pair(arm, seed, parts[name]) for name in order if name in parts]
    return found


def _pair(arm: str, seed: int, both: pd.DataFrame) -> BaselineComparison:
    two = compare_answers(both["top1"], both["top1_baseline"])
    return BaselineComparison(**vars(two), arm=arm, seed=seed, set=str(both["set"].iloc[0]))


def classes_known(build: Build) -> int | None:
    """Over how many classes the networks choose: chance is 1 of them."""
    for predicted in build.predictions().values():
        return len(predicted.about.labels)
    return None


def scores_csv(found: list[TrainingScore]) -> str:
    """accuracy.csv: a row per score, shares with six digits; empty where a score has no value."""
    names = ["arm", "seed", "set", "scale", "clips", "right", "top1", "low", "high", "top5"]
    return csv_text(names, ([_cell(getattr(score, name)) for name in names] for score in found))


def _cell(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
