"""Contact sheets of the candidates and the blur of their people, in a second pass over the video.

The top row shows the whole picture at even times, with the box as detected; the bottom row the
person close up, with the expected outline of the whole person and the edge at which they end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from occludenet_build.media.imaging.picture_quality import blur
from occludenet_build.media.imaging.sheets import grid, jpeg
from occludenet_build.media.imaging.thumbnails import COLOURS, draw_box, letterboxed
from occludenet_build.media.video.source import open_video, to_rgb
from occludenet_build.people.proposals.scene import PER_SECOND
from occludenet_build.people.proposals.sights import Sight
from occludenet_build.people.proposals.windows import CandidateWindow

COUNT = 6
"""Pictures per row of a sheet."""
_WIDE, _CLOSE = (240, 150), (240, 180)
"""Width and height of a thumbnail in the top and in the bottom row, pixels."""
_SEEN, _GUESSED = COLOURS["detected"], COLOURS["filled"]
"""Colours of the detected box and of the outline."""
_EDGE = (225, 30, 40)
"""Colour of the edge, RGB."""
_QUALITY = 80
"""JPEG quality."""


@dataclass
class CandidateSheet:
    """The contact sheet of one candidate; `add` its pictures, then `finish`."""

    window: CandidateWindow
    jpeg: bytes = b""
    """The sheet."""
    blur: float = 1.0
    """Blur of the person, 0 (sharp) to 1, median over the pictures."""
    _wide: list[np.ndarray] = field(default_factory=list)
    _close: list[np.ndarray] = field(default_factory=list)
    _blurs: list[float] = field(default_factory=list)

    def times(self) -> list[float]:
        """Times of the pictures, seconds: even, and among those that were analysed."""
        length = (self.window.end - self.window.start) / COUNT
        times = (self.window.start + (part + 0.5) * length for part in range(COUNT))
        return [round(time * PER_SECOND) / PER_SECOND for time in times]

    def add(self, picture: np.ndarray, seconds: float) -> None:
        """Add one picture uint8 (H, W, 3), RGB, of the video's size."""
        sight = min(self.window.sights, key=lambda sight: abs(sight.seconds - seconds))
        seen = sight if abs(sight.seconds - seconds) < 0.5 / PER_SECOND else None
        if seen is not None:
            self._blurs.append(blur(_part(picture, seen.box)))
        self._close.append(letterboxed(_close_by(picture, sight, seen is not None), _CLOSE))
        marked = picture.copy()
        if seen is not None:
            draw_box(marked, seen.box, _SEEN, max(1, round(picture.shape[1] / 240)))
        self._wide.append(letterboxed(marked, _WIDE))

    def finish(self) -> None:
        """Make the sheet; pictures after the end of the video are black."""
        rows = []
        for pictures, (width, height) in ((self._wide, _WIDE), (self._close, _CLOSE)):
            black = np.zeros((height, width, 3), np.uint8)
            rows.append(grid([*pictures, *[black] * (COUNT - len(pictures))], COUNT))
        self.jpeg = jpeg(np.vstack(rows), _QUALITY)
        self.blur = float(np.median(self._blurs)) if self._blurs else 1.0


def sheets(path: Path | str, windows: list[CandidateWindow]) -> list[CandidateSheet]:
    """A sheet per window, in their order; the video is decoded up to the last picture shown.

    Raises ItemError where the video cannot be decoded.
    """
    made = [CandidateSheet(window) for window in windows]
    due = sorted((seconds, number) for number, one in enumerate(made) for seconds in one.times())
    with open_video(path) as source:
        first_pts = None
        for frame in source:
            assert frame.pts is not None
            first_pts = frame.pts if first_pts is None else first_pts
            seconds = float((frame.pts - first_pts) * source.time_base)
            picture = to_rgb(frame) if due and due[0][0] <= seconds else None
            while picture is not None and due and due[0][0] <= seconds:
                made[due.pop(0)[1]].add(picture, seconds)
            if not due:
                break
    for one in made:
        one.finish()
    return made


def _part(picture: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """The part of a picture (H, W, 3) in a box x1 y1 x2 y2, at least 2 pixels wide and high."""
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = (round(edge) for edge in box)
    left, top = min(max(0, x1), width - 2), min(max(0, y1), height - 2)
    return picture[top : max(top + 2, y2), left : max(left + 2, x2)]


def _close_by(picture: np.ndarray, sight: Sight, seen: bool) -> np.ndarray:
    """The person and their surroundings, with the estimated outline of the whole person."""
    x1, y1, x2, _ = sight.box
    marked = picture.copy()
    if seen:
        outline = (x1, y1, x2, y1 + sight.height)
        draw_box(marked, outline, _GUESSED, max(1, round(sight.height / 120)))
    if seen and sight.hidden:
        line = (x1, sight.line, x2, sight.line + 1)
        if sight.side != "below":
            line = (sight.line, y1, sight.line + 1, y1 + sight.height)
        draw_box(marked, line, _EDGE, max(1, round(sight.height / 80)))
    half = max(0.8 * sight.height, 20.0)
    across = half * _CLOSE[0] / _CLOSE[1]
    middle, centre = (x1 + x2) / 2, y1 + sight.height / 2
    return _part(marked, (middle - across, centre - half, middle + across, centre + half))
