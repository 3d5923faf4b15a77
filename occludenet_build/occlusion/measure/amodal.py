"""Where a person is as a whole in a frame in which something hides part of them.

The shape is that of the same person in frames close by in which they are seen whole (whole.py). It
is placed where the person would be by the frames before and after, and then moved to where it
agrees best with what is seen: each pixel of the shape counts

    +1   on a pixel that the person's mask alone covers
    -1   on a pixel where nobody and nothing is that could hide the person
     0   elsewhere

minus a penalty for the distance from the expected place. Several frames give several shapes: the
best agreement wins, and the spread of the others that agree nearly as well is part of the
uncertainty.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from occludenet_build.occlusion.measure.scene import Extent
from occludenet_build.occlusion.measure.whole import Figure

_SHAPES = 8
"""Shapes that are tried per frame."""
_APART = 0.08
"""Least time between two of them, seconds."""
_SEARCH_HEIGHT = 96
"""Height at which a shape is placed, pixels; it is scaled down to it."""
_STEADY, _DRIFT, _FARTHEST = 0.02, 0.15, 0.4
"""Expected error of the place, shares of the height: at a whole frame, per second from it without a
whole frame on the other side, and at most."""
_PULL = 0.03
"""Penalty at one expected error from the expected place, share of the shape's area."""
_TELLS = 0.08
"""Least share of a person that must be seen to tell where they are."""
_SPAN = 0.5
"""Time over which the last whole frames tell how fast a person moves, seconds."""
_AS_GOOD = 0.05
"""Shapes whose agreement is less by at most this share of the best one's area count for the
spread."""


@dataclass(frozen=True)
class Placed:
    """The whole person in one frame."""

    masks: list[np.ndarray]
    """bool (H, W) each, the best first; further ones agree nearly as well."""
    extent: Extent
    """Of the best."""
    seconds: float
    """Time to the frame of the shape, seconds."""
    agreement: float
    """Agreement of the best, share of its area; at most 1."""


@dataclass(frozen=True)
class _Expected:
    x: float
    y: float
    height: float
    error: float
    """Working pixels."""


class _Tried(NamedTuple):
    """A shape at its best place."""

    score: float
    area: float
    """Both in pixels of the search."""
    mask: np.ndarray
    """bool (H, W)."""


def place(
    figures: list[Figure],
    frame: int,
    fps: float,
    own: np.ndarray,
    hiding: np.ndarray,
    longest: float,
) -> Placed | None:
    """Place the whole person in a frame; None where no whole frame is within `longest` seconds.

    own: bool (H, W), the pixels of the person's mask that nobody else's covers; hiding: bool
    (H, W), the pixels of everybody and everything that may hide them.
    """
    near = _chosen(figures, frame, fps, longest)
    if not near:
        return None
    expected = _expected(figures, frame, fps)
    if np.count_nonzero(own) >= _TELLS * near[0].area:
        expected = _towards(expected, near[0], own)
    agreement = own.astype(np.float32) - (~own & ~hiding)
    tried = [_best_place(figure, expected, agreement) for figure in near]
    order = sorted(range(len(tried)), key=lambda at: -tried[at].score)
    least = tried[order[0]].score - _AS_GOOD * tried[order[0]].area
    good = [at for at in order if tried[at].score >= least and tried[at].mask.any()]
    extent = Extent.of(tried[good[0]].mask) if good else None
    if extent is None:
        return None
    seconds = abs(near[good[0]].frame - frame) / fps
    first = tried[good[0]]
    return Placed(
        [tried[at].mask for at in good], extent, seconds, first.score / max(1, first.area)
    )


_GAPS = (0.1, 0.25, 0.5, 1.0, 2.0)
"""Times for which `changes` looks, seconds."""
_PLACES = 5
"""Frames that it looks at, for each of them."""
_UNKNOWN = 0.25
"""Change of a person of whom nothing is known about it: that of children who play."""
_GROWS = 0.05
"""What a second adds to it after the longest time for which it is known."""


