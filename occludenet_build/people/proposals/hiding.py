"""The share of a person that something static hides, in one picture.

From below: in each row from the head to the estimated feet, the share of pixels that differ from
the empty scene is measured. The person is hidden below a line where this share drops (a counter, a
car, a wall), if the scene has an edge there. Without that edge there is no occluder: the height was
overestimated, or the person sits.

At a side: the box is much narrower than the person, and the scene has a vertical edge where the box
ends (a pillar, a door frame).

Pixels below the line that differ from the scene belong to something moving, so people hidden by
other people do not count. Where the scene gives no information (the camera moves, or the person
stands still for so long that they are part of the scene) the share is estimated from the box alone,
at half weight: the box is too short, and the edge at its end continues beside it. With a fixed
camera, a box in which nothing ever moves counts as not hidden: it shows a poster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from occludenet_build.people.proposals.person_tracks import PersonTrack, VideoShape
from occludenet_build.people.proposals.scene import Stretch

_ROWS = 24
"""Rows, evenly spaced over the person's height, in which the share is measured."""
_SEEN, _GONE = 0.45, 0.15
"""Least share of differing pixels where the person is visible, largest where hidden."""
_GUESS = 0.08
"""Error of an estimated height, share of it."""
_EDGE = (8.0, 32.0)
"""Steps in the scene, grey levels: up to the first is no edge, from the second a full one."""
_ALIVE = 0.03
"""Least share of a box that differs from the scene if a person is in it."""
_NARROW = 0.7
"""Share of the whole width below which a box may be cut at a side."""


@dataclass(frozen=True)
class Sight:
    """One person in one picture."""

    seconds: float
    """Time of the picture, seconds from the video's first frame."""
    hidden: float
    """Share of the person that something static hides, 0 to 1."""
    measured: bool
    """Whether measured against the scene, not estimated from the box."""
    box: tuple[float, float, float, float]
    """x1 y1 x2 y2 as detected, pixels of the video."""
    height: float
    """Estimated height of the whole person, pixels of the video."""
    height_share: float
    """Height of the box, share of the picture's height."""


def measure_sights(
    tracks: list[PersonTrack], stretch: Stretch, view: VideoShape
) -> dict[int, list[Sight]]:
    """Track number -> the person in each picture of a stretch in which they have a box."""
    found: dict[int, list[Sight]] = {}
    for track in tracks:
        row_of = {int(frame): at for at, frame in enumerate(track.frames)}
        for number, sampled in enumerate(stretch.frames):
            at = row_of.get(sampled.frame)
            if at is not None:
                sight = _sight(track, at, stretch, number, view)
                found.setdefault(track.number, []).append(sight)
    return found


def _sight(track: PersonTrack, at: int, stretch: Stretch, number: int, view: VideoShape) -> Sight:
    box, height = track.boxes[at], float(track.heights[at])
    scale = stretch.frames[number].scale
    person = _Person(box * scale, height * scale, float(track.widths[at]) * scale)
    hidden, measured = person.hidden(stretch, number)
    return Sight(
        seconds=stretch.frames[number].seconds,
        hidden=float(hidden),
        measured=measured,
        box=(float(box[0]), float(box[1]), float(box[2]), float(box[3])),
        height=height,
        height_share=float(box[3] - box[1]) / view.height,
    )


