"""Shot cuts, found while the frames pass by; what stays in memory is six numbers a frame.

A hard cut between frames b - 1 and b is
- a large step of a small copy of the picture,
- that stands out among its neighbours (a pan or a shaking camera makes many steps alike),
- after which the arrangement is another (a change of exposure changes all pixels alike),
- and which is not taken back within three frames (a flash, a damaged frame).
A frame that blends two shots, as interlaced footage has them, gets a cut on both its sides.
A dissolve (`dissolves`) is a cut in its middle. A fade to black is none: tracks end in it by
themselves, as nobody is seen.

Dissolves: one shot turns into another over some frames.

While it lasts each frame is a mix of one before and one after it, which no movement makes:

    frame     a ........ t ........ b        t = (1 - share) a + share b, share from 0 to 1

A window of frames is part of a dissolve if all frames in it are such mixes of its ends, with
shares that grow, and its ends differ in their arrangement: a fade to black, or a change of the
light, is none. Of 24 real clips one has a dissolve: there the mixes are off by 0.02 of the
difference of the ends, and by at least 0.17 in the windows of all others. Where people or the
camera move fast in a dissolve it is not found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import cv2
import numpy as np

WINDOWS = (8, 16, 32)
"""Frames from one end of a window to the other; a longer dissolve fills several."""
SIZE = (32, 18)
"""Width and height of the pictures that are compared."""
LEAST_DIFFERENCE = 12.0
"""Of the ends, mean absolute difference, grey levels of 255."""
DISSOLVE_LEAST_CHANGE = 0.4
"""1 - correlation of the ends."""
OFF = 0.1
"""How far a frame may be from its mix: of the difference of the ends."""
LARGEST_STEP = 0.6
"""Of the share, between the frames of a window that are looked at: more is a cut."""
_LOOKS = 7
"""Frames between the ends that are looked at, evenly spaced."""


class DissolveFinder:
    """Feed it the small copies of all frames in order; then ask for the `spans`."""

    def __init__(self) -> None:
        self._recent: deque[np.ndarray] = deque(maxlen=max(WINDOWS) + 1)
        self._count = 0
        self._spans: list[tuple[int, int]] = []

    def add(self, small: np.ndarray) -> None:
        """A small copy, float32 (h, w, 3)."""
        self._recent.append(cv2.resize(small, SIZE, interpolation=cv2.INTER_AREA))
        for length in WINDOWS:
            if len(self._recent) > length and self._is_part(length):
                self._add(self._count - length, self._count)
        self._count += 1

    @property
    def spans(self) -> list[tuple[int, int]]:
        """First and last frame of each dissolve, with what stands still around it."""
        return list(self._spans)

    def _add(self, first: int, last: int) -> None:
        while self._spans and first <= self._spans[-1][1]:
            first = min(first, self._spans.pop()[0])
        self._spans.append((first, last))

    def _is_part(self, length: int) -> bool:
        first, last = self._recent[-1 - length], self._recent[-1]
        apart = last - first
        difference = float(np.abs(apart).mean())
        if difference < LEAST_DIFFERENCE or 1 - correlation(first, last) < DISSOLVE_LEAST_CHANGE:
            return False
        shares = [0.0]
        for back in np.linspace(length, 0, _LOOKS + 2)[1:-1].round().astype(int).tolist():
            here = self._recent[-1 - back] - first
            shares.append(float((here * apart).sum() / (apart * apart).sum()))
            if float(np.abs(here - shares[-1] * apart).mean()) > OFF * difference:
                return False
        steps = np.diff([*shares, 1.0])
        return bool(steps.max() <= LARGEST_STEP and steps.min() >= -0.05)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """-1 to 1, each colour about its mean; 1 for two pictures without any detail."""
    first = first - first.mean(axis=(0, 1))
    second = second - second.mean(axis=(0, 1))
    spread = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / spread if spread > 1 else 1.0


THUMBNAIL = (64, 36)
"""Width and height of the small copy."""
LEAST_STEP = 12.0
"""Mean absolute difference of two thumbnails, grey levels of 255."""
STANDS_OUT = 2.2
"""Least ratio of the step to the second largest one near it."""
NEAR = 8
"""Frames on each side that count as near."""
LEAST_CHANGE = 0.4
"""1 - correlation of the frames on both sides of the step."""
_LAGS = 5


class CutFinder:
    """Feed it all frames of a clip in order; then ask for the `cuts`."""

    def __init__(self) -> None:
        self._recent: deque[np.ndarray] = deque(maxlen=_LAGS)
        # Row t: difference of frame t to frames t-1 ... t-5; inf where there is none.
        self._steps: list[list[float]] = []
        self._changes: list[float] = []
        self._dissolves = DissolveFinder()

    def watch(self, frames: Iterable[tuple[int, np.ndarray]]) -> Iterator[tuple[int, np.ndarray]]:
        """Pass frames (number, uint8 H x W x 3) on, looking at each."""
        for number, picture in frames:
            self.add(picture)
            yield number, picture

    def add(self, picture: np.ndarray) -> None:
        small = cv2.resize(picture, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
        steps = [float(np.abs(small - earlier).mean()) for earlier in reversed(self._recent)]
        self._steps.append(steps + [np.inf] * (_LAGS - len(steps)))
        two_back = self._recent[-2] if len(self._recent) > 1 else small
        self._changes.append(1 - correlation(small, two_back))
        self._recent.append(small)
        self._dissolves.add(small)

    @property
    def cuts(self) -> list[int]:
        """The first frame of every shot but the first, ascending."""
        steps = np.array(self._steps).reshape(-1, _LAGS)
        large = np.flatnonzero(np.isfinite(steps[:, 0]) & (steps[:, 0] >= LEAST_STEP))
        hard = [int(b) for b in large if self._is_cut(steps, int(b))]
        middles = [
            (first + last + 1) // 2
            for first, last in self._dissolves.spans
            if not any(first < b <= last for b in hard)
        ]
        return sorted([*hard, *middles])

    def _is_cut(self, steps: np.ndarray, b: int) -> bool:
        around = np.concatenate([steps[max(1, b - NEAR) : b, 0], steps[b + 1 : b + NEAR + 1, 0]])
        usual = np.sort(around)[-2] if len(around) > 1 else 0.0
        change = max(self._changes[b : b + 2])
        return bool(
            steps[b, 0] >= STANDS_OUT * usual
            and change >= LEAST_CHANGE
            and not _taken_back(steps, b)
        )


def _taken_back(steps: np.ndarray, b: int) -> bool:
    """Whether a frame of b, b+1, b+2 looks like one of b-1, b-2, b-3.

    b-3 b-2 b-1 | b  b+1 b+2         lag of (b+j) to (b-1-i) is j + i + 1
    """
    pairs = [(b + j, j + i) for j in range(3) for i in range(3) if b + j < len(steps)]
    return min(steps[t, lag] for t, lag in pairs) < 0.5 * steps[b, 0]
