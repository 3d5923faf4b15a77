"""How much of a person is hidden by something static, in one picture.

Below: the person's share of his rows that stands out from the scene, from head to where his feet
would be, breaks off at a line (a counter, a car, a wall), and there the empty scene has an edge.
Without that edge it is no occluder: the height was guessed too large, or he sits.

At a side: his box is much narrower than he is, and the scene has an upright edge where it ends
(a pillar, a door frame).

What stands out below the line is no scene: whoever is hidden by other people is not counted. Where
nothing can be said from the scene (the camera moves, or he stands still so long that he is part of
it) the box alone speaks, at half weight: it is too short, and the line on which it ends goes on
beside it. A box before a fixed camera in which nothing ever stirs is a poster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from occludenet_build.people.proposals.person_tracks import PersonTrack, VideoShape
from occludenet_build.people.proposals.scene import Stretch

_ROWS = 24
"""Parts of the height in which the person is looked at."""
_SEEN, _GONE = 0.45, 0.15
"""Least and largest share of a part that stands out where he is seen, and where he is not."""
_GUESS = 0.08
"""Heights are known no better than this."""
_EDGE = (8.0, 32.0)
"""Steps of the scene, grey levels, that are no edge, and a full one."""
_ALIVE = 0.03
"""Share of a box that stands out from the scene at least, where somebody is in it."""
_NARROW = 0.7
"""A box narrower than this, of the whole width, may be cut at a side."""


@dataclass(frozen=True)
class Sight:
    """One person in one picture."""

    seconds: float
    hidden: float
    """Share of the person that something static hides."""
    measured: bool
    """By the scene, not by the box alone."""
    box: tuple[float, float, float, float]
    """As detected, pixels of the video."""
    height: float
    """Of the whole person, pixels of the video."""
    shown: float
    """Of the box, share of the picture's height."""


def measure_sights(
    tracks: list[PersonTrack], stretch: Stretch, view: VideoShape
) -> dict[int, list[Sight]]:
    """PersonTrack -> what is seen of it in the pictures of a stretch."""
    found: dict[int, list[Sight]] = {}
    for track in tracks:
        places = {int(frame): at for at, frame in enumerate(track.frames)}
        for number, glimpse in enumerate(stretch.frames):
            at = places.get(glimpse.frame)
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
        shown=float(box[3] - box[1]) / view.height,
    )


class _Person:
    """Places of one person in a small picture."""

    def __init__(self, box: np.ndarray, height: float, width: float) -> None:
        self.x1, self.y1, self.x2, self.y2 = box
        self.height, self.width = height, width
        self.reach = max(1, round(0.04 * height))

    def hidden(self, stretch: Stretch, number: int) -> tuple[float, bool]:
        """(share, whether the scene tells it)."""
        moving, scene = stretch.moving[number], stretch.scene
        rows = self._rows(moving)
        line, seen = find_break(rows)
        if not stretch.is_measurable(number) or seen < _SEEN:
            alive = not stretch.is_measurable(number) or self._stirs(moving)
            return alive * 0.5 * self._by_box(stretch.frames[number].picture), False
        below = 0.0
        if len(rows) > 0.7 * _ROWS:  # else the picture's border hides him
            edge = self._edge(scene, self.y1 + line * self.height, self._middle(moving))
            below = max(0.0, 1 - line - _GUESS) * edge
        return 1 - (1 - below) * (1 - self._side(scene)), True

    def _stirs(self, moving: np.ndarray) -> bool:
        rows, columns = (slice(max(0, int(a)), int(b) + 1) for a, b in self._sides())
        inside = moving[rows, columns]
        return bool(inside.size) and float(inside.mean()) > _ALIVE

    def _sides(self) -> tuple[tuple[float, float], tuple[float, float]]:
        return (self.y1, self.y2), (self.x1, self.x2)

    def _middle(self, mask: np.ndarray) -> slice:
        """Columns of the trunk."""
        centre, half = (self.x1 + self.x2) / 2, 0.35 * max(self.x2 - self.x1, 0.7 * self.width)
        return slice(max(0, int(centre - half)), min(mask.shape[1], int(centre + half) + 1))

    def _rows(self, moving: np.ndarray) -> np.ndarray:
        """Share that stands out of each part of his height, as far as the picture reaches."""
        places = (self.y1 + (np.arange(_ROWS) + 0.5) / _ROWS * self.height).astype(int)
        places = places[(places >= 0) & (places < len(moving))]
        trunk = moving[places, self._middle(moving)]
        return trunk.mean(axis=1) if trunk.size else np.zeros(0)

    def _edge(self, scene: np.ndarray, y: float, columns: slice) -> float:
        return _strength(scene[:, columns], y, self.reach)

    def _side(self, scene: np.ndarray) -> float:
        """Share hidden at the left or the right."""
        missing = 1 - (self.x2 - self.x1) / self.width
        if missing < 1 - _NARROW:
            return 0.0
        rows = slice(max(0, int(self.y1 + 0.15 * self.height)), max(1, int(self.y2)))
        turned = scene[rows].transpose(1, 0, 2)
        inside = [x for x in (self.x1, self.x2) if 2 < x < len(turned) - 3]
        edge = max((_strength(turned, x, self.reach) for x in inside), default=0.0)
        return max(0.0, missing - _GUESS) * edge

    def _by_box(self, picture: np.ndarray) -> float:
        """From the box alone: too short, and its lower edge goes on to both sides."""
        short = max(0.0, 1 - (self.y2 - self.y1) / self.height - _GUESS)
        if self.y2 > 0.98 * len(picture) or not short:
            return 0.0
        wide, width = picture.astype(np.float32), 0.5 * (self.x2 - self.x1)
        left = slice(max(0, int(self.x1 - width)), max(0, int(self.x1)))
        right = slice(int(self.x2), int(self.x2 + width))
        sides = [wide[:, part] for part in (left, right)]
        return short * min(_strength(side, self.y2, self.reach) for side in sides)


def find_break(rows: np.ndarray) -> tuple[float, float]:
    """Where a person breaks off, as a share of his height, and how much of what is above is seen.

    `rows`: shares (K,) that stand out, from the head down. 1 where there is no such line.

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
    """0 to 1: an edge along the line y, within `reach`, in most columns of (H, W, 3)."""
    if scene.shape[1] < 1:
        return 0.0
    rows = np.arange(int(y) - 2 * reach, int(y) + 2 * reach + 1)
    upper = scene[np.clip(rows - reach, 0, len(scene) - 1)]
    lower = scene[np.clip(rows + reach, 0, len(scene) - 1)]
    step = np.abs(upper - lower).max(axis=2).max(axis=0)
    low, high = _EDGE
    return float(np.clip((np.median(step) - low) / (high - low), 0, 1))
