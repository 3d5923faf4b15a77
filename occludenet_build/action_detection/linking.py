"""Linking of tubelets to tubes of actions (MOC-Detector, after ACT; MIT, facts read, code our own).

Frame by frame, each open tube of a class, that of the best mean score first, takes the best of the
tubelets that begin there and overlap it. What is left opens tubes; a tube that has found nothing
for K frames is closed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from occludenet_build.action_detection.decode import Tubelets
from occludenet_build.action_detection.nms import KEPT, best_first, iou, soft_nms

OVERLAP = 0.5
"""Mean IoU in the common frames from which a tubelet continues a tube."""
WEAKEST = 0.005
"""Score of a tube below which it is dropped."""
SHORTEST = 15
"""Frames of a tube below which it is dropped."""


@dataclass(frozen=True)
class DetectedTube:
    """A detected action."""

    label: int
    score: float
    """Mean of the scores of its tubelets."""
    rows: np.ndarray
    """float32 (N, 6): frame from 1, box as in Tubelets, score; the means over the tubelets of each
    frame; consecutive frames."""


@dataclass
class _Open:
    """A tube that may go on; `members`: its tubelets, positions in Tubelets."""

    members: list[int] = field(default_factory=list)
    total: float = 0.0

    @property
    def mean(self) -> float:
        return self.total / len(self.members)

    def take(self, member: int, score: float) -> None:
        self.members.append(member)
        self.total += score


def link(
    tubelets: Tubelets,
    released: bool = False,
    weakest: float = WEAKEST,
    shortest: int = SHORTEST,
) -> list[DetectedTube]:
    """The tubes of one video, by label and then from the best one on.

    `released`: the suppression that subtracts a sum (nms.soft_nms), and its order of equal scores.
    """
    by_start = np.argsort(tubelets.start, kind="stable")
    ordered = tubelets.at(by_start) if released else tubelets.ordered()
    found: list[DetectedTube] = []
    for label in np.unique(ordered.label):
        of_label = _suppressed(ordered.at(ordered.label == label), released)
        tubes = [
            _averaged(of_label, np.array(tube.members), tube.mean)
            for tube in _linked(of_label)
            if tube.mean >= weakest
        ]
        kept = [tube for tube in tubes if len(tube.rows) >= shortest]
        found += sorted(kept, key=lambda tube: -tube.score)
    return found


def _suppressed(tubelets: Tubelets, released: bool) -> Tubelets:
    """The best KEPT of each start after soft suppression, with their new scores."""
    parts = []
    for at in _by_start(tubelets):
        scores = soft_nms(tubelets.boxes[at], tubelets.score[at], released)
        best = best_first(scores, released)[:KEPT]
        parts.append(replace(tubelets.at(at[best]), score=scores[best]))
    return Tubelets.of(parts)


def _by_start(tubelets: Tubelets) -> list[np.ndarray]:
    """Positions of the tubelets of each start; they are sorted by it."""
    return np.split(np.arange(len(tubelets.start)), np.flatnonzero(np.diff(tubelets.start)) + 1)


def _linked(tubelets: Tubelets) -> list[_Open]:
    length, open_tubes, closed = tubelets.length, list[_Open](), list[_Open]()
    for begin in _by_start(tubelets):
        start, free = int(tubelets.start[begin[0]]), np.ones(len(begin), bool)
        open_tubes.sort(key=lambda tube: -tube.mean)
        lasts = np.array([tube.members[-1] for tube in open_tubes], int)
        offsets = start - tubelets.start[lasts]
        near = _overlaps(tubelets.boxes[begin], tubelets.boxes[lasts], offsets) >= OVERLAP
        near[offsets > length] = False  # a start without any tubelet has passed in between
        going_on: list[_Open] = []
        for tube, of_tube, offset in zip(open_tubes, near, offsets, strict=True):
            options = np.flatnonzero(of_tube & free)
            if options.size:
                best = options[tubelets.score[begin[options]].argmax()]
                tube.take(int(begin[best]), float(tubelets.score[begin[best]]))
                free[best] = False
            (going_on if options.size or offset < length else closed).append(tube)
        open_tubes = going_on
        for member in begin[free].tolist():
            tube = _Open()
            tube.take(member, float(tubelets.score[member]))
            open_tubes.append(tube)
    return closed + open_tubes


def _overlaps(boxes: np.ndarray, lasts: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Mean IoU (T, N) of tubelets (N, K, 4) with others (T, K, 4) that began `offsets` (T,) frames
    before, over the common frames; without any, of their last box with the first."""
    found, length = np.zeros((len(lasts), len(boxes)), np.float32), boxes.shape[1]
    for offset in np.unique(offsets).tolist():
        at = offsets == offset
        shared = min(offset, length - 1)
        kept = boxes[None, :, : max(length - offset, 1)]
        found[at] = iou(kept, lasts[at, None, shared:]).mean(axis=-1)
    return found


def _averaged(tubelets: Tubelets, members: np.ndarray, score: float) -> DetectedTube:
    starts, length = tubelets.start[members], tubelets.length
    frames = starts[:, None] + np.arange(length) - starts[0]
    sums = np.zeros((int(frames.max()) + 1, 5))
    np.add.at(sums, frames, np.dstack([tubelets.boxes[members], _repeated(tubelets, members)]))
    counts = np.bincount(frames.ravel(), minlength=len(sums))[:, None]
    numbers = np.arange(len(sums))[:, None] + starts[0] + 1
    rows = np.hstack([numbers, sums / counts]).astype(np.float32)
    return DetectedTube(int(tubelets.label[members[0]]), score, rows)


def _repeated(tubelets: Tubelets, members: np.ndarray) -> np.ndarray:
    """The score of each member in each of its frames, (M, K, 1)."""
    return np.repeat(tubelets.score[members][:, None, None], tubelets.length, axis=1)