def changes(figures: list[Figure], fps: float, shape: tuple[int, int]) -> list[tuple[float, float]]:
    """How much a person's shape changes with time: (seconds, share of the shape), ascending.

    Whole frames are taken as if the shape had to come from frames at least so long before or
    after: the share is what of that shape lies where the person is not, with nobody who could hide
    them, as the root mean square over frames. That much of a person would be called hidden by
    mistake if somebody were there. shape: (H, W) of the working picture.
    """
    found: list[tuple[float, float]] = [(0.0, 0.0)]
    for gap in _GAPS:
        at = np.linspace(0, len(figures) - 1, min(len(figures), _PLACES)).round().astype(int)
        shares = [
            _misplaced(figures[n], figures, gap, fps, shape) for n in sorted(set(at.tolist()))
        ]
        known = [share for share in shares if share is not None]
        if known:
            rms = float(np.sqrt(np.mean(np.square(known))))
            found.append((gap, max(rms, found[-1][1])))
    if len(found) == 1:
        found.append((_GAPS[0], _UNKNOWN))
    gap, share = found[-1]
    return [*found, (gap + 10, share + 10 * _GROWS)]


def _misplaced(
    figure: Figure, figures: list[Figure], gap: float, fps: float, shape: tuple[int, int]
) -> float | None:
    """Share of the shape of frames at least `gap` seconds away that lies where the person is not in
    this one; None without such frames."""
    others = [f for f in figures if gap * fps <= abs(f.frame - figure.frame) <= 2 * gap * fps]
    own = np.zeros(shape, bool)
    extent = figure.extent
    own[extent.y1 : extent.y2, extent.x1 : extent.x2] = figure.mask
    placed = place(others, figure.frame, fps, own, np.zeros_like(own), 2 * gap) if others else None
    if placed is None:
        return None
    mask = placed.masks[0]
    return float(np.count_nonzero(mask & ~own) / max(1, int(np.count_nonzero(mask))))


def _chosen(figures: list[Figure], frame: int, fps: float, longest: float) -> list[Figure]:
    """The nearest figures in time, some time apart from each other."""
    chosen: list[Figure] = []
    for figure in sorted(figures, key=lambda f: (abs(f.frame - frame), f.frame)):
        if len(chosen) == _SHAPES or abs(figure.frame - frame) > longest * fps:
            break
        if all(abs(figure.frame - other.frame) >= _APART * fps for other in chosen):
            chosen.append(figure)
    return chosen


def _expected(figures: list[Figure], frame: int, fps: float) -> _Expected:
    """Place and height by the figures before and after: interpolated, or as the nearest moved."""
    before = [figure for figure in figures if figure.frame <= frame][-3:]
    after = [figure for figure in figures if figure.frame >= frame][:3]
    if not before or not after:
        return _carried_on(figures, frame, fps)
    start, end = before[-1].frame, after[0].frame
    share = (frame - start) / max(1, end - start)
    x, y, height = (1 - share) * _end(before, -1) + share * _end(after, 0)
    gap = min(frame - start, end - frame) / fps
    return _Expected(x, y, height, min(_STEADY + 0.5 * _DRIFT * gap, _FARTHEST) * height)


def _carried_on(figures: list[Figure], frame: int, fps: float) -> _Expected:
    """Place and height where all figures are on one side: they move on as they did."""
    ahead = figures[0].frame > frame
    nearest = 0 if ahead else -1
    edge = figures[nearest].frame
    recent = [f for f in figures if abs(f.frame - edge) <= _SPAN * fps]
    x, y, height = _end(recent, nearest)
    far = recent[-1 if ahead else 0]
    steps = figures[nearest].frame - far.frame
    speed_x = (x - far.x) / steps if steps else 0.0
    speed_y = (y - far.y) / steps if steps else 0.0
    gap = frame - edge
    error = min(_STEADY + _DRIFT * abs(gap) / fps, _FARTHEST) * height
    return _Expected(x + speed_x * gap, y + speed_y * gap, height, error)


