"""The total direct effect at test: argmax(p - lambda c), without another training.

p and c are a clip's logits with and without its actor. The prediction by their difference is the
total direct effect of Tang et al., "Unbiased scene graph generation from biased training", CVPR
2020, section 4; lambda 1 is theirs. `evaluate.tde` names the weights lambda. The price is paid at
test: a mask of the actor and a second forward pass per clip.

Logits are those of PREDICTIONS. For an average of softmax they are logarithms of probabilities,
which differ from logits by a number per clip that argmax does not see, and their difference is
log(P / P(do)) at lambda 1.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from occludenet_build.recognition.accuracy import Accuracy, compare_answers, percents, set_order
from occludenet_build.recognition.groups import groups_of


def tde_answers(
    logits: np.ndarray, erased: np.ndarray, truth: np.ndarray, weight: float
) -> np.ndarray:
    """Whether argmax(p - lambda c) is the true class, bool (N,).

    `logits`, `erased` float (N, K): p and c; a row of nan in `erased`: no counterfactual, so p
    alone decides; `truth` int (N,): positions of the true classes; `weight`: lambda. Of equal
    values the first class wins.

    >>> p, c = np.array([[2.0, 1.9], [2.0, 1.0]]), np.array([[1.0, 0.0], [np.nan, np.nan]])
    >>> tde_answers(p, c, np.array([1, 1]), 1.0).tolist()
    [True, False]
    """
    scores = logits - weight * np.nan_to_num(erased)
    return np.asarray(scores.argmax(axis=1) == truth)


def tde_by_set(
    rows: Sequence[dict[str, Any]], labels: Sequence[str], weights: Sequence[float]
) -> list[dict[str, Any]]:
    """Top-1 of the total direct effect by set and lambda, in the order of the sets.

    `rows`: of PREDICTIONS; `labels`: in the order of the logits. Keys: set, scale, lambda, n,
    groups, with_counterfactual (how many of the n clips have one; the others count by p alone);
    top1 in percent with `accuracy.percents`' intervals; gain (points over the plain top-1 of the
    same clips), only_tde and only_plain (clips that only one of them has right) and p (exact
    McNemar). Sets without any counterfactual are left out.
    """
    by_set: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_set.setdefault(row["set"], []).append(row)
    found = [
        _of_set(of_set, labels, weight)
        for of_set in by_set.values()
        if any(row.get("erased_logits") is not None for row in of_set)
        for weight in weights
    ]
    return sorted(found, key=lambda one: set_order(one["set"], one["scale"]))


def _of_set(rows: list[dict[str, Any]], labels: Sequence[str], weight: float) -> dict[str, Any]:
    erased = [row.get("erased_logits") for row in rows]
    missing = np.full(len(labels), np.nan)
    right = tde_answers(
        np.array([row["logits"] for row in rows], np.float64),
        np.array([missing if values is None else values for values in erased], np.float64),
        np.array([labels.index(row["label"]) for row in rows]),
        weight,
    )
    groups = groups_of(pd.DataFrame(rows, columns=["set", "clip", "group"]))
    top1 = Accuracy.of(right, groups)
    two = compare_answers(pd.Series(right), pd.Series([row["top1"] for row in rows]))
    return {
        "set": rows[0]["set"],
        "scale": rows[0].get("scale"),
        "lambda": weight,
        "n": top1.clips,
        "groups": top1.groups,
        "with_counterfactual": sum(values is not None for values in erased),
        **percents("top1", top1),
        "gain": two.points,
        "only_tde": two.only_first,
        "only_plain": two.only_second,
        "p": two.p,
    }


def log_tde(found: Sequence[dict[str, Any]]) -> None:
    """Log the entries of `tde_by_set`."""
    for entry in found:
        logging.info(
            "%(set)s: top-1 of argmax(p - %(lambda)g c) %(top1).1f %% (%(top1_low).1f to "
            "%(top1_high).1f, N=%(n)d), %(gain)+.1f points (p=%(p).2g)",
            entry,
        )
