"""Accuracy by set for every training, with N and its uncertainty; each arm against the baseline."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from occludenet_build.core.files import csv_text
from occludenet_build.core.statistics import mcnemar, over_seeds, wilson
from occludenet_build.report.build import Build

BASELINE = "baseline"


@dataclass(frozen=True)
class Score:
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
    top5: float


@dataclass(frozen=True)
class Mean:
    """All seeds of an arm on one set; `deviation` is the sample's, over seeds."""

    arm: str
    set: str
    seeds: int
    top1: float
    deviation: float


@dataclass(frozen=True)
class Pair:
    """An arm and the baseline of one seed on the clips of one set that both were shown."""

    arm: str
    seed: int
    set: str
    clips: int
    only_arm: int
    only_baseline: int
    p: float

    @property
    def points(self) -> float:
        """Arm minus baseline, percentage points."""
        return 100 * (self.only_arm - self.only_baseline) / self.clips


def scores(build: Build) -> list[Score]:
    """In the order arm, seed, set."""
    found = [
        _score(arm, seed, part)
        for (arm, seed), predicted in build.predictions().items()
        for _, part in predicted.rows.groupby("set")
    ]
    places = {name: place for place, name in enumerate(sets(found))}
    return sorted(found, key=lambda score: (score.arm, score.seed, places[score.set]))


def _score(arm: str, seed: int, rows: pd.DataFrame) -> Score:
    clips, right = len(rows), int(rows["top1"].sum())
    scale = float(rows["scale"].astype(float).iloc[0])
    return Score(
        arm,
        seed,
        str(rows["set"].iloc[0]),
        None if math.isnan(scale) else scale,
        clips,
        right,
        right / clips,
        *wilson(right, clips),
        float(rows["top5"].mean()),
    )


def sets(found: Iterable[Score]) -> list[str]:
    """Names of the sets: by scale, those of lists last."""
    places = {score.set: (score.scale is None, score.scale or 0.0) for score in found}
    return sorted(places, key=lambda name: (places[name], name))


def means(found: list[Score]) -> list[Mean]:
    """Per arm and set, where an arm was trained with more than one seed."""
    groups: dict[tuple[str, str], list[float]] = {}
    for score in found:
        groups.setdefault((score.arm, score.set), []).append(score.top1)
    averaged = {key: over_seeds(values) for key, values in groups.items()}
    return [
        Mean(*key, len(groups[key]), mean, deviation)
        for key, (mean, deviation) in averaged.items()
        if deviation is not None
    ]


def pairs(build: Build) -> list[Pair]:
    """Where an arm and the baseline of a seed exist: the exact McNemar test, clip by clip."""
    trained = build.predictions()
    order = sets(scores(build))
    found = []
    for (arm, seed), predicted in trained.items():
        if arm != BASELINE and (BASELINE, seed) in trained:
            columns = ["set", "file", "top1"]
            mine, theirs = predicted.rows[columns], trained[BASELINE, seed].rows[columns]
            both = pd.merge(mine, theirs, on=["set", "file"], suffixes=("", "_baseline"))
            parts = dict(list(both.groupby("set")))
            found += [_pair(arm, seed, parts[name]) for name in order if name in parts]
    return found


def _pair(arm: str, seed: int, both: pd.DataFrame) -> Pair:
    right, baseline = both["top1"].astype(bool), both["top1_baseline"].astype(bool)
    only = int((right & ~baseline).sum()), int((baseline & ~right).sum())
    return Pair(arm, seed, str(both["set"].iloc[0]), len(both), *only, mcnemar(*only))


def classes_known(build: Build) -> int | None:
    """Over how many classes the networks choose: chance is 1 of them."""
    for predicted in build.predictions().values():
        return len(predicted.about.labels)
    return None


def scores_csv(found: list[Score]) -> str:
    names = ["arm", "seed", "set", "scale", "clips", "right", "top1", "low", "high", "top5"]
    return csv_text(names, ([_cell(getattr(score, name)) for name in names] for score in found))


def _cell(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
