"""Who is who: tracks within one shot, from the boxes of its frames.

Models give one person several boxes, and each would have a track. So of two boxes that overlap by
more than SAME_PERSON_IOU only the better one is followed, and no weak box that lies mostly inside
a strong one. What is left goes to a tracker (`association`), by name: boxes of at least `score`
begin a track, weaker ones of at least `low_score` may only continue one. Somebody who is missed
for MEMORY_SECONDS and comes back where he may be by then stays the same track.

Boxes are those of the detector, to the bit, not what a tracker's filter makes of them. Numbers
begin at 0 in every clip and go on over its shots; the order of the boxes in a frame is of no
importance. Appearance is not looked at: two people who cross closely can change tracks.

Which box is whose from frame to frame, by a tracker of the package `trackers`.

The package (Roboflow, Apache-2.0) has the published trackers written anew. They share one
interface and look at boxes alone here, not at pictures:

| Name | What it is | Weak boxes |
|---|---|---|
| cbiou | C-BIoU (Yang et al. 2023): boxes are compared with a margin, then a larger | continue |
| bytetrack | ByteTrack (Zhang et al. 2022): first strong boxes, then weak ones | continue |
| ocsort | OC-SORT (Cao et al. 2023): the direction of a movement counts | are left out |
| botsort | BoT-SORT (Aharon et al. 2022) without its camera compensation | continue |

A tracker is told of a box only whether it is strong or weak: they would multiply overlaps with
scores, and those of a small model, or the contrast that `motion` gives, are no probabilities.
It names a person from his second box on; the first one is given back to him here.

Boxes of every frame from those of every k-th: tracks as of a slower video, then straight lines.

    frame       0  1  2  3 | 4  5  6  7  8  9        k = 4, a cut before frame 4
    seen        x            x           x
    box         x  h  h  h | x  /  /  /  x  h        h: held, at the edge of the shot only

A line goes from one seen frame to the next. Where the track was missed in a seen frame, the frames
around it stay empty, as they do without a stride; `actor` fills them if the gap is short.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from occludenet_build.config.people import Detect
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.people.detectors.interface import Found, runs_network

STRONG, WEAK = 1.0, 0.5
"""What a tracker is told instead of scores."""
_SPLIT = 0.75
"""Between the two."""
_NOBODY = -1


def _tracker(
    class_name: str, ious: tuple[str, ...], weak_continue: bool = True, **more: Any
) -> Callable[[float, int, float], Any]:
    """How a tracker of the package is made; `ious` are its names for the least overlap."""

    def make(frame_rate: float, memory: int, iou: float) -> Any:
        import trackers

        activation = {"track_activation_threshold": _SPLIT} if weak_continue else {}
        return getattr(trackers, class_name)(
            lost_track_buffer=memory,
            frame_rate=frame_rate,
            high_conf_det_threshold=_SPLIT,
            minimum_consecutive_frames=1,
            **dict.fromkeys(ious, iou),
            **activation,
            **more,
        )

    return make


_ONE = ("minimum_iou_threshold",)
_TWO = ("minimum_iou_threshold_first_assoc", "minimum_iou_threshold_unconfirmed_assoc")

TRACKERS: dict[str, Callable[[float, int, float], Any]] = {
    "cbiou": _tracker("CBIoUTracker", _TWO),
    "bytetrack": _tracker("ByteTrackTracker", _ONE),
    "ocsort": _tracker("OCSORTTracker", _ONE, weak_continue=False),
    "botsort": _tracker("BoTSORTTracker", _TWO, enable_cmc=False),
}
"""Name in the settings -> tracker for (frames per second, thirtieths of a second that somebody is
waited for, least overlap)."""

Person = list[tuple[int, int]]
"""(frame, row of its boxes) of one person, ascending frames."""


@dataclass
class _Follower:
    """One tracker over one shot."""

    tracker: Any
    people: dict[int, Person] = field(default_factory=dict)
    """By the tracker's own number."""
    born: dict[int, tuple[Any, tuple[int, int]]] = field(default_factory=dict)
    """The tracker's object of each person, by its id, and his first box, which has no number."""

    def see(self, here: Found, strong: np.ndarray) -> None:
        numbers = self._numbers(here.boxes, strong)
        for row in np.flatnonzero(numbers != _NOBODY).tolist():
            self.people.setdefault(int(numbers[row]), []).append((here.frame, row))
        free = np.flatnonzero((numbers == _NOBODY) & strong).tolist()
        for track in self.tracker.tracks:
            if track.tracker_id == _NOBODY and id(track) not in self.born:
                # A new one stands exactly where the box is that it was made from.
                away = np.abs(here.boxes[free] - track.get_state_bbox()).max(axis=1)
                self.born[id(track)] = track, (here.frame, free.pop(int(np.argmin(away))))

    def _numbers(self, boxes: np.ndarray, strong: np.ndarray) -> np.ndarray:
        import supervision

        rows = np.arange(len(boxes))
        told = supervision.Detections(
            xyxy=boxes,
            confidence=np.where(strong, STRONG, WEAK).astype(np.float32),
            data={"row": rows},
        )
        answer = self.tracker.update(told)
        numbers = np.full(len(boxes), _NOBODY)
        if len(answer):
            numbers[answer.data["row"]] = answer.tracker_id
        return numbers

    def done(self) -> list[Person]:
        """Everybody; a strong box that found no second one is a person of one box."""
        people, alone = dict(self.people), []
        for track, first in self.born.values():
            if track.tracker_id == _NOBODY:
                alone.append([first])
            else:
                people[track.tracker_id] = [first, *people[track.tracker_id]]
        return [*people.values(), *alone]


