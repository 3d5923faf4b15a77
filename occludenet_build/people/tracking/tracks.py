"""Tracking: links the boxes of a shot's frames into one track per person.

Duplicates first: a model may give one person several boxes, each of which would get a track. So of
two boxes that overlap by more than SAME_PERSON_IOU only the better one is kept, and a weak box that
lies mostly inside a strong one is dropped.

Then a tracker links the boxes (detect.tracker): boxes of at least `score` begin a track, weaker
ones of at least `low_score` may only continue one. A person who is missed for up to MEMORY_SECONDS
and reappears where the tracker expects them keeps their track. Trackers come from the package
`trackers` (Roboflow, Apache-2.0), which implements published methods behind one interface. Here
they use boxes, not pictures:

| Name | Method | Weak boxes |
|---|---|---|
| cbiou | C-BIoU (Yang et al. 2023): compares boxes enlarged by two margins in turn | continue |
| bytetrack | ByteTrack (Zhang et al. 2022): first strong boxes, then weak ones | continue |
| ocsort | OC-SORT (Cao et al. 2023): uses the direction of a movement | are ignored |
| botsort | BoT-SORT (Aharon et al. 2022) without its camera compensation | continue |

A tracker gets a box as strong or weak instead of its score: it would multiply overlaps by scores,
and the scores of a small model, or the contrast of the backend motion, are no probabilities. It
numbers a person from their second box on; the first box is added here.

Boxes are the detector's, bit for bit, without the tracker's filtering. Track numbers begin at 0 in
every clip and continue over its shots. The order of the boxes in a frame does not matter.
Appearance is not used: two people who cross closely can exchange their tracks.

With a stride k the boxes of every k-th frame are linked as those of a slower video, and
interpolated linearly:

    frame       0  1  2  3 | 4  5  6  7  8  9        k = 4, a cut before frame 4
    detected    x            x           x
    box         x  h  h  h | x  /  /  /  x  h        h: repeated, at the edge of the shot only

Where a track has no box in a detected frame, the frames around it stay empty, as they do without a
stride; `actor` fills them if the gap is short.
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
from occludenet_build.people.detectors.interface import FrameDetections, IndexedClip, runs_network

STRONG, WEAK = 1.0, 0.5
"""Scores that a tracker gets for strong and weak boxes."""
_SPLIT = 0.75
"""Threshold between the two."""
_NO_NUMBER = -1
"""Track number of a box that the tracker has not assigned."""
MEMORY_SECONDS = 1.0
"""Least time for which a track waits for its next box; a longer `max_gap_seconds` replaces it."""
SAME_PERSON_IOU = 0.5
"""Two boxes that overlap more belong to one person."""
MOSTLY_INSIDE = 0.7
"""A weak box with more than this share of its area inside one strong box is part of that person."""


def _tracker(
    class_name: str, ious: tuple[str, ...], weak_continue: bool = True, **more: Any
) -> Callable[[float, int, float], Any]:
    """A function that constructs a tracker; `ious`: its parameters for the least overlap."""

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
"""Value of detect.tracker -> function that constructs the tracker from (frames per second, time for
which a track waits in thirtieths of a second, least IoU)."""

Person = list[tuple[int, int]]
"""(frame, row among the frame's boxes) of one person, ascending frames."""


@dataclass
class _Follower:
    """Runs one tracker over one shot."""

    tracker: Any
    people: dict[int, Person] = field(default_factory=dict)
    """The tracker's own number -> person."""
    born: dict[int, tuple[Any, tuple[int, int]]] = field(default_factory=dict)
    """Id of a tracker's object -> the object, and its first box, which gets no number."""

    def add(self, detections: FrameDetections, strong: np.ndarray) -> None:
        """Link the boxes of the next frame; `strong` bool (N,)."""
        numbers = self._numbers(detections.boxes, strong)
        for row in np.flatnonzero(numbers != _NO_NUMBER).tolist():
            self.people.setdefault(int(numbers[row]), []).append((detections.frame, row))
        free = np.flatnonzero((numbers == _NO_NUMBER) & strong).tolist()
        for track in self.tracker.tracks:
            if track.tracker_id == _NO_NUMBER and id(track) not in self.born:
                # A new object's state equals the box that it was made from.
                away = np.abs(detections.boxes[free] - track.get_state_bbox()).max(axis=1)
                self.born[id(track)] = track, (detections.frame, free.pop(int(np.argmin(away))))

    def _numbers(self, boxes: np.ndarray, strong: np.ndarray) -> np.ndarray:
        import supervision

        rows = np.arange(len(boxes))
        detections = supervision.Detections(
            xyxy=boxes,
            confidence=np.where(strong, STRONG, WEAK).astype(np.float32),
            data={"row": rows},
        )
        answer = self.tracker.update(detections)
        numbers = np.full(len(boxes), _NO_NUMBER)
        if len(answer):
            numbers[answer.data["row"]] = answer.tracker_id
        return numbers

    def finished(self) -> list[Person]:
        """All people; a strong box without a second one is a person of one box."""
        people, alone = dict(self.people), []
        for track, first in self.born.values():
            if track.tracker_id == _NO_NUMBER:
                alone.append([first])
            else:
                people[track.tracker_id] = [first, *people[track.tracker_id]]
        return [*people.values(), *alone]


def associate(
    found: Sequence[FrameDetections],
    strong: Sequence[np.ndarray],
    name: str,
    fps: float,
    memory_seconds: float,
    iou: float,
) -> list[Person]:
    """The people of one shot, linked by the tracker `name`.

    `found`: the boxes of each frame, in order; `strong`: for each frame bool (N,), the boxes that
    may begin a track; `memory_seconds`: time for which a track waits for its next box; `iou`: least
    overlap. A strong box belongs to exactly one person, a weak one to at most one.
    """
    follower = _Follower(TRACKERS[name](fps, round(30 * memory_seconds), iou))
    for detections, is_strong in zip(found, strong, strict=True):
        follower.add(detections, is_strong)
    return follower.finished()


@dataclass(frozen=True)
class TrackRules:
    """How boxes are linked; `config.people.Detect` describes the settings."""

    fps: float
    score: float
    track_iou: float
    tracker: str = "cbiou"
    memory_seconds: float = MEMORY_SECONDS
    same_person_iou: float = SAME_PERSON_IOU


@dataclass(frozen=True)
class Track:
    """One person in one shot."""

    number: int
    """Track number, unique in the clip."""
    frames: np.ndarray
    """int64 (K,): frame numbers, ascending."""
    boxes: np.ndarray
    """float32 (K, 4): x1 y1 x2 y2, pixels of the displayed picture."""
    scores: np.ndarray
    """float32 (K,): 0 to 1, NaN where the box is filled."""
    parts: tuple[Track, ...] = ()
    """The tracks that it was joined from; empty if it is one of the tracker's own."""


def link_boxes(
    found: Iterable[FrameDetections], rules: TrackRules, first_number: int = 0
) -> list[Track]:
    """The tracks of one shot, numbered from `first_number` in the order of their first frames."""
    clear = [_one_box_each(_in_order(detections), rules) for detections in found]
    strong = [detections.scores >= rules.score for detections in clear]
    people = associate(
        clear, strong, rules.tracker, rules.fps, rules.memory_seconds, rules.track_iou
    )
    by_frame = {detections.frame: detections for detections in clear}
    return [
        _track(first_number + number, person, by_frame)
        for number, person in enumerate(sorted(people))
    ]


def _track(number: int, person: list[tuple[int, int]], found: dict[int, FrameDetections]) -> Track:
    return Track(
        number,
        np.array([frame for frame, _ in person], np.int64),
        np.stack([found[frame].boxes[row] for frame, row in person]),
        np.array([found[frame].scores[row] for frame, row in person], np.float32),
    )


def _in_order(detections: FrameDetections) -> FrameDetections:
    """Highest score first, equal scores by coordinates, so the order of the input has no effect."""
    order = np.lexsort((*detections.boxes.T[::-1], -detections.scores))
    return FrameDetections(detections.frame, detections.boxes[order], detections.scores[order])


def _one_box_each(detections: FrameDetections, rules: TrackRules) -> FrameDetections:
    """Without duplicates of one person; the boxes are sorted by `_in_order`."""
    strong = detections.scores >= rules.score
    whole = strong | ~_parts(detections.boxes, strong)
    overlap = geometry.iou(detections.boxes, detections.boxes)
    kept: list[int] = []
    for row in np.flatnonzero(whole).tolist():
        if all(overlap[row, other] <= rules.same_person_iou for other in kept):
            kept.append(row)
    return FrameDetections(detections.frame, detections.boxes[kept], detections.scores[kept])


def _parts(boxes: np.ndarray, strong: np.ndarray) -> np.ndarray:
    """bool (N,): which boxes (N, 4) lie mostly inside one strong box."""
    shared = geometry.intersection(boxes, boxes[strong])
    own = np.maximum(geometry.area(boxes), 1e-6)
    return shared.max(axis=1, initial=0) / own > MOSTLY_INSIDE


def given_tracks(found: Iterable[FrameDetections]) -> list[Track]:
    """The tracks of one shot whose boxes have track numbers."""
    by_frame = {detections.frame: detections for detections in found}
    people: dict[int, list[tuple[int, int]]] = {}
    for detections in by_frame.values():
        numbers = () if detections.tracks is None else detections.tracks.tolist()
        for row, number in enumerate(numbers):
            people.setdefault(number, []).append((detections.frame, row))
    return [_track(number, person, by_frame) for number, person in people.items()]


def tracks_by_shot(
    found: list[FrameDetections], cuts: list[int], rules: TrackRules
) -> list[list[Track]]:
    """The tracks of every shot; `cuts` are the first frames of all shots but the first.

    A linked track ends at a cut; a given track keeps its number across it.
    """
    shots: list[list[Track]] = []
    for start, end in pairwise([0, *cuts, math.inf]):
        in_shot = [f for f in found if start <= f.frame < end]
        if any(f.tracks is not None for f in in_shot):
            shots.append(given_tracks(in_shot))
        else:
            shots.append(link_boxes(in_shot, rules, sum(map(len, shots))))
    return shots


def track_rules(clip: IndexedClip, settings: Detect) -> TrackRules:
    """How the boxes of a clip are linked with these settings."""
    # All boxes of the user's file are kept, and each is a person.
    own = settings.backend == "file"
    return TrackRules(
        fps=clip.fps,
        score=0.0 if own else settings.score,
        track_iou=settings.track_iou,
        tracker=settings.tracker,
        memory_seconds=max(MEMORY_SECONDS, settings.max_gap_seconds),
        same_person_iou=1.0 if own else SAME_PERSON_IOU,
    )


def frame_stride(settings: Detect) -> int:
    """Interval of the frames in which people are detected: detect.stride for networks, else 1."""
    return settings.stride if runs_network(settings) else 1


def tracks_by_shot_with_stride(
    found: list[FrameDetections], cuts: list[int], rules: TrackRules, stride: int, frames: int
) -> list[list[Track]]:
    """As `tracks_by_shot`, where `found` has the frames 0, k, 2k, ... of a clip of `frames` frames.

    k is `stride`; boxes of the other frames are interpolated.
    """
    if stride == 1:
        return tracks_by_shot(found, cuts, rules)
    seen = [replace(detections, frame=detections.frame // stride) for detections in found]
    first_seen = [-(-cut // stride) for cut in cuts]
    shots = tracks_by_shot(seen, first_seen, replace(rules, fps=rules.fps / stride))
    bounds = pairwise([0, *cuts, frames])
    return [
        [_every_frame(track, stride, start, end) for track in shot]
        for shot, (start, end) in zip(shots, bounds, strict=True)
    ]


def _every_frame(track: Track, stride: int, start: int, end: int) -> Track:
    """The track in every frame of its shot, frames `start` to `end` - 1.

    Scores are interpolated too; `unseen_frames` marks them.
    """
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
    """bool (N,): which frames int64 (N,) lie between those in which people are detected."""
    return frames % stride != 0
