"""Who is who from frame to frame: tracks within one shot.

The way of ByteTrack (Zhang et al. 2022), with time in seconds: each live track expects its box
where its own speed carries it. Boxes of at least `score` are matched by overlap, first to tracks
that were just seen, then to those that wait; weaker ones of at least `low_score` may then continue
a track that was just seen and still lacks a box, and never begin one; then boxes and tracks that
are left are compared with a margin around them, for fast people and low frame rates.
Models give one person several boxes: a weak box mostly inside a strong one is dropped, and a box
that overlaps one of another track begins none. A track that finds no box waits for
MEMORY_SECONDS, so a person who comes back close by, as after a moment behind something, stays the
same track.

Appearance is not looked at: two people who cross closely can change tracks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from occludenet_build.core import boxes as geometry
from occludenet_build.detect.backend import Found

MEMORY_SECONDS = 1.0
"""How long a track waits at least; a longer `max_gap_seconds` makes it wait that long."""
WEAK_IOU = 0.5
"""Least overlap that lets a weak box continue a track."""
SAME_PERSON_IOU = 0.5
"""Two boxes that overlap more are not two people, unless each has a track already."""
MOSTLY_INSIDE = 0.7
"""A weak box of which so much lies in one strong box is a part of that person."""
MARGIN = 0.3
"""Of the last comparison, share of the width and height, on each side."""
WIDE_IOU = 0.3
"""Least overlap in the last comparison."""
_PREDICT_SECONDS = 0.5
"""A speed is believed for so long."""


@dataclass(frozen=True)
class Rules:
    """How tracks are made; see config.Detect for the meaning of each."""

    fps: float
    score: float
    track_iou: float
    memory_seconds: float = MEMORY_SECONDS
    same_person_iou: float = SAME_PERSON_IOU


@dataclass(frozen=True)
class Track:
    """One person in one shot: frames (K,) int64 ascending, boxes (K, 4) and scores (K,) float32."""

    number: int
    frames: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


@dataclass
class _Live:
    """A track in the making."""

    number: int
    frames: list[int] = field(default_factory=list)
    boxes: list[np.ndarray] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    speed: np.ndarray = field(default_factory=lambda: np.zeros(2, np.float32))
    """Of the centre, pixels per frame."""

    def add(self, frame: int, box: np.ndarray, score: float) -> None:
        if self.frames:
            step = geometry.centre(box[None])[0] - geometry.centre(self.boxes[-1][None])[0]
            # The first step is all there is to go by; later ones are averaged over about three.
            trust = 1 / min(len(self.frames), 3)
            self.speed += trust * (step / (frame - self.frames[-1]) - self.speed)
        self.frames.append(frame)
        self.boxes.append(box)
        self.scores.append(score)

    def expected(self, frame: int, fps: float) -> np.ndarray:
        """The box (4,) where the track should be in this frame."""
        elapsed = min(frame - self.frames[-1], max(1.0, _PREDICT_SECONDS * fps))
        return self.boxes[-1] + np.tile(self.speed * np.float32(elapsed), 2)

    def done(self) -> Track:
        return Track(
            self.number,
            np.array(self.frames, np.int64),
            np.array(self.boxes, np.float32),
            np.array(self.scores, np.float32),
        )


def follow(found: Iterable[Found], rules: Rules, first_number: int = 0) -> list[Track]:
    """The tracks of one shot, numbered from `first_number` in the order they begin."""
    tracks: list[_Live] = []
    live: list[_Live] = []
    for here in found:
        live = [t for t in live if _waits(t, here.frame, rules)]
        for box in _match(live, here, rules):
            tracks.append(_Live(first_number + len(tracks)))
            tracks[-1].add(here.frame, here.boxes[box], float(here.scores[box]))
            live.append(tracks[-1])
    return [t.done() for t in tracks]


def _waits(track: _Live, frame: int, rules: Rules) -> bool:
    missed = frame - track.frames[-1] - 1
    return missed / rules.fps <= rules.memory_seconds


def _match(live: list[_Live], here: Found, rules: Rules) -> list[int]:
    """Give boxes to tracks; return the strong boxes that begin one."""
    strong = here.scores >= rules.score
    weak = ~strong & ~_parts(here.boxes, strong)
    expected = np.array([t.expected(here.frame, rules.fps) for t in live], np.float32)
    expected = expected.reshape(-1, 4)
    recent = np.array([here.frame - t.frames[-1] <= max(2, rules.fps / 10) for t in live], bool)
    near = geometry.iou(expected, here.boxes)
    wide = geometry.iou(geometry.grown(expected, MARGIN), geometry.grown(here.boxes, MARGIN))
    taken = np.zeros(len(here.boxes), bool)
    free = np.ones(len(live), bool)
    for overlap, least, tracks, boxes in (
        (near, rules.track_iou, recent, strong),
        (near, rules.track_iou, ~recent, strong),
        (near, max(WEAK_IOU, rules.track_iou), recent, weak),
        (wide, WIDE_IOU, np.ones_like(recent), strong),
    ):
        for track, box in _pairs(overlap, tracks & free, boxes & ~taken, least):
            live[track].add(here.frame, here.boxes[box], float(here.scores[box]))
            taken[box], free[track] = True, False
    return _new(here, strong & ~taken, taken, rules)


def _parts(boxes: np.ndarray, strong: np.ndarray) -> np.ndarray:
    """Which boxes (N,) lie mostly inside one strong box."""
    shared = geometry.intersection(boxes, boxes[strong])
    own = np.maximum(geometry.area(boxes), 1e-6)
    return shared.max(axis=1, initial=0) / own > MOSTLY_INSIDE


def _new(here: Found, left: np.ndarray, taken: np.ndarray, rules: Rules) -> list[int]:
    """Of the boxes that are left, the best first, those that are nobody else's."""
    overlap = geometry.iou(here.boxes, here.boxes)
    people, new = set(np.flatnonzero(taken).tolist()), []
    for box in sorted(np.flatnonzero(left).tolist(), key=lambda b: (-here.scores[b], b)):
        if all(overlap[box, other] <= rules.same_person_iou for other in people):
            people.add(box)
            new.append(box)
    return sorted(new)