def associate(
    found: Sequence[Found],
    strong: Sequence[np.ndarray],
    name: str,
    fps: float,
    memory_seconds: float,
    iou: float,
) -> list[Person]:
    """The people of one shot; `strong` (N,) bool marks the boxes of a frame that begin a track.

    A strong box belongs to exactly one of them, a weak one to at most one.
    """
    follower = _Follower(TRACKERS[name](fps, round(30 * memory_seconds), iou))
    for here, good in zip(found, strong, strict=True):
        follower.see(here, good)
    return follower.done()


MEMORY_SECONDS = 1.0
"""How long a track waits at least; a longer `max_gap_seconds` makes it wait that long."""
SAME_PERSON_IOU = 0.5
"""Two boxes that overlap more are one person's."""
MOSTLY_INSIDE = 0.7
"""A weak box of which so much lies in one strong box is a part of that person."""


@dataclass(frozen=True)
class TrackRules:
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


def link_boxes(found: Iterable[Found], rules: TrackRules, first_number: int = 0) -> list[Track]:
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


def _one_box_each(here: Found, rules: TrackRules) -> Found:
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


def given_tracks(found: Iterable[Found]) -> list[Track]:
    """Tracks of one shot where the boxes say whose they are."""
    by_frame = {here.frame: here for here in found}
    people: dict[int, list[tuple[int, int]]] = {}
    for here in by_frame.values():
        numbers = () if here.tracks is None else here.tracks.tolist()
        for row, number in enumerate(numbers):
            people.setdefault(number, []).append((here.frame, row))
    return [_track(number, person, by_frame) for number, person in people.items()]


def tracks_by_shot(found: list[Found], cuts: list[int], rules: TrackRules) -> list[list[Track]]:
    """The tracks of every shot; `cuts` are the first frames of all shots but the first.

    Tracks that are found end at a cut; those that are given keep their number across it.
    """
    shots: list[list[Track]] = []
    for start, end in pairwise([0, *cuts, math.inf]):
        here = [f for f in found if start <= f.frame < end]
        if any(f.tracks is not None for f in here):
            shots.append(given_tracks(here))
        else:
            shots.append(link_boxes(here, rules, sum(map(len, shots))))
    return shots


def frame_stride(settings: Detect) -> int:
    """Every so-many-th frame is seen: all of them by what is no model."""
    return settings.stride if runs_network(settings) else 1


def tracks_by_shot_with_stride(
    found: list[Found], cuts: list[int], rules: TrackRules, stride: int, frames: int
) -> list[list[Track]]:
    """See tracks.tracks_by_shot; `found` has the frames 0, k, 2k, ... of so many `frames`."""
    if stride == 1:
        return tracks_by_shot(found, cuts, rules)
    seen = [replace(here, frame=here.frame // stride) for here in found]
    first_seen = [-(-cut // stride) for cut in cuts]
    shots = tracks_by_shot(seen, first_seen, replace(rules, fps=rules.fps / stride))
    bounds = pairwise([0, *cuts, frames])
    return [
        [_every_frame(track, stride, start, end) for track in shot]
        for shot, (start, end) in zip(shots, bounds, strict=True)
    ]


def _every_frame(track: Track, stride: int, start: int, end: int) -> Track:
    """`start` and `end` are those of the shot. Scores in between are lines as well: `filled` says
    which boxes nobody has seen."""
    seen = track.frames * stride
    first = start if seen[0] - start < stride else seen[0]
    last = end - 1 if end - seen[-1] <= stride else seen[-1]
    frames = np.arange(first, last + 1)
    before = np.searchsorted(seen, frames, "right").clip(1, max(1, len(seen) - 1)) - 1
    gap = np.diff(seen, append=seen[-1] + stride)[before]
    outside = (frames < seen[0]) | (frames > seen[-1])
    kept = frames[outside | np.isin(frames, seen) | (gap == stride)]
    columns = [np.interp(kept, seen, values) for values in (*track.boxes.T, track.scores)]
    lines = np.array(columns, np.float32)
    return Track(track.number, kept, np.ascontiguousarray(lines[:4].T), lines[4])


def unseen_frames(frames: np.ndarray, stride: int) -> np.ndarray:
    """Which frames (N,) the model has not seen."""
    return frames % stride != 0
