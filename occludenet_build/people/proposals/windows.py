"""The best stretches of a video: where one person is partly hidden for long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from occludenet_build.config.people import Proposals
from occludenet_build.people.proposals.hiding import Sight
from occludenet_build.people.proposals.scene import PER_SECOND

_STEP = 0.5
"""Seconds between the starts that are tried."""


@dataclass(frozen=True)
class CandidateWindow:
    """A candidate; times in seconds from the video's first frame."""

    track: int
    start: float
    end: float
    hidden: float
    """Mean share hidden; what is not seen, or hidden too far, counts as 0."""
    present: float
    """Share of the time in which the person is seen."""
    measured: float
    """Share of the sights that the scene tells."""
    shown: float
    """Median height of the box, share of the picture's height."""
    sights: tuple[Sight, ...]

    def overlaps(self, other: CandidateWindow) -> bool:
        return self.start < other.end and other.start < self.end


def best_windows(
    sights: dict[int, list[Sight]], duration: float, cuts: list[float], settings: Proposals
) -> list[CandidateWindow]:
    """At most `per_video` windows that do not overlap, the most hidden first."""
    found = [
        window
        for track, seen in sorted(sights.items())
        for window in _of_track(track, seen, duration, settings)
        if not any(window.start < cut < window.end for cut in cuts)
    ]
    found.sort(key=lambda window: (-window.hidden, window.start, window.track))
    chosen: list[CandidateWindow] = []
    for window in found:
        if len(chosen) == settings.per_video:
            break
        if not any(window.overlaps(other) for other in chosen):
            chosen.append(window)
    return chosen


def _of_track(
    track: int, seen: list[Sight], duration: float, settings: Proposals
) -> Iterator[CandidateWindow]:
    """The windows of one person that are good enough."""
    times = np.array([sight.seconds for sight in seen])
    length = settings.seconds
    for start in _starts(times, length, duration):
        first, last = np.searchsorted(times, [start - 1e-6, start + length - 1e-6])
        window = _window(track, start, seen[first:last], length, settings)
        if window is not None:
            yield window


def _starts(times: np.ndarray, length: float, duration: float) -> Iterable[float]:
    """Even times, so that the windows of all people are the same; all within the video."""
    first = max(0.0, np.floor((times[0] - length) / _STEP) * _STEP)
    last = min(times[-1], duration - length)
    return np.arange(first, last + 1e-9, _STEP).tolist()


def _window(
    track: int, start: float, seen: list[Sight], length: float, settings: Proposals
) -> CandidateWindow | None:
    expected = length * PER_SECOND
    if len(seen) < settings.min_present * expected:
        return None
    shown = float(np.median([sight.shown for sight in seen]))
    counted = [sight.hidden for sight in seen if sight.hidden <= settings.max_hidden]
    hidden = float(sum(counted) / max(expected, len(seen)))
    if shown < settings.min_height or hidden < settings.min_hidden:
        return None
    return CandidateWindow(
        track=track,
        start=start,
        end=start + length,
        hidden=hidden,
        present=min(1.0, len(seen) / expected),
        measured=float(np.mean([sight.measured for sight in seen])),
        shown=shown,
        sights=tuple(seen),
    )
