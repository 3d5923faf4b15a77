"""Who is who: tracks within one shot, from the boxes of its frames.

Models give one person several boxes, and each would have a track. So of two boxes that overlap by
more than SAME_PERSON_IOU only the better one is followed, and no weak box that lies mostly inside
a strong one. What is left goes to a tracker (`association`), by name: boxes of at least `score`
begin a track, weaker ones of at least `low_score` may only continue one. Somebody who is missed
for MEMORY_SECONDS and comes back where he may be by then stays the same track.

Boxes are those of the detector, to the bit, not what a tracker's filter makes of them. Numbers
begin at 0 in every clip and go on over its shots; the order of the boxes in a frame is of no
importance. Appearance is not looked at: two people who cross closely can change tracks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from occludenet_build.core import boxes as geometry
from occludenet_build.detect.association import associate
from occludenet_build.detect.backend import Found

MEMORY_SECONDS = 1.0
"""How long a track waits at least; a longer `max_gap_seconds` makes it wait that long."""
SAME_PERSON_IOU = 0.5
"""Two boxes that overlap more are one person's."""
MOSTLY_INSIDE = 0.7
"""A weak box of which so much lies in one strong box is a part of that person."""


@dataclass(frozen=True)
class Rules:
    """How tracks are made; see config.Detect for the meaning of each."""

    fps: float
    score: float
    track_iou: float
    tracker: str = "cbiou"
    memory_seconds: float = MEMORY_SECONDS
    same_person_iou: float = SAME_PERSON_IOU


@dataclass(frozen=True)
class Track:
    """One person in one shot: frames (K,) int64 ascending, boxes (K, 4) and scores (K,) float32.

    A score is NaN where the box is filled in.
    """

    number: int
    frames: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


def follow(found: Iterable[Found], rules: Rules, first_number: int = 0) -> list[Track]:
    """The tracks of one shot, numbered from `first_number` in the order they begin."""
    clear = [_one_box_each(_in_order(here), rules) for here in found]
    strong = [here.scores >= rules.score for here in clear]
    people = associate(
        clear, strong, rules.tracker, rules.fps, rules.memory_seconds, rules.track_iou
    )
    by_frame = {here.frame: here for here in clear}
    return [
        _track(first_number + number, person, by_frame)
        for number, person in enumerate(sorted(people))
    ]


def _track(number: int, person: list[tuple[int, int]], found: dict[int, Found]) -> Track:
    return Track(
        number,
        np.array([frame for frame, _ in person], np.int64),
        np.stack([found[frame].boxes[row] for frame, row in person]),
        np.array([found[frame].scores[row] for frame, row in person], np.float32),
    )


def _in_order(here: Found) -> Found:
    """The best box first; the order of the file or the model would decide between equals."""
    order = np.lexsort((*here.boxes.T[::-1], -here.scores))
    return Found(here.frame, here.boxes[order], here.scores[order])


def _one_box_each(here: Found, rules: Rules) -> Found:
    """Without further boxes of the same person; the best box is first."""
    strong = here.scores >= rules.score
    whole = strong | ~_parts(here.boxes, strong)
    overlap = geometry.iou(here.boxes, here.boxes)
    kept: list[int] = []
    for row in np.flatnonzero(whole).tolist():
        if all(overlap[row, other] <= rules.same_person_iou for other in kept):
            kept.append(row)
    return Found(here.frame, here.boxes[kept], here.scores[kept])


def _parts(boxes: np.ndarray, strong: np.ndarray) -> np.ndarray:
    """Which boxes (N,) lie mostly inside one strong box."""
    shared = geometry.intersection(boxes, boxes[strong])
    own = np.maximum(geometry.area(boxes), 1e-6)
    return shared.max(axis=1, initial=0) / own > MOSTLY_INSIDE


def as_given(found: Iterable[Found]) -> list[Track]:
    """Tracks of one shot where the boxes say whose they are."""
    by_frame = {here.frame: here for here in found}
    people: dict[int, list[tuple[int, int]]] = {}
    for here in by_frame.values():
        numbers = () if here.tracks is None else here.tracks.tolist()
        for row, number in enumerate(numbers):
            people.setdefault(number, []).append((here.frame, row))
    return [_track(number, person, by_frame) for number, person in people.items()]


def in_shots(found: list[Found], cuts: list[int], rules: Rules) -> list[list[Track]]:
    """The tracks of every shot; `cuts` are the first frames of all shots but the first.

    Tracks that are found end at a cut; those that are given keep their number across it.
    """
    shots: list[list[Track]] = []
    for start, end in pairwise([0, *cuts, math.inf]):
        here = [f for f in found if start <= f.frame < end]
        if any(f.tracks is not None for f in here):
            shots.append(as_given(here))
        else:
            shots.append(follow(here, rules, sum(map(len, shots))))
    return shots
