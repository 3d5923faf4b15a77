"""What hides a person in one picture: where they end, where they should, and the scene there.

From below: in each row from the head to the expected feet, the share of pixels that differ from
the empty scene is measured. The person ends where this share drops; without a measurable scene,
where the box ends. If that is above the expected feet by more than the error of the expectation,
and the scene has an edge there (a counter, a car, a wall), the rest is hidden.

At a side or in the middle: columns of the upper body that do not differ from the scene, between the
box's sides or beside a box that is too narrow, if the scene has a vertical edge where they begin (a
pillar, a door frame).

Pixels of the missing part that differ from the scene belong to something moving, so people hidden
by other people do not count. One picture proves little: `evidence.py` looks at all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from occludenet_build.people.proposals.edges import edge_along_column, edge_along_row
from occludenet_build.people.proposals.keypoints import Keypoints
from occludenet_build.people.proposals.person_tracks import PersonTrack, VideoShape
from occludenet_build.people.proposals.scene import Stretch
from occludenet_build.people.proposals.sights import Sight

_ROWS = 24
"""Rows, evenly spaced over the person's height, in which the share is measured."""
_SEEN, _GONE = 0.45, 0.15
"""Least share of differing pixels where the person is visible, largest where hidden."""
_BY_BOX = 0.05
"""Error of a height that the box itself shows, relative."""
_TAIL = 0.08
"""Share of the height that the box must go on below the mask's end, to show the feet itself."""
_NARROW = 0.75
"""Share of the expected width below which a box may be cut at a side."""
_GAP = 0.2
"""Least width of a gap, share of the expected width."""


@dataclass(frozen=True)
class _Cut:
    """Where a person ends, in pixels of the analysed picture."""

    side: str = ""
    hidden: float = 0.0
    line: float = 0.0
    edge: float = 0.0
    beside: float = 0.0
    sure: float = 0.0
    flat: float = float("nan")


def measure_sights(
    tracks: list[PersonTrack], stretch: Stretch, view: VideoShape, joints: Keypoints | None = None
) -> dict[int, list[Sight]]:
    """Track number -> the person in each picture of a stretch in which they have a box.

    joints: of the people in the video, if they are known.
    """
    found: dict[int, list[Sight]] = {}
    for track in tracks:
        row_of = {int(frame): at for at, frame in enumerate(track.frames)}
        for number, sampled in enumerate(stretch.frames):
            at = row_of.get(sampled.frame)
            if at is not None:
                sight = _sight(track, at, stretch, number, view)
                if joints is not None and sight.side == "below":
                    missing = joints.missing_below(sampled.frame, sight.box, sight.line)
                    sight = replace(sight, joints=missing)
                found.setdefault(track.number, []).append(sight)
    return found


def _sight(track: PersonTrack, at: int, stretch: Stretch, number: int, view: VideoShape) -> Sight:
    box, scale = track.boxes[at], stretch.frames[number].scale
    person = _Person(
        box * scale,
        float(track.heights[at]) * scale,
        float(track.errors[at]),
        float(track.widths[at]) * scale,
    )
    cut, measured = _Cut(), False
    if stretch.is_measurable(number):
        cut, measured = person.cut(stretch.moving[number], stretch.scene)
    return Sight(
        seconds=stretch.frames[number].seconds,
        hidden=cut.hidden,
        measured=measured,
        box=(float(box[0]), float(box[1]), float(box[2]), float(box[3])),
        height=person.height / scale,
        height_share=float(box[3] - box[1]) / view.height,
        side=cut.side,
        line=cut.line / scale,
        edge=cut.edge,
        beside=cut.beside,
        error=person.error,
        sure=cut.sure,
        flat=cut.flat,
    )


