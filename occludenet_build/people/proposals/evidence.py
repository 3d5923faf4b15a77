"""Evidence over time that something static hides a person, and which one.

A person ends at an edge of the scene in one picture by chance. It is evidence if the edge stays:
the person moves along it and still ends there, or others end at the same place, or, for somebody
who stays, the edge is plain and goes on at both sides, and the outline ends along it. It is refuted
if people were seen with their feet where the occluder should hide them too, farther away than the
person in question.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from occludenet_build.people.proposals.sights import Sight, Support

SURE, LIKELY = 2.0, 0.5
"""Least ratio of the missing part to the error of the expectation; the second where the static
evidence is strong: a plain edge that goes on at both sides, along which the whole outline ends."""
_LEAST = 0.05
"""Least hidden share in a picture."""
_ANY, _EDGE, _PLAIN = 0.2, 0.5, 0.8
"""Strength of an edge in one picture that may count; least median over the pictures where the edge
is confirmed by motion or by others; and where it is not."""
_BESIDE = 0.5
"""Least strength with which the edge goes on beside somebody who stays, or above who is cut at a
side."""
_FLAT, _LEGS = 0.8, 0.65
"""Least share of the outline that ends along the edge: for strong evidence, and where the height
is surely missing, since only legs may reach the edge."""
_ALONG, _OTHERS = 0.7, 3
"""Way along the edge, widths of the person, and people who end there, that confirm an edge."""
_AROUND = 4.5
"""Seconds before and after a picture in which the same edge must be met again."""
_MOMENTS, _SHARE = 4, 0.5
"""Pictures in which it must be met, and their share of the person's pictures there."""
JOINTS_MISSING = 0.75
"""Least share of knees and ankles that must be missing below the edge, where joints are known."""
_SEEN_THERE = 3
"""Pictures with feet in the hidden part that refute it."""


KINDS = {
    "height": "less of the person is seen than their head's place on the ground line lets expect",
    "outline": "the person's outline ends along the edge",
    "motion": "the person moves along the edge and still ends at it",
    "others": "other people end at the same place",
    "gap": "the scene shows in the middle of the person",
    "keypoints": "joints below the edge are missing",
}
"""Kinds of evidence besides the lasting edge, which every proposal has."""


@dataclass(frozen=True)
class Evidence:
    """Why a window is proposed; medians over the pictures in which the person is hidden."""

    kinds: tuple[str, ...]
    """Of KINDS, in its order."""
    side: str
    """Where the person is cut most often: below, side, middle."""
    edge: float
    """Strength of the scene's edge, 0 to 1."""
    moments: int
    """Pictures of the window in which the person ends at it."""
    people: int
    """People who end at the same place."""
    error: float | None
    """Error of the expected height, relative; None where it does not count."""


def evidence_of(hidden: list[Sight]) -> Evidence:
    """The evidence for a window; hidden: its sights with a hidden share."""
    supports = [sight.support for sight in hidden if sight.support is not None]
    if not supports:
        return Evidence((), "", 0.0, 0, 0, None)
    sides = [sight.side for sight in hidden]
    side = max(("below", "side", "middle"), key=sides.count)
    chosen = [sight for sight in hidden if sight.side == side and sight.support is not None]
    joints = [sight.joints for sight in chosen if sight.joints is not None]
    sure = float(np.median([one.sure for one in supports]))
    holds = {
        "height": side == "below" and sure >= SURE,
        "outline": float(np.median([one.flat for one in supports])) >= _FLAT,
        "motion": max(one.along for one in supports) >= _ALONG,
        "others": max(one.people for one in supports) >= _OTHERS,
        "gap": side == "middle",
        "keypoints": bool(joints) and float(np.median(joints)) >= JOINTS_MISSING,
    }
    error = float(np.median([sight.error for sight in chosen]))
    return Evidence(
        kinds=tuple(name for name in KINDS if holds[name]),
        side=side,
        edge=float(np.median([sight.edge for sight in chosen])),
        moments=len(chosen),
        people=max(one.people for one in supports),
        error=error if side == "below" and math.isfinite(error) else None,
    )


def _is_strong(support: Support) -> bool:
    """Whether the static evidence is strong."""
    return support.edge >= _PLAIN and support.beside >= _BESIDE and support.flat >= _FLAT


def _holds(support: Support, side: str) -> bool:
    """Whether the evidence is sufficient for somebody who is cut at this side."""
    if support.moments < max(_MOMENTS, _SHARE * support.of):
        return False
    if support.joints is not None and support.joints < JOINTS_MISSING:
        return False
    strong = _is_strong(support)
    if support.sure < (LIKELY if strong or support.joints is not None else SURE):
        return False
    if side != "below":
        return support.edge >= _EDGE and support.beside >= _BESIDE
    outline = support.flat >= _LEGS
    moved = support.along >= _ALONG or (support.people >= _OTHERS and outline)
    plain = min(support.edge, support.beside) >= _PLAIN and outline
    return (moved and support.edge >= _EDGE) or strong or plain


