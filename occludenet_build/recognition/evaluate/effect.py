"""The causal effect of Eq. 1 per class: what a network's answer owes to the actor.

Eq. 1 is E[P(A=a, O=o) - P(do(A=a), O=o)], a vector with a number per class: P is the softmax of a
clip's prediction, P(do) that of the same clip without its actor, and the mean goes over clips.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax

from occludenet_build.core.files import csv_text
from occludenet_build.core.seeds import rng
from occludenet_build.recognition.accuracy import (
    DIFFERENCES,
    Accuracy,
    bootstrap_mean,
    bootstrap_ratios,
)

WHOLE_SET = "(all)"
"""In the place of a label: the whole set."""

EFFECT_COLUMNS = {
    "set": "D-25, D-50, D-75",
    "scale": "size of the occluder relative to the actor's box",
    "label": f"the class; {WHOLE_SET}: the whole set",
    "n": "clips of the class that have a counterfactual; all other columns but eq1 are of these",
    "p": "mean probability of the true class",
    "p_erased": "the same without the actor",
    "effect": "p - p_erased: what the actor adds to the true class, -1 to 1",
    "effect_low": "its bootstrap interval, 95 %, over clips",
    "effect_high": "",
    "eq1": "Eq. 1's number of this class: mean of P - P(do) of this class over the clips of every "
    "class in the set; these sum to 0. Empty for the whole set",
    "eq1_low": "its bootstrap interval, 95 %, over clips",
    "eq1_high": "",
    "moved": "percent of the clips whose most likely class is another without the actor",
    "top1": "percent right",
    "top1_erased": "percent right without the actor: what the scene and the occluder give away",
    "distance": "mean total variation between P and P(do), 0 to 1",
}
"""Columns of .effect.csv; empty cells: nothing to say."""


@dataclass(frozen=True)
class PairedProbabilities:
    """Predictions of the clips of one set that have a counterfactual."""

    truth: np.ndarray
    """(N,) int64, positions of the true classes."""
    before: np.ndarray
    """(N, K) float64 probabilities."""
    after: np.ndarray
    """(N, K), without the actor."""

    @property
    def change(self) -> np.ndarray:
        return self.before - self.after

    def of(self, wanted: np.ndarray) -> PairedProbabilities:
        return PairedProbabilities(self.truth[wanted], self.before[wanted], self.after[wanted])


def causal_effects(rows: Sequence[dict[str, Any]], labels: Sequence[str], seed: int) -> list[dict]:
    """Rows of COLUMNS, of rows of PREDICTIONS: per set the whole, then the classes with clips."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row.get("erased_logits") is not None:
            groups.setdefault(row["set"], []).append(row)
    return [
        {"set": name, "scale": group[0].get("scale")} | entry
        for name, group in groups.items()
        for entry in _of_set(_pairs(group, labels), labels, seed, name)
    ]


def _pairs(rows: list[dict[str, Any]], labels: Sequence[str]) -> PairedProbabilities:
    places = {label: place for place, label in enumerate(labels)}
    before, after = (
        softmax(np.array([row[name] for row in rows], np.float64), axis=1)
        for name in ("logits", "erased_logits")
    )
    return PairedProbabilities(np.array([places[row["label"]] for row in rows]), before, after)


def _of_set(
    pairs: PairedProbabilities, labels: Sequence[str], seed: int, name: str
) -> Iterator[dict[str, Any]]:
    change = pairs.change
    ones, random = np.ones((len(change), 1)), rng(seed, "eq1", name)
    low, high = bootstrap_ratios(change, ones, random, bounds=DIFFERENCES)
    yield {"label": WHOLE_SET} | _numbers(pairs, seed, name, WHOLE_SET)
    for place, label in enumerate(labels):
        mine = pairs.of(pairs.truth == place)
        if len(mine.truth):
            eq1 = {"eq1": change[:, place].mean(), "eq1_low": low[place], "eq1_high": high[place]}
            yield {"label": label} | _numbers(mine, seed, name, label) | eq1


def _numbers(pairs: PairedProbabilities, seed: int, name: str, label: str) -> dict[str, Any]:
    every = np.arange(len(pairs.truth))
    effect = pairs.change[every, pairs.truth]
    low, high = bootstrap_mean(effect, rng(seed, "effect", name, label), bounds=DIFFERENCES)
    said, said_erased = pairs.before.argmax(axis=1), pairs.after.argmax(axis=1)
    return {
        "n": len(every),
        "p": pairs.before[every, pairs.truth].mean(),
        "p_erased": pairs.after[every, pairs.truth].mean(),
        "effect": effect.mean(),
        "effect_low": low,
        "effect_high": high,
        "moved": 100 * (said != said_erased).mean(),
        "top1": Accuracy.of(said == pairs.truth).percent,
        "top1_erased": Accuracy.of(said_erased == pairs.truth).percent,
        "distance": 0.5 * np.abs(pairs.change).sum(axis=1).mean(),
    }


def effects_csv(found: Sequence[dict[str, Any]]) -> str:
    return csv_text(
        EFFECT_COLUMNS, ([_cell(entry.get(name)) for name in EFFECT_COLUMNS] for entry in found)
    )


def _cell(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.6g}"
