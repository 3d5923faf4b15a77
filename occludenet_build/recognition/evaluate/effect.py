"""The causal effect of Eq. 1 per class: how a prediction changes when the actor is erased.

Eq. 1 is E[P(A=a, O=o) - P(do(A=a), O=o)], a vector with one number per class. P is the softmax of
a clip's prediction, P(do) that of the same clip without its actor; the mean is over clips.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from occludenet_build.core.files import csv_text
from occludenet_build.core.seeds import rng
from occludenet_build.recognition.accuracy import (
    DIFFERENCES,
    Accuracy,
    bootstrap_mean,
    bootstrap_ratios,
)
from occludenet_build.recognition.evaluate.tde import tde_answers
from occludenet_build.recognition.groups import groups_of, sums_by_group

WHOLE_SET = "(all)"
"""Value of the column `label` in the row of a whole set."""

EFFECT_COLUMNS = {
    "set": "D-25, D-50, D-75",
    "scale": "size of the occluder relative to the actor's box",
    "label": f"the class; {WHOLE_SET}: the whole set",
    "n": "clips of the class that have a counterfactual; all columns except eq1 are over these",
    "p": "mean probability of the true class",
    "p_erased": "mean probability of the true class without the actor",
    "effect": "p - p_erased: what the actor adds to the true class, -1 to 1",
    "effect_low": "lower end of its bootstrap interval, 95 %, over groups of clips",
    "effect_high": "upper end",
    "eq1": "Eq. 1 for this class: mean of P - P(do) of this class over the clips of all classes of "
    "the set; these sum to 0. Empty for the whole set",
    "eq1_low": "lower end of its bootstrap interval, 95 %, over groups of clips",
    "eq1_high": "upper end",
    "moved": "percent of the clips whose most likely class changes without the actor",
    "top1": "percent of the clips recognised",
    "top1_erased": "percent of the clips recognised without the actor, from scene and occluder",
    "distance": "mean total variation between P and P(do), 0 to 1",
}
"""Columns of .effect.csv and their meaning; a cell is empty where its value is undefined."""


def tde_column(weight: float) -> str:
    """Column of .effect.csv after EFFECT_COLUMNS: percent of the clips recognised by argmax(p -
    lambda c), for a weight lambda of evaluate.tde.

    >>> tde_column(1.0), tde_column(0.5)
    ('top1_tde_1', 'top1_tde_0.5')
    """
    return f"top1_tde_{weight:g}"


@dataclass(frozen=True)
class PairedProbabilities:
    """Predictions of the clips of one set that have a counterfactual."""

    truth: np.ndarray
    """(N,) int64, positions of the true classes."""
    before: np.ndarray
    """(N, K) float64, probabilities of the clips."""
    after: np.ndarray
    """(N, K) float64, probabilities of the clips without their actor."""
    groups: np.ndarray
    """(N,) str, groups of clips that are not independent, which the bootstrap draws."""
    tde: dict[float, np.ndarray]
    """By weight lambda: (N,) bool, whether argmax(p - lambda c) is the true class."""

    @property
    def change(self) -> np.ndarray:
        """(N, K) float64, -1 to 1: probabilities with the actor minus those without."""
        return self.before - self.after

    def subset(self, chosen: np.ndarray) -> PairedProbabilities:
        """The clips for which `chosen`, bool (N,), is True."""
        return PairedProbabilities(
            self.truth[chosen],
            self.before[chosen],
            self.after[chosen],
            self.groups[chosen],
            {weight: right[chosen] for weight, right in self.tde.items()},
        )


def causal_effects(
    rows: Sequence[dict[str, Any]], labels: Sequence[str], seed: int, tde: Sequence[float] = ()
) -> list[dict]:
    """Rows of EFFECT_COLUMNS from rows of PREDICTIONS, with `tde_column` of the weights `tde`.

    Each set has a row for the whole set, then one for each class that has clips in it.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row.get("erased_logits") is not None:
            groups.setdefault(row["set"], []).append(row)
    return [
        {"set": name, "scale": group[0].get("scale")} | entry
        for name, group in groups.items()
        for entry in _of_set(_pairs(group, labels, tde), labels, seed, name)
    ]


def _pairs(
    rows: list[dict[str, Any]], labels: Sequence[str], tde: Sequence[float]
) -> PairedProbabilities:
    positions = {label: position for position, label in enumerate(labels)}
    truth = np.array([positions[row["label"]] for row in rows])
    logits, erased = (
        np.array([row[name] for row in rows], np.float64) for name in ("logits", "erased_logits")
    )
    groups = groups_of(pd.DataFrame(rows, columns=["set", "clip", "group"])).to_numpy()
    right = {weight: tde_answers(logits, erased, truth, weight) for weight in tde}
    before, after = softmax(logits, axis=1), softmax(erased, axis=1)
    return PairedProbabilities(truth, before, after, groups, right)


def _of_set(
    pairs: PairedProbabilities, labels: Sequence[str], seed: int, name: str
) -> Iterator[dict[str, Any]]:
    change, random = pairs.change, rng(seed, "eq1", name)
    low, high = bootstrap_ratios(*sums_by_group(change, pairs.groups), random, bounds=DIFFERENCES)
    yield {"label": WHOLE_SET} | _numbers(pairs, seed, name, WHOLE_SET)
    for at, label in enumerate(labels):
        of_class = pairs.subset(pairs.truth == at)
        if len(of_class.truth):
            eq1 = {"eq1": change[:, at].mean(), "eq1_low": low[at], "eq1_high": high[at]}
            yield {"label": label} | _numbers(of_class, seed, name, label) | eq1


def _numbers(pairs: PairedProbabilities, seed: int, name: str, label: str) -> dict[str, Any]:
    every = np.arange(len(pairs.truth))
    effect = pairs.change[every, pairs.truth]
    random = rng(seed, "effect", name, label)
    low, high = bootstrap_mean(effect, random, bounds=DIFFERENCES, groups=pairs.groups)
    predicted, predicted_erased = pairs.before.argmax(axis=1), pairs.after.argmax(axis=1)
    return {
        "n": len(every),
        "p": pairs.before[every, pairs.truth].mean(),
        "p_erased": pairs.after[every, pairs.truth].mean(),
        "effect": effect.mean(),
        "effect_low": low,
        "effect_high": high,
        "moved": 100 * (predicted != predicted_erased).mean(),
        "top1": Accuracy.of(predicted == pairs.truth).percent,
        "top1_erased": Accuracy.of(predicted_erased == pairs.truth).percent,
        "distance": 0.5 * np.abs(pairs.change).sum(axis=1).mean(),
    } | {tde_column(weight): Accuracy.of(right).percent for weight, right in pairs.tde.items()}


def effects_csv(rows: Sequence[dict[str, Any]], tde: Sequence[float] = ()) -> str:
    """The rows of `causal_effects` as CSV: six digits, empty cells for nan."""
    names = [*EFFECT_COLUMNS, *map(tde_column, tde)]
    return csv_text(names, ([_cell(row.get(name)) for name in names] for row in rows))


def _cell(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.6g}"
