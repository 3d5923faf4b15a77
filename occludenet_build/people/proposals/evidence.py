"""Evidence over time that something static hides a person, and which one.

A person ends at an edge of the scene in one picture by chance. It is evidence if the edge stays: the
person moves along it and still ends there, or others end at the same place, or, for somebody who
stays, the edge is plain and goes on at both sides, and the outline ends along it. It is refuted if
people were seen with their feet where the occluder should hide them: behind it, and in front of
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from occludenet_build.people.proposals.hiding import Sight

SURE = 2.0
"""Least ratio of the missing part to the error of the expectation."""
_LEAST = 0.06
"""Least hidden share in a picture."""
_EDGE, _PLAIN = 0.35, 0.6
"""Least strength of the edge: where it is confirmed by motion or others, and where not."""
_BESIDE = 0.35
"""Least strength with which the edge goes on at the sides of somebody who stays."""
_FLAT = 0.6
"""Least share of the outline that ends along the edge, for somebody who stays."""
_AROUND = 4.5
"""Seconds before and after a picture in which the same edge must be met again."""
_MOMENTS, _SHARE = 4, 0.5
"""Pictures in which it must be met, and their share of the person's pictures there."""
_SEEN_THERE = 3
"""Pictures with feet in the hidden part that refute it."""


@dataclass(frozen=True)
class Support:
    """How the edge of one sight is met at other times."""

    moments: int
    """Pictures of the person, within _AROUND, that end at an edge."""
    of: int
    """Pictures of the person, within _AROUND."""
    along: float
    """Way of the person along the edge in them, widths of the person."""
    people: int
    """People who end at the same place, this one included."""


def confirmed(sights: dict[int, list[Sight]]) -> dict[int, list[Sight]]:
    """The sights with `hidden` 0 wherever the evidence is not sufficient."""
    ends = {track: [_candidate(s) for s in seen] for track, seen in sights.items()}
    places = [
        (track, s) for track, seen in sights.items() for s, c in zip(seen, ends[track], strict=True)
        if c
    ]  # fmt: skip
    feet = _visible_feet(sights, ends)
    made: dict[int, list[Sight]] = {}
    for track, seen in sights.items():
        made[track] = []
        for sight, ends_there in zip(seen, ends[track], strict=True):
            good = ends_there and _holds(track, sight, seen, ends[track], places, feet)
            made[track].append(sight if good else replace(sight, hidden=0.0))
    return made


def _candidate(sight: Sight) -> bool:
    return (
        bool(sight.side)
        and sight.hidden >= _LEAST
        and sight.sure >= SURE
        and sight.edge >= _EDGE
    )


def _holds(
    track: int,
    sight: Sight,
    seen: list[Sight],
    ends: list[bool],
    places: list[tuple[int, Sight]],
    feet: np.ndarray,
) -> bool:
    """Whether the evidence for one sight is sufficient."""
    support = support_of(track, sight, zip(seen, ends, strict=True), places)
    if support.moments < max(_MOMENTS, _SHARE * support.of) or _refuted(sight, feet):
        return False
    if support.along >= 0.7 or support.people >= 3:
        return True
    stays = sight.edge >= _PLAIN and sight.beside >= _BESIDE
    return stays and not sight.flat < _FLAT  # nan: the outline is not known


def support_of(
    track: int,
    sight: Sight,
    own: Iterable[tuple[Sight, bool]],
    places: list[tuple[int, Sight]],
) -> Support:
    """How the edge of a sight is met at other times.

    own: the person's sights, and whether they end at an edge; places: (track, sight) of all that do.
    """
    around = [(s, end) for s, end in own if abs(s.seconds - sight.seconds) <= _AROUND]
    same = [s for s, end in around if end and s.side == sight.side]
    width = max(1.0, sight.box[2] - sight.box[0])
    middles = [(s.box[0] + s.box[2]) / 2 for s in same]
    along = float(np.ptp(middles)) / width if middles else 0.0
    near = {track} | {
        other for other, s in places if s.side == sight.side and _same_place(sight, s)
    }
    return Support(len(same), len(around), along, len(near))


def _same_place(one: Sight, other: Sight) -> bool:
    """Whether two sights end at the same edge."""
    tolerance = 0.06 * one.height
    if one.side == "below":
        apart = abs(one.box[0] + one.box[2] - other.box[0] - other.box[2]) / 2
        return abs(one.line - other.line) < tolerance and apart < one.height
    return abs(one.line - other.line) < tolerance and abs(one.box[3] - other.box[3]) < one.height


def _visible_feet(sights: dict[int, list[Sight]], ends: dict[int, list[bool]]) -> np.ndarray:
    """float64 (K, 2): column and row of the lower ends of boxes that end at no edge."""
    points = [
        ((s.box[0] + s.box[2]) / 2, s.box[3])
        for track, seen in sights.items()
        for s, end in zip(seen, ends[track], strict=True)
        if not end and s.edge < _EDGE
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
