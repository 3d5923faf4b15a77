"""The options of a question: which classes, and in which order."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from occludenet_build.config.questions import LETTERS
from occludenet_build.core import seeds
from occludenet_build.core.errors import UserError
from occludenet_build.recognition.prediction_table import Predictions, check_same_labels

Source = tuple[str, str]
"""A source clip and its label: clips of two lists may have the same name."""
Drawn = tuple[tuple[str, ...], str]
"""The options of a source clip in order, and how the wrong ones were chosen: hard or random."""


@dataclass(frozen=True)
class Likely:
    """Mean probabilities of the classes, over models and over the sets of a source clip."""

    labels: tuple[str, ...]
    """In the order of the probabilities."""
    means: dict[Source, np.ndarray]
    """(K,) float64 by source clip."""

    @classmethod
    def of(cls, predicted: Sequence[Predictions]) -> Likely:
        """The means over tables of predictions; rows without logits are left out.

        Raises UserError where the tables know different labels.
        """
        check_same_labels(predicted)
        labels = predicted[0].about.labels
        sums: dict[Source, np.ndarray] = {}
        for one in predicted:
            order = [one.about.labels.index(label) for label in labels]
            rows = one.rows.dropna(subset=["logits"])[["clip", "label", "logits"]]
            for clip, label, logits in rows.itertuples(index=False):
                shares = softmax(np.asarray(logits, np.float64)[order])
                sums[clip, label] = sums.get((clip, label), 0) + shares
        return cls(labels, {source: total / total.sum() for source, total in sums.items()})


def number_of_options(wanted: int | None, labels: Sequence[str]) -> int:
    """Number of options: `wanted`, or all labels; never more than there are labels.

    Raises UserError where there are fewer than two labels, or more than letters.
    """
    if len(labels) < 2:
        raise UserError(f"wanted at least two classes to choose from, got {len(labels)}")
    if wanted is None and len(labels) > len(LETTERS):
        raise UserError(
            f"config: questions.options: wanted at most {len(LETTERS)} classes for null, got "
            f"{len(labels)}; set the number of options"
        )
    if wanted is not None and wanted > len(labels):
        logging.warning("%d classes for %d options: all are options", len(labels), wanted)
    return min(wanted or len(labels), len(labels))


def options_of(
    source: Source, labels: Sequence[str], likely: Likely | None, count: int, seed: int
) -> Drawn:
    """The `count` options of a source clip in order, and how the wrong ones were chosen.

    `likely`: None for random distractors. The second value is `hard` or `random`; a clip that
    `likely` does not know has random ones.
    """
    clip, truth = source
    known = None if likely is None else likely.means.get(source)
    rank = {} if likely is None or known is None else dict(zip(likely.labels, known, strict=True))
    others = sorted(
        set(labels) - {truth},
        key=lambda label: seeds.uniform_integer(seed, clip, truth, "wrong", label),
    )
    others.sort(key=lambda label: -rank.get(label, 0.0))
    chosen = [truth, *others[: count - 1]]
    chosen.sort(key=lambda label: seeds.uniform_integer(seed, clip, truth, "order", label))
    return tuple(chosen), "random" if known is None else "hard"
