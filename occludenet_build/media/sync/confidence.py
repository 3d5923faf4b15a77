"""How sure an offset is: the probability that it is right within one frame.

Three things tell a right offset from a wrong one: how far its statistic stands out of that of all
lags (score), how far it stands out of the second best lag (ratio), and which share of the windows
of the take agrees with it. A logistic regression on simulated pairs of recordings maps them to a
probability (`benchmarks/sync.py --calibrate` fits it anew). Half of these pairs have nothing in
common, or a sound that repeats itself, where no offset is right.
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
    """Coefficients of the regression; see `terms`."""

    bias: float
    score: float
    ratio: float
    agreement: float


def terms(fit: Fit, track: Track) -> tuple[float, float, float]:
    """What the regression weighs: score, ratio and agreement, on scales on which it is linear.

    A ratio near 1 outweighs all else: two offsets that fit alike cannot be told apart.
    """
    score = math.log(min(max(fit.score, 0.5), 15.0))
    ratio = math.log(min(max(fit.ratio - 1, 0.0), 2.0) + 0.02)
    return score, ratio, track.agreement


SOUND = Weights(bias=-7.0, score=2.0, ratio=4.0, agreement=9.0)
MOTION = Weights(bias=-9.0, score=2.0, ratio=4.0, agreement=9.0)


def confidence(fit: Fit, track: Track, weights: Weights) -> float:
    """Probability that the offset is right within one frame, 0 to 1."""
    score, ratio, agreement = terms(fit, track)
    logit = weights.bias + weights.score * score + weights.ratio * ratio
    logit += weights.agreement * agreement
    return 1 / (1 + math.exp(-min(max(logit, -30.0), 30.0)))


def doubt(fit: Fit, track: Track) -> str:
    """Why an offset of too small a confidence was not returned, in words."""
    best = f"{track.lag:+.3f} s"
    if fit.ratio < 1.3 and track.agreement > 0.7:
        return (
            f"ambiguous: {best} and {fit.second:+.3f} s fit alike, as where a sound repeats itself"
        )
    if track.agreement < 0.6:
        return (
            f"no match: {track.agreement:.0%} of the windows agree on {best}; other sound, too much "
            "noise, or a recording that was cut"
        )
    return f"unsure: {best} fits best, but little better than {fit.second:+.3f} s"
