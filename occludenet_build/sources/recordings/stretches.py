"""Which stretches of a take become clips: the time that all its views share, cut evenly.

Times are exact (Fraction), in seconds on the clock of the take, which is that of its first view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from occludenet_build.sources.recordings.offsets import ViewTime
from occludenet_build.sources.recordings.takes import Part

ROUNDED = Fraction(1, 10)
"""Seconds by which a clip may be longer than the longest, or shorter than the shortest: a recording
of 10 s has often 10.03 s."""
_SLIVER = Fraction(1, 2)
"""Seconds below which what the parts of two views share is no stretch: their edges were meant to be
the same."""

Stretch = tuple[Fraction, Fraction]
"""Start and end (exclusive), seconds."""


@dataclass(frozen=True)
class Seen:
    """When a view recorded: where it lies on the take's clock, and how long it is; seconds."""

    time: ViewTime
    duration: Fraction
    parts: tuple[Part, ...]
    """What of it may be used, from its first frame."""

    def stretches(self) -> list[Stretch]:
        """The usable parts, on the take's clock, within the recording."""
        found = []
        for start, end in sorted(self.parts, key=lambda part: part[0]):
            last = self.duration if end is None else min(end, self.duration)
            if start < last:
                found.append((self.time.to_take(start), self.time.to_take(last)))
        return found


def common_stretches(views: Sequence[Seen]) -> list[Stretch]:
    """What may be used of all views at once, on the take's clock; empty if they share nothing."""
    shared = views[0].stretches()
    for view in views[1:]:
        crossed = [_crossing(one, other) for one in shared for other in view.stretches()]
        least = _SLIVER if len(crossed) > 1 else 0
        shared = [(start, end) for start, end in crossed if end - start > least]
    return shared


def _crossing(one: Stretch, other: Stretch) -> Stretch:
    return max(one[0], other[0]), min(one[1], other[1])


def even_stretches(whole: Stretch, shortest: Fraction, longest: Fraction) -> list[Stretch]:
    """Divide a stretch into equal ones of `shortest` to `longest` seconds; none if it is too short.

    As few as possible; where no number fits, as many of `longest` as fit, in the middle.

    >>> from fractions import Fraction as F
    >>> [float(end) for _, end in even_stretches((F(0), F(24)), F(5), F(10))]
    [8.0, 16.0, 24.0]
    >>> [(float(a), float(b)) for a, b in even_stretches((F(0), F(11)), F(8), F(10))]
    [(0.5, 10.5)]
    """
    start, end = whole
    length = end - start
    if length < shortest - ROUNDED:
        return []
    count = max(1, ceil((length - ROUNDED) / longest))
    each = length / count
    if each < shortest - ROUNDED:
        count = max(1, floor(length / shortest))
        each = min(longest, length / count)
        start += (length - count * each) / 2
    return [(start + number * each, start + (number + 1) * each) for number in range(count)]


def on_frames(stretch: Stretch, first: Fraction, step: Fraction) -> Stretch:
    """A stretch whose ends are moved to the nearest frames of a view with even times.

    `first`: time of its first frame, `step`: from frame to frame. Ends in the middle between two
    frames would give views whose offsets are off by microseconds different numbers of frames.

    >>> from fractions import Fraction as F
    >>> [float(end) for end in on_frames((F("1.3001"), F("7.66")), F(0), F("0.1"))]
    [1.3, 7.7]
    """
    start, end = (first + round((moment - first) / step) * step for moment in stretch)
    return start, end
