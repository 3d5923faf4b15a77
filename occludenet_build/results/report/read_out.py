"""A linear read-out of a network's logits, fitted on derived clips: what they hold of the class.

The accuracy of a network on clips that it was not trained on, such as rings around the actor, is
near chance whether or not these clips give the class away: the network has not learnt to see it.
A read-out is fitted on such clips themselves. One half of the clips fits it and the other half is
scored, both ways, so every clip is scored once, by a read-out that has seen neither it nor its
group.

    x    the logits of a clip, each standardised by mean and deviation of the fitting half
    y    1 for the clip's class and 0 for the others, less 1 / C, of C classes
    B    (X' W X + n P I)^-1 X' W Y: ridge regression (Hoerl & Kennard, Technometrics 12, 1970)
         of the n fitting clips, with the fixed penalty P = 0.1
    W    n / (C n_c) for a clip of one of the n_c of its class: all classes weigh the same, so no
         class is guessed for being frequent, and chance is 1 / C

The answer is the class with the largest x B. A class that one half lacks is never answered there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from occludenet_build.core.seeds import uniform_integer

PENALTY = 0.1
"""P: relative to the mean variance of a standardised logit, which is 1. Fixed, not chosen by the
result."""


def read_out(
    logits: np.ndarray, labels: Sequence[str], groups: Sequence[str], seed: int
) -> np.ndarray | None:
    """Whether the read-out of the other half names the class of each clip, bool (N,).

    `logits` (N, K) float; `labels`, `groups` (N,) of the clips, in any order; `seed` draws the
    halves. None where there are fewer than two groups or classes.
    """
    classes, answers = np.unique(np.asarray(labels, object).astype(str), return_inverse=True)
    first = first_half(labels, groups, seed)
    if len(classes) < 2 or first.all() or not first.any():
        return None
    said = np.empty(len(answers), np.int64)
    for fits in (first, ~first):
        said[~fits] = _fitted(logits[fits], answers[fits], logits[~fits], len(classes))
    return said == answers


def first_half(labels: Sequence[str], groups: Sequence[str], seed: int) -> np.ndarray:
    """Whether each clip is in the first half, bool (N,): whole groups, drawn by hash.

    The groups of a class are dealt to both halves in turn, so both have half of it.
    """
    of_group = pd.DataFrame({"group": groups, "label": labels}).groupby("group")["label"].min()
    order = sorted(
        of_group.index, key=lambda g: (of_group[g], uniform_integer(seed, "read_out", str(g)))
    )
    chosen = set(order[::2])
    return np.array([group in chosen for group in groups], bool)


def _fitted(x: np.ndarray, answers: np.ndarray, other: np.ndarray, classes: int) -> np.ndarray:
    """The answers, int64 (M,), to `other` (M, K) of a read-out that `x` (N, K) fits."""
    counts = np.bincount(answers, minlength=classes)
    weights = len(x) / ((counts > 0).sum() * counts[answers])
    mean = np.average(x, axis=0, weights=weights)
    spread = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weights))
    scale = np.where(spread > 1e-9, spread, np.inf)
    x, other = (x - mean) / scale, (other - mean) / scale
    target = np.eye(classes)[answers] - (counts > 0) / (counts > 0).sum()
    weighted = x.T * weights
    found = np.linalg.solve(weighted @ x + len(x) * PENALTY * np.eye(x.shape[1]), weighted @ target)
    scores = other @ found
    scores[:, counts == 0] = -np.inf
    return scores.argmax(axis=1)