class _Person:
    """Geometry of one person in a downscaled picture; all in its pixels."""

    def __init__(self, box: np.ndarray, height: float, width: float) -> None:
        self.x1, self.y1, self.x2, self.y2 = box
        self.height, self.width = height, width
        self.reach = max(1, round(0.04 * height))

    def hidden(self, stretch: Stretch, number: int) -> tuple[float, bool]:
        """Hidden share of the person, and whether it is measured against the scene."""
        moving, scene = stretch.moving[number], stretch.scene
        rows = self._rows(moving)
        line, seen = find_break(rows)
        if not stretch.is_measurable(number) or seen < _SEEN:
            alive = not stretch.is_measurable(number) or self._moves(moving)
            return alive * 0.5 * self._by_box(stretch.frames[number].picture), False
        below = 0.0
        if len(rows) > 0.7 * _ROWS:  # else the picture's border cuts the person
            edge = self._edge(scene, self.y1 + line * self.height, self._middle(moving))
            below = max(0.0, 1 - line - _GUESS) * edge
        return 1 - (1 - below) * (1 - self._side(scene)), True

    def _moves(self, moving: np.ndarray) -> bool:
        """Whether something in the box differs from the scene."""
        rows, columns = (slice(max(0, int(a)), int(b) + 1) for a, b in self._sides())
        inside = moving[rows, columns]
        return bool(inside.size) and float(inside.mean()) > _ALIVE

    def _sides(self) -> tuple[tuple[float, float], tuple[float, float]]:
        return (self.y1, self.y2), (self.x1, self.x2)

    def _middle(self, mask: np.ndarray) -> slice:
        """Columns of the trunk in a mask (H, W)."""
        centre, half = (self.x1 + self.x2) / 2, 0.35 * max(self.x2 - self.x1, 0.7 * self.width)
        return slice(max(0, int(centre - half)), min(mask.shape[1], int(centre + half) + 1))

    def _rows(self, moving: np.ndarray) -> np.ndarray:
        """Share of differing pixels in each row of the person that lies in the picture, (K,)."""
        rows = (self.y1 + (np.arange(_ROWS) + 0.5) / _ROWS * self.height).astype(int)
        rows = rows[(rows >= 0) & (rows < len(moving))]
        trunk = moving[rows, self._middle(moving)]
        return trunk.mean(axis=1) if trunk.size else np.zeros(0)

    def _edge(self, scene: np.ndarray, y: float, columns: slice) -> float:
        return _strength(scene[:, columns], y, self.reach)

    def _side(self, scene: np.ndarray) -> float:
        """Share hidden at the left or the right, by the scene (H, W, 3)."""
        missing = 1 - (self.x2 - self.x1) / self.width
        if missing < 1 - _NARROW:
            return 0.0
        rows = slice(max(0, int(self.y1 + 0.15 * self.height)), max(1, int(self.y2)))
        turned = scene[rows].transpose(1, 0, 2)
        inside = [x for x in (self.x1, self.x2) if 2 < x < len(turned) - 3]
        edge = max((_strength(turned, x, self.reach) for x in inside), default=0.0)
        return max(0.0, missing - _GUESS) * edge

    def _by_box(self, picture: np.ndarray) -> float:
        """Estimate from the box alone: it is too short, and its lower edge continues beside it."""
        short = max(0.0, 1 - (self.y2 - self.y1) / self.height - _GUESS)
        if self.y2 > 0.98 * len(picture) or not short:
            return 0.0
        wide, width = picture.astype(np.float32), 0.5 * (self.x2 - self.x1)
        left = slice(max(0, int(self.x1 - width)), max(0, int(self.x1)))
        right = slice(int(self.x2), int(self.x2 + width))
        sides = [wide[:, part] for part in (left, right)]
        return short * min(_strength(side, self.y2, self.reach) for side in sides)


def find_break(rows: np.ndarray) -> tuple[float, float]:
    """The line below which a person is hidden, and the mean visible share above it.

    rows: float64 (K,), the share of differing pixels in each row, from the head down. The line is a
    share of the person's height; 1 where there is none.

    >>> find_break(np.array([0.9] * 15 + [0.0] * 5))
    (0.75, 0.9)
    """
    count, line = len(rows), len(rows)
    if count < 8:
        return 1.0, 0.0
    total = np.concatenate([[0.0], np.cumsum(rows)])
    best = 0.0
    for at in range(5, count):
        above, under = total[at] / at, (total[count] - total[at]) / (count - at)
        if above > _SEEN and under < _GONE and above - under > best:
            best, line = above - under, at
    return line / count, float(round(total[line] / line, 6))


def _strength(scene: np.ndarray, y: float, reach: int) -> float:
    """Strength, 0 to 1, of an edge along row y, within `reach` pixels, in the scene (H, W, 3)."""
    if scene.shape[1] < 1:
        return 0.0
    rows = np.arange(int(y) - 2 * reach, int(y) + 2 * reach + 1)
    upper = scene[np.clip(rows - reach, 0, len(scene) - 1)]
    lower = scene[np.clip(rows + reach, 0, len(scene) - 1)]
    step = np.abs(upper - lower).max(axis=2).max(axis=0)
    low, high = _EDGE
    return float(np.clip((np.median(step) - low) / (high - low), 0, 1))
