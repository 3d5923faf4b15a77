"""Shot cuts and dissolves, found while the frames are decoded; memory is six numbers per frame.

A hard cut between frames b - 1 and b is a change of the downscaled picture that
- is large,
- exceeds the changes near it (a pan or a shaking camera causes many similar changes),
- leaves another layout (a change of exposure changes all pixels alike),
- and does not revert within three frames (a flash, a damaged frame).
A frame that blends two shots, as in interlaced footage, gets a cut on both sides. A dissolve counts
as a cut at its middle. A fade to black counts as none: tracks end in it anyway, as nobody is
visible.

In a dissolve one shot turns into another over several frames. Each frame is then a mix of an
earlier and a later one, which no movement causes:

    frame     a ........ t ........ b        t = (1 - share) a + share b, share from 0 to 1

A window of frames belongs to a dissolve if all its frames are such mixes of its ends, with growing
shares, and the ends differ in layout, unlike in a fade to black or a change of light. One of 24
real clips has a dissolve: its frames deviate from the mix by 0.02 of the difference between the
ends; in all other clips the deviation is at least 0.17. A dissolve with fast movement is not found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import cv2
import numpy as np

WINDOWS = (8, 16, 32)
"""Lengths of a window, frames; a longer dissolve covers several windows."""
SIZE = (32, 18)
"""Width and height of the pictures in which dissolves are searched, pixels."""
LEAST_DIFFERENCE = 12.0
"""Least mean absolute difference of a window's ends, grey levels of 255."""
DISSOLVE_LEAST_CHANGE = 0.4
"""Least 1 - correlation of a window's ends."""
OFF = 0.1
"""Largest deviation of a frame from its mix, as a share of the difference of the ends."""
LARGEST_STEP = 0.6
"""Largest growth of the share between two sampled frames of a window; more is a cut."""
_SAMPLES = 7
"""Frames between the ends that are compared with their mix, evenly spaced."""
THUMBNAIL = (64, 36)
"""Width and height of the pictures in which cuts are searched, pixels."""
LEAST_STEP = 12.0
"""Least mean absolute difference of two thumbnails at a cut, grey levels of 255."""
STANDS_OUT = 2.2
"""Least ratio of that difference to the second largest one near it."""
NEAR = 8
"""Frames on each side that count as near."""
LEAST_CHANGE = 0.4
"""Least 1 - correlation of the frames on both sides of a cut."""
_LAGS = 5


class DissolveFinder:
    """Finds dissolves: `add` the thumbnails of all frames in order, then read `spans`."""

    def __init__(self) -> None:
        self._recent: deque[np.ndarray] = deque(maxlen=max(WINDOWS) + 1)
        self._count = 0
        self._spans: list[tuple[int, int]] = []

    def add(self, small: np.ndarray) -> None:
        """Add the next frame's thumbnail, float32 (H, W, 3), 0 to 255."""
        self._recent.append(cv2.resize(small, SIZE, interpolation=cv2.INTER_AREA))
        for length in WINDOWS:
            if len(self._recent) > length and self._is_part(length):
                self._add(self._count - length, self._count)
        self._count += 1

    @property
    def spans(self) -> list[tuple[int, int]]:
        """First and last frame of each dissolve, with the still frames around it."""
        return list(self._spans)

    def _add(self, first: int, last: int) -> None:
        while self._spans and first <= self._spans[-1][1]:
            first = min(first, self._spans.pop()[0])
        self._spans.append((first, last))

    def _is_part(self, length: int) -> bool:
        first, last = self._recent[-1 - length], self._recent[-1]
        change = last - first
        difference = float(np.abs(change).mean())
        if difference < LEAST_DIFFERENCE or 1 - correlation(first, last) < DISSOLVE_LEAST_CHANGE:
            return False
        shares = [0.0]
        for back in np.linspace(length, 0, _SAMPLES + 2)[1:-1].round().astype(int).tolist():
            here = self._recent[-1 - back] - first
            shares.append(float((here * change).sum() / (change * change).sum()))
            if float(np.abs(here - shares[-1] * change).mean()) > OFF * difference:
                return False
        steps = np.diff([*shares, 1.0])
        return bool(steps.max() <= LARGEST_STEP and steps.min() >= -0.05)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation, -1 to 1, of two pictures float32 (H, W, 3), each colour about its mean.

    It is 1 for two pictures without any detail.
    """
    first = first - first.mean(axis=(0, 1))
    second = second - second.mean(axis=(0, 1))
    spread = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / spread if spread > 1 else 1.0


class CutFinder:
    """Finds cuts and dissolves: `add` or `watch` all frames in order, then read `cuts`."""

    def __init__(self) -> None:
        self._recent: deque[np.ndarray] = deque(maxlen=_LAGS)
        # Row t: difference of frame t to the frames t-1 ... t-5; inf before the first frame.
        self._steps: list[list[float]] = []
        self._changes: list[float] = []
        self._dissolves = DissolveFinder()

    def watch(self, frames: Iterable[tuple[int, np.ndarray]]) -> Iterator[tuple[int, np.ndarray]]:
        """Passes on frames (number, picture uint8 (H, W, 3)) and adds each."""
        for number, picture in frames:
            self.add(picture)
            yield number, picture

    def add(self, picture: np.ndarray) -> None:
        """Add the next frame, uint8 (H, W, 3), RGB."""
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
            steps[b, 0] >= STANDS_OUT * usual and change >= LEAST_CHANGE and not _reverts(steps, b)
        )


def _reverts(steps: np.ndarray, b: int) -> bool:
    """Whether one of the frames b, b+1, b+2 resembles one of b-1, b-2, b-3.

    b-3 b-2 b-1 | b  b+1 b+2         lag of (b+j) to (b-1-i) is j + i + 1
    """
    pairs = [(b + j, j + i) for j in range(3) for i in range(3) if b + j < len(steps)]
    return min(steps[t, lag] for t, lag in pairs) < 0.5 * steps[b, 0]
