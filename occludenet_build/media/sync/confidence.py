"""How sure an offset is: the probability that it is right within one frame.

Three things tell a right offset from a wrong one: how far its statistic stands out of that of all
lags (score), how far it stands out of the second best lag (ratio), and which share of the windows
of the take agrees with it. A logistic regression on simulated pairs of recordings maps them to a
probability (`benchmarks/sync.py --calibrate` fits it anew). In two of five pairs no offset is
right: nothing in common, silence, or a sound that repeats itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from occludenet_build.media.sync.correlation import Fit
from occludenet_build.media.sync.track import Track

LEAST = 0.95
"""Confidence from which an offset is returned."""


@dataclass(frozen=True)
class Weights:
    """Coefficients of the regression, see `terms`, and what an offset must have in any case."""

    bias: float
    score: float
    ratio: float
    agreement: float
    least_score: float = 0.0
    least_ratio: float = 1.15
    least_agreement: float = 0.75
    least_at_ends: float = 0.5

    def admit(self, fit: Fit, track: Track) -> bool:
        """Whether an offset has the least values; a cut recording agrees in a part of the take."""
        by_fit = fit.score >= self.least_score and fit.ratio >= self.least_ratio
        by_track = track.agreement >= self.least_agreement and track.at_ends >= self.least_at_ends
        return by_fit and by_track


SOUND = Weights(bias=-9.17, score=5.75, ratio=1.28, agreement=1.83)
MOTION = Weights(
    bias=-0.1, score=2.0, ratio=3.0, agreement=5.0, least_score=4.7, least_ratio=1.4,
    least_agreement=0.6, least_at_ends=0.3,
)  # fmt: skip
"""By hand: on 9 drawn takes of 7 to 28 s, with 27 pairs of views each time, no wrong offset and
none of 81 pairs of unrelated takes has the least values."""


def terms(fit: Fit, track: Track) -> tuple[float, float, float]:
    """What the regression weighs: score, ratio and agreement, on scales on which it is linear.

    A ratio near 1 outweighs all else: two offsets that fit alike cannot be told apart.
    """
    score = math.log(min(max(fit.score, 0.5), 15.0))
    ratio = math.log(min(max(fit.ratio - 1, 0.0), 2.0) + 0.02)
    return score, ratio, track.agreement


def confidence(fit: Fit, track: Track, weights: Weights) -> float:
    """Probability that the offset is right within one frame, 0 to 1.

    At most 0.5 where a value is below the least one.
    """
    score, ratio, agreement = terms(fit, track)
    logit = weights.bias + weights.score * score + weights.ratio * ratio
    logit += weights.agreement * agreement
    sure = 1 / (1 + math.exp(-min(max(logit, -30.0), 30.0)))
    return sure if weights.admit(fit, track) else min(sure, 0.5)


def doubt(fit: Fit, track: Track) -> str:
    """Why an offset of too small a confidence was not returned, in words."""
    best, other = f"{track.lag:+.3f} s", f"{fit.second:+.3f} s"
    share = f"{track.agreement:.0%} of the windows agree"
    if fit.ratio < 1.3 and track.agreement > 0.7:
        return f"ambiguous: {best} and {other} fit alike, as where a sound repeats itself"
    if fit.score > 5 and fit.ratio > 1.5 and track.at_ends < 0.5:
        return f"unsteady: {best} fits a part of the take; an end is silent, or was cut"
    if track.agreement < 0.6:
        return f"no match: {share} on {best}; another event, or too much noise"
    return f"unsure: {best} fits best and {other} second, {share}"