def _pairs(
    overlap: np.ndarray, tracks: np.ndarray, boxes: np.ndarray, least: float
) -> list[tuple[int, int]]:
    """(track, box) with the largest sum of overlaps, none under `least`, of those marked True."""
    rows, columns = np.flatnonzero(tracks), np.flatnonzero(boxes)
    part = overlap[np.ix_(rows, columns)]
    # What is too little must not draw the assignment away from what is enough.
    part = np.where((part >= least) & (part > 0), part, 0)
    return [
        (int(rows[r]), int(columns[c]))
        for r, c in zip(*linear_sum_assignment(part, maximize=True), strict=True)
        if part[r, c] > 0
    ]


def as_given(found: Iterable[Found]) -> list[Track]:
    """Tracks of one shot where the boxes say whose they are."""
    rows: dict[int, _Live] = {}
    for here in found:
        numbers = here.tracks if here.tracks is not None else ()
        for number, box, score in zip(numbers, here.boxes, here.scores, strict=True):
            rows.setdefault(int(number), _Live(int(number))).add(here.frame, box, float(score))
    return [t.done() for t in rows.values()]


def in_shots(found: list[Found], cuts: list[int], rules: Rules) -> list[list[Track]]:
    """The tracks of every shot. `found` has every frame; `cuts` start all shots but the first.

    Tracks that are found end at a cut; those that are given keep their number across it.
    """
    shots: list[list[Track]] = []
    for start, end in pairwise([0, *cuts, len(found)]):
        here = found[start:end]
        if any(f.tracks is not None for f in here):
            shots.append(as_given(here))
        else:
            shots.append(follow(here, rules, sum(map(len, shots))))
    return shots
