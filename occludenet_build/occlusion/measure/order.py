"""Who of two is in front, from three kinds of evidence, weighed over about a second.

    contact  whose lower edge is lower in the picture stands nearer. The edges are those of the whole
             person (amodal.py), or of what is seen where that is not known; it says nothing where
             the picture's lower edge cuts one of the two.
    mask     the front one's mask is whole, and the rear one's is cut where the other one's is: the
             shape that the person has in other frames fits what is seen of them only if the other
             one hides a part
    colour   in the zone that the whole masks of both cover, the colours are those of one of the two, as they are seen in frames in
             which they are whole. It serves maskers that give the zone to both.

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
_WEIGHTS = {"contact": 0.8, "mask": 1.5, "colour": 0.7}
"""Weight of each kind; the order is known where the weighted mean of the sum is above LEAST."""
LEAST = 0.25
"""Least absolute score at which the order is known."""
_SURE = 0.06
"""Difference of lower edges at which contact counts for a good half, share of the height."""
_PRICE = 0.04
"""Difference of prices at which masks count for a half, share of the area."""
_WINDOW = 0.5
"""Standard deviation of the time over which evidence is averaged, seconds."""
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


def mask_evidence(first: float | None, second: float | None) -> float | None:
    """Whose mask is whole, -1 to 1, from the prices of each being in front; None where unknown.

    A price is by how much worse the whole person agrees with what is seen if the other one cannot
    hide them, as a share of their area (amodal.py): 0 for who is in front.
    """
    if first is None or second is None:
        return None
    return (first - second) / (first + second + _PRICE)


def verdicts(seen: Mapping[int, Evidence], fps: float) -> dict[int, Verdict]:
    """The verdict of each frame of one pair, from the evidence of the frames around it."""
    frames = np.array(sorted(seen))
    values = np.array([[_value(seen[f], kind) for kind in KINDS] for f in frames.tolist()])
    zones = np.array([seen[f].zone for f in frames.tolist()], float)
    weights = np.where(np.isnan(values), 0, np.array([_WEIGHTS[kind] for kind in KINDS]))
    weights = weights * np.sqrt(zones + 1)[:, None]
    found = {}
    for frame in frames.tolist():
        near = np.exp(-0.5 * ((frames - frame) / (_WINDOW * fps)) ** 2)[:, None] * weights
        total = near.sum()
        means = (near * np.nan_to_num(values)).sum(axis=0) / np.maximum(near.sum(axis=0), 1e-12)
        score = float((near * np.nan_to_num(values)).sum() / total) if total > 0 else 0.0
        spoken = zip(KINDS, means.tolist(), strict=True)
        kinds = tuple(kind for kind, mean in spoken if mean * np.sign(score) >= _SPEAKS)
        found[frame] = Verdict(score, kinds)
    return found


def _value(evidence: Evidence, kind: str) -> float:
    value = getattr(evidence, kind)
    return np.nan if value is None else value
