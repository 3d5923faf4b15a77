"""Shot cuts, found while the frames pass by; what stays in memory is six numbers a frame.

A hard cut between frames b - 1 and b is
- a large step of a small copy of the picture,
- that stands out among its neighbours (a pan or a shaking camera makes many steps alike),
- after which the arrangement is another (a change of exposure changes all pixels alike),
- and which is not taken back within three frames (a flash, a damaged frame).
A frame that blends two shots, as interlaced footage has them, gets a cut on both its sides.
A dissolve (`dissolves`) is a cut in its middle. A fade to black is none: tracks end in it by
themselves, as nobody is seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from occludenet_build.detect.dissolves import DissolveFinder, correlation

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
            self.see(picture)
            yield number, picture

    def see(self, picture: np.ndarray) -> None:
        small = cv2.resize(picture, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
        steps = [float(np.abs(small - earlier).mean()) for earlier in reversed(self._recent)]
        self._steps.append(steps + [np.inf] * (_LAGS - len(steps)))
        two_back = self._recent[-2] if len(self._recent) > 1 else small
        self._changes.append(1 - correlation(small, two_back))
        self._recent.append(small)
        self._dissolves.see(small)

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