def confirmed(sights: dict[int, list[Sight]]) -> dict[int, list[Sight]]:
    """The sights with `support`; `hidden` is 0 wherever the evidence is not sufficient."""
    places = [
        (track, sight) for track, seen in sights.items() for sight in seen if _may_count(sight)
    ]
    feet = _visible_feet(sights)
    return {
        track: [_judged(track, sight, seen, places, feet) for sight in seen]
        for track, seen in sights.items()
    }


def _may_count(sight: Sight) -> bool:
    """Whether a sight may be of somebody hidden; below a strong edge, less need be missing."""
    strong = sight.edge >= _PLAIN and sight.flat >= _FLAT
    enough = sight.hidden >= (0.2 * _LEAST if strong else _LEAST)
    return bool(sight.side) and enough and sight.edge >= _ANY


def _judged(
    track: int, sight: Sight, seen: list[Sight], places: list[tuple[int, Sight]], feet: np.ndarray
) -> Sight:
    if not _may_count(sight):
        return replace(sight, hidden=0.0)
    support = support_of(track, sight, seen, places)
    if not _holds(support, sight.side) or _refuted(sight, feet):
        return replace(sight, support=support, hidden=0.0)
    hidden = _at_an_edge(sight) if _is_strong(support) else sight.hidden
    return replace(sight, support=support, hidden=hidden)


def _at_an_edge(sight: Sight) -> float:
    """The expected hidden share of a person of whom, by the static evidence, something is hidden.

    It is the mean of a normal distribution of the missing part, cut off at 0.
    """
    error = sight.hidden / max(sight.sure, 1e-6) if sight.hidden else 0.0
    z = min(sight.sure, 8.0)
    below = 0.5 * (1 + math.erf(z / math.sqrt(2)))
    density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return min(1.0, sight.hidden + min(error, 0.3) * density / below)


def support_of(
    track: int, sight: Sight, own: list[Sight], places: list[tuple[int, Sight]]
) -> Support:
    """How the edge of a sight is met at other times.

    own: the person's sights; places: (track, sight) of all that may count.
    """
    around = [s for s in own if abs(s.seconds - sight.seconds) <= _AROUND]
    same = [s for s in around if _may_count(s) and s.side == sight.side]
    if sight.side != "below":  # something upright stays where it is, whoever passes
        same = [s for s in same if abs(s.line - sight.line) < 0.06 * sight.height]
    width = max(1.0, sight.box[2] - sight.box[0])
    middles = [(s.box[0] + s.box[2]) / 2 for s in same]
    near = {other for other, s in places if s.side == sight.side and _same_place(sight, s)}
    joints = [s.joints for s in same if s.joints is not None]
    flat = [0.0 if np.isnan(s.flat) else s.flat for s in same]
    return Support(
        moments=len(same),
        of=len(around),
        along=float(np.ptp(middles)) / width,
        people=len(near | {track}),
        edge=float(np.median([s.edge for s in same])),
        beside=float(np.median([s.beside for s in same])),
        sure=float(np.median([s.sure for s in same])),
        flat=float(np.median(flat)),
        joints=float(np.median(joints)) if joints else None,
    )


def _same_place(one: Sight, other: Sight) -> bool:
    """Whether two sights end at the same edge."""
    tolerance = 0.06 * one.height
    if one.side == "below":
        apart = abs(one.box[0] + one.box[2] - other.box[0] - other.box[2]) / 2
        return abs(one.line - other.line) < tolerance and apart < one.height
    return abs(one.line - other.line) < tolerance and abs(one.box[3] - other.box[3]) < one.height


def _visible_feet(sights: dict[int, list[Sight]]) -> np.ndarray:
    """float64 (K, 2): column and row of the lower ends of boxes that end at no edge."""
    points = [
        ((s.box[0] + s.box[2]) / 2, s.box[3])
        for seen in sights.values()
        for s in seen
        if not _may_count(s)
    ]
    return np.array(points, float).reshape(-1, 2)


def _refuted(sight: Sight, feet: np.ndarray) -> bool:
    """Whether feet were seen where something in front of this person should hide them."""
    if sight.side != "below" or not len(feet):
        return False
    x1, y1, x2, _ = sight.box
    missing = y1 + sight.height - sight.line
    inside = (feet[:, 0] > x1) & (feet[:, 0] < x2) & (feet[:, 1] > sight.line + 0.3 * missing)
    return int((inside & (feet[:, 1] < sight.line + 0.85 * missing)).sum()) >= _SEEN_THERE
