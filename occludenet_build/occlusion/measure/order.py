"""Who of two is in front, from three kinds of evidence, over all frames in which they overlap.

    contact  whose lower edge is lower in the picture stands nearer. The edges are those of the
             whole person (amodal.py), or of what is seen where that is not known; it says nothing
             where the picture's lower edge cuts both.
    mask     the front one's mask is whole, and the rear one's is cut where the other one's is: the
             shape that the person has in other frames fits what is seen of them only if the other
             one hides a part
    colour   in the zone that the whole masks of both cover, the colours are those of one of the
             two, as they are seen in frames in which they are whole. It serves maskers that give
             the zone to both.

Each is a number from -1 to 1, above 0 where the second of the pair is in front. They contradict
each other where somebody jumps, sits or climbs, where a mask is wrong, or where clothes are alike:
then the sum is small, and the order is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from occludenet_build.occlusion.measure.scene import Extent

KINDS = ("contact", "mask", "colour")
"""The kinds of evidence."""
_WEIGHTS = {"contact": 0.8, "mask": 1.5, "colour": 0.5}
"""Weight of each kind."""
LEAST = 0.7
"""Least absolute score at which the order is known; a score is 2 P - 1, with the probability P."""
_SURE = 0.06
"""Difference of lower edges at which contact counts for a good half, share of the height."""
_PRICE = 0.04
"""Difference of prices at which masks count for a half, share of the area."""
_GAIN = 12.0
"""Log odds per second and weight of evidence that is sure."""
_LASTS = 2.0
"""Mean time after which two people change places, seconds."""
_SMALL = 60.0
"""Zone at which evidence counts for a half, working pixels."""
_SPEAKS = 0.2
"""Least absolute value at which a kind is named as evidence."""


@dataclass(frozen=True)
class Evidence:
    """What one frame says about a pair; above 0: the second is in front. None: nothing."""

    contact: float | None
    mask: float | None
    colour: float | None
    zone: int
    """Pixels that the whole masks of both cover."""


@dataclass(frozen=True)
class Verdict:
    """Who of a pair is in front in one frame."""

    score: float
    """-1 to 1; above 0: the second is in front."""
    kinds: tuple[str, ...]
    """The kinds of evidence for it."""

    @property
    def front(self) -> int:
        """1 if the second is in front, -1 if the first is, 0 if that is not known."""
        return 0 if abs(self.score) < LEAST else int(np.sign(self.score))


def contact_evidence(first: Extent, second: Extent) -> float | None:
    """How much lower the second one's lower edge is, -1 to 1; None where one is not seen."""
    if first.cut_below and second.cut_below:
        return None
    if first.cut_below or second.cut_below:
        # Where the one that is cut stands is below the picture, and the other's feet are in it.
        return 1.0 if second.cut_below else -1.0
    sure = _SURE * (first.height + second.height) / 2
    return float(np.tanh((second.y2 - first.y2) / max(sure, 1.0) / 2))


def mask_evidence(first: float | None, second: float | None, claimed: float = 0) -> float | None:
    """Whose mask is whole, -1 to 1, from the prices of each being in front; None where unknown.

    claimed: share of the zone that both masks claim, of which they then say nothing.

    A price is by how much worse the whole person agrees with what is seen if the other one cannot
    hide them, as a share of their area (amodal.py): 0 for who is in front.
    """
    if first is None or second is None:
        return None
    return (1 - claimed) * (first - second) / (first + second + _PRICE)


def verdicts(seen: Mapping[int, Evidence], fps: float, unsteady: float = 0.0) -> dict[int, Verdict]:
    """The verdict of each frame of one pair, from the evidence of all frames.

    The order is a chain of two states that seldom change (forward-backward algorithm; Rabiner, A
    Tutorial on Hidden Markov Models, Proc. IEEE 77, 1989). Frames close to each other repeat their
    errors, so evidence counts by time, not by frame. unsteady: how much the masks of the two change
    by themselves (whole.unsteadiness), by which every score is smaller.
    """
    frames = sorted(seen)
    values = np.array([[_value(seen[f], kind) for kind in KINDS] for f in frames])
    zones = np.array([seen[f].zone for f in frames], float)
    weights = np.array([_WEIGHTS[kind] for kind in KINDS]) * (zones / (zones + _SMALL))[:, None]
    spoken = np.nan_to_num(values)
    odds = _GAIN / fps * (weights * spoken).sum(axis=1)
    steps = np.diff(np.array(frames)) / fps
    scores = np.tanh(_chained(odds, 0.5 * (1 - np.exp(-2 * steps / _LASTS))) / 2)
    scores *= 1 - min(unsteady, 1.0)
    return {
        frame: Verdict(float(score), _named(row, score))
        for frame, score, row in zip(frames, scores.tolist(), spoken, strict=True)
    }


def _chained(odds: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Log odds of the second being in front given all frames: float64 (N,).

    odds: (N,), log odds of each frame alone; change: (N - 1,), the probability that the order
    changes between two frames.
    """

    def passed(value: float, share: float) -> float:
        likely = 1 / (1 + np.exp(-np.clip(value, -50, 50)))
        likely = likely * (1 - share) + (1 - likely) * share
        return float(np.log(likely / (1 - likely)))

    before, after = np.zeros(len(odds)), np.zeros(len(odds))
    for at in range(1, len(odds)):
        before[at] = passed(before[at - 1] + odds[at - 1], change[at - 1])
        back = len(odds) - 1 - at
        after[back] = passed(after[back + 1] + odds[back + 1], change[back])
    return before + odds + after


def _named(values: np.ndarray, score: float) -> tuple[str, ...]:
    """The kinds that speak for the verdict in this frame."""
    pairs = zip(KINDS, values.tolist(), strict=True)
    return tuple(kind for kind, value in pairs if value * np.sign(score) >= _SPEAKS)


def _value(evidence: Evidence, kind: str) -> float:
    value = getattr(evidence, kind)
    return np.nan if value is None else value
