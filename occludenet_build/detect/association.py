"""Which box is whose from frame to frame, by a tracker of the package `trackers`.

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
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from occludenet_build.detect.backend import Found

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
