"""Accuracy by set for every training, with N and its uncertainty; CAR against the baseline."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from statistics import mean, stdev

import pandas as pd

from occludenet_build.core.statistics import mcnemar, wilson
from occludenet_build.report.build import Build


@dataclass(frozen=True)
class Score:
    """One training on one set: shares from 0 to 1."""

    arm: str
    seed: int
    set: str
    scale: float
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
    scale: float
    seeds: int
    top1: float
    deviation: float


@dataclass(frozen=True)
class Pair:
    """CAR and baseline of one seed on the clips of one set that both were shown."""

    seed: int
    set: str
    clips: int
    only_car: int
    only_baseline: int
    p: float

    @property
    def points(self) -> float:
        """CAR minus baseline, percentage points."""
        return 100 * (self.only_car - self.only_baseline) / self.clips


def scores(build: Build) -> list[Score]:
    """In the order arm, seed, scale."""
    found = []
    for (arm, seed), rows in build.trainings("evaluate").items():
        for (scale, name), part in rows.groupby(["scale", "set"]):
            clips, right = len(part), int(part["top1"].sum())
            interval = wilson(right, clips)
            top5 = float(part["top5"].mean())
            found.append(
                Score(arm, seed, name, float(scale), clips, right, right / clips, *interval, top5)
            )
    return found


def means(found: list[Score]) -> list[Mean]:
    """Per arm and set, where an arm was trained with more than one seed."""
    groups: dict[tuple[str, float, str], list[float]] = {}
    for score in found:
        groups.setdefault((score.arm, score.scale, score.set), []).append(score.top1)
    return [
        Mean(arm, name, scale, len(values), mean(values), stdev(values))
        for (arm, scale, name), values in sorted(groups.items())
        if len(values) > 1
    ]


def pairs(build: Build) -> list[Pair]:
    """Where both arms of a seed exist: the exact McNemar test, clip by clip."""
    trained = build.trainings("evaluate")
    found = []
    for seed in sorted({seed for _, seed in trained}):
        arms = [trained.get((arm, seed)) for arm in ("car", "baseline")]
        if all(rows is not None for rows in arms):
            both = pd.merge(*arms, on=["file", "set", "scale"], suffixes=("_car", "_baseline"))
            found.extend(_pairs(seed, both))
    return found


def _pairs(seed: int, both: pd.DataFrame) -> list[Pair]:
    found = []
    for (_, name), part in both.groupby(["scale", "set"]):
        car, baseline = part["top1_car"].astype(bool), part["top1_baseline"].astype(bool)
        only = int((car & ~baseline).sum()), int((baseline & ~car).sum())
        found.append(Pair(seed, name, len(part), *only, mcnemar(*only)))
    return found


def classes_known(build: Build) -> int | None:
    """Over how many classes the networks choose: chance is 1 of them."""
    for rows in build.trainings("evaluate").values():
        if len(rows) and rows["logits"].iloc[0] is not None:
            return len(rows["logits"].iloc[0])
    return None


def scores_csv(found: list[Score]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = ["arm", "seed", "set", "scale", "clips", "right", "top1", "low", "high", "top5"]
    writer.writerow(names)
    for score in found:
        values = [getattr(score, name) for name in names]
        writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in values])
    return stream.getvalue()