class _Person:
    """Geometry of one person in an analysed picture; all in its pixels."""

    def __init__(self, box: np.ndarray, height: float, error: float, width: float) -> None:
        self.x1, self.y1, self.x2, self.y2 = (float(edge) for edge in box)
        self.seen = max(1.0, self.y2 - self.y1)
        self.error = error
        self.height = height if np.isfinite(error) and height > self.seen else self.seen
        self.width = width
        self.reach = max(2, round(0.04 * self.height))

    def cut(self, moving: np.ndarray, scene: np.ndarray) -> tuple[_Cut, bool]:
        """Where the person is cut, and whether that is measured against the scene."""
        rows = self._rows(moving)
        line, seen = find_break(rows)
        measured = seen >= _SEEN
        if len(rows) > 0.7 * _ROWS:  # else the picture's border cuts the person
            end = self.y1 + line * self.height if measured else self.y2
            below = self._below(moving, scene, min(end, self.y1 + self.height), measured)
        else:
            below = _Cut()
        side = self._side(moving, scene) if measured else _Cut()
        return max(below, side, key=lambda cut: (cut.hidden * cut.edge, cut.hidden)), measured

    def _below(self, moving: np.ndarray, scene: np.ndarray, end: float, measured: bool) -> _Cut:
        """The cut at row `end`, if the person should go on below it."""
        by_box = self.y2 - end > _TAIL * self.height  # the detector has seen the feet, or guessed
        error = _BY_BOX if by_box else self.error
        reach = self.reach if measured else 2 * self.reach
        edge, row = edge_along_row(scene, end, self._middle(moving), reach)
        left = slice(max(0, int(self.x1 - 0.6 * self.width)), max(0, int(self.x1)))
        right = slice(int(self.x2), int(self.x2 + 0.6 * self.width))
        sides = [edge_along_row(scene, row, part, self.reach)[0] for part in (left, right)]
        if not measured:
            edge = min(sides)
        missing = max(0.0, 1 - (row - self.y1) / self.height)
        if self.y2 > 0.98 * len(scene) or not np.isfinite(error) or not edge:
            return _Cut()
        flat = self._flat(moving, row) if measured else float("nan")
        return _Cut("below", missing, row, edge, float(np.mean(sides)), missing / error, flat)

    def _flat(self, moving: np.ndarray, row: int) -> float:
        """Share of the person's columns whose lowest differing pixel is at the edge."""
        columns = slice(max(0, int(self.x1)), max(0, int(self.x2) + 1))
        top, near = max(0, int(self.y1)), max(2, round(0.06 * self.height))
        part = moving[top : row + near + 1, columns]
        whole = np.flatnonzero(part.mean(axis=0) > 0.25)
        return float(part[-2 * near - 1 :, whole].any(axis=0).mean()) if len(whole) else 0.0

    def _middle(self, mask: np.ndarray) -> slice:
        """Columns of the trunk in a mask (H, W)."""
        centre, half = (self.x1 + self.x2) / 2, 0.35 * max(self.x2 - self.x1, 0.7 * self.width)
        return slice(max(0, int(centre - half)), min(mask.shape[1], int(centre + half) + 1))

    def _rows(self, moving: np.ndarray) -> np.ndarray:
        """Share of differing pixels in each row of the person that lies in the picture, (K,)."""
        rows = (self.y1 + (np.arange(_ROWS) + 0.5) / _ROWS * self.height).astype(int)
        rows = rows[(rows >= 0) & (rows < len(moving))]
        trunk = moving[rows, self._middle(moving)]
        if not trunk.size:
            return np.zeros(0)
        # The head and legs apart do not fill these columns.
        return np.minimum(1.0, trunk.mean(axis=1) * 1.3)

    def _side(self, moving: np.ndarray, scene: np.ndarray) -> _Cut:
        """The cut by something upright, at a side of the person or in their middle."""
        top, under = self.y1 + 0.12 * self.seen, self.y1 + 0.6 * self.seen
        rows = slice(max(0, int(top)), max(1, int(under)))
        centre, reach = (self.x1 + self.x2) / 2, 0.8 * self.width
        first, last = max(0, round(centre - reach)), min(moving.shape[1], round(centre + reach))
        seen = moving[rows, first:last].mean(axis=0) > 0.35
        at = np.flatnonzero(seen)
        if len(at) < 2:
            return _Cut()
        best = self._gap(seen, at, first, rows, scene)
        wide = (at[-1] - at[0] + 1) / self.width
        if wide < _NARROW:
            for column in (first + at[0], first + at[-1] + 1):
                edge, line = edge_along_column(scene, column, rows, self.reach)
                above = slice(max(0, int(self.y1 - 0.4 * self.seen)), max(0, int(self.y1)))
                beyond = edge_along_column(scene, line, above, self.reach)[0]
                cut = _Cut("side", 1 - wide, line, edge, beyond, (1 - wide) / 0.12)
                best = max(best, cut, key=lambda one: one.hidden * one.edge)
        return best

    def _gap(
        self, seen: np.ndarray, at: np.ndarray, first: int, rows: slice, scene: np.ndarray
    ) -> _Cut:
        """The widest gap between differing columns, with the weaker edge of its two borders."""
        steps = np.diff(at)
        widest = int(np.argmax(steps))
        share = (steps[widest] - 1) / self.width
        if share < _GAP:
            return _Cut()
        left, right = first + at[widest] + 1, first + at[widest + 1]
        edges = [edge_along_column(scene, x, rows, self.reach) for x in (left, right)]
        weaker = min(edge for edge, _ in edges)
        return _Cut("middle", min(1.0, share), edges[0][1], weaker, weaker, share / 0.1)


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
    for at in range(4, count):
        above, under = total[at] / at, (total[count] - total[at]) / (count - at)
        if above > _SEEN and under < _GONE and above - under > best:
            best, line = above - under, at
    return line / count, float(round(total[line] / line, 6))