def _towards(expected: _Expected, figure: Figure, own: np.ndarray) -> _Expected:
    """The expectation with an error that reaches every place at which an edge of what is seen of
    the person, bool (H, W), is an edge of the whole."""
    seen = Extent.of(own)
    if seen is None:
        return expected
    zoom = expected.height / figure.extent.height
    left = expected.x - (figure.x - figure.extent.x1) * zoom
    top = expected.y - (figure.y - figure.extent.y1) * zoom
    sides = seen.x1 - left, seen.x2 - left - figure.mask.shape[1] * zoom
    ends = seen.y1 - top, seen.y2 - top - expected.height
    away = max(min(abs(s) for s in sides), min(abs(e) for e in ends))
    error = min(max(expected.error, 0.6 * away), _FARTHEST * expected.height)
    return replace(expected, error=error)


def _end(figures: list[Figure], nearest: int) -> np.ndarray:
    """x and y of the figure next to the gap, and the median height: float64 (3,)."""
    height = np.median([figure.extent.height for figure in figures])
    return np.array([figures[nearest].x, figures[nearest].y, height])


def _best_place(figure: Figure, expected: _Expected, agreement: np.ndarray) -> _Tried:
    """A shape where it agrees best."""
    zoom = expected.height / figure.extent.height
    centre = figure.x - figure.extent.x1, figure.y - figure.extent.y1
    left, top = expected.x - centre[0] * zoom, expected.y - centre[1] * zoom
    small = min(1.0, _SEARCH_HEIGHT / max(1.0, expected.height))
    reach = max(1, int(np.ceil(2 * expected.error * small)))
    shape = _scaled(figure.mask, zoom * small)
    window = _window(agreement, (left, top), shape.shape, small, reach)
    scores = cv2.matchTemplate(window, shape, cv2.TM_CCORR)
    offsets = np.arange(-reach, reach + 1)
    distance = (offsets[:, None] ** 2 + offsets[None] ** 2) / (expected.error * small) ** 2
    scores -= (_PULL * float(shape.sum()) * distance).astype(np.float32)
    row, column = np.unravel_index(int(scores.argmax()), scores.shape)
    moved = left + offsets[column] / small, top + offsets[row] / small
    mask = _drawn(figure.mask, moved, zoom, agreement.shape)
    return _Tried(float(scores.max()), float(shape.sum()), mask)


def _scaled(mask: np.ndarray, zoom: float) -> np.ndarray:
    """A mask bool (H, W), scaled: float32 (H, W), 0 to 1."""
    size = max(1, round(mask.shape[1] * zoom)), max(1, round(mask.shape[0] * zoom))
    method = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    return cv2.resize(mask.astype(np.float32), size, interpolation=method)


def _window(
    agreement: np.ndarray,
    corner: tuple[float, float],
    shape: tuple[int, ...],
    small: float,
    reach: int,
) -> np.ndarray:
    """The agreement around the expected place, float32 (h + 2 reach, w + 2 reach); 0 outside."""
    size = shape[1] + 2 * reach, shape[0] + 2 * reach
    shift = corner[0] - reach / small, corner[1] - reach / small
    matrix = np.array(
        [[1 / small, 0, shift[0] + 0.5 / small - 0.5], [0, 1 / small, shift[1] + 0.5 / small - 0.5]]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(agreement, matrix, size, flags=flags, borderValue=0)


def _drawn(
    mask: np.ndarray, corner: tuple[float, float], zoom: float, shape: tuple[int, ...]
) -> np.ndarray:
    """A shape bool (H, W), scaled and put at `corner` (x, y) into a picture: bool (H, W)."""
    matrix = np.array([[zoom, 0, corner[0]], [0, zoom, corner[1]]])
    size = shape[1], shape[0]
    return cv2.warpAffine(mask.astype(np.uint8) * 255, matrix, size, flags=cv2.INTER_LINEAR) > 127
