"""The candidates of one video: windows in which one person is partly hidden for long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from occludenet_build.config.people import Proposals
from occludenet_build.people.proposals.evidence import Evidence, evidence_of
from occludenet_build.people.proposals.scene import PER_SECOND
from occludenet_build.people.proposals.sights import Sight

_STEP = 0.5
"""Seconds between the starts of the windows that are tried."""


@dataclass(frozen=True)
class CandidateWindow:
    """A candidate: one person in one window of time."""

    track: int
    """Track number in detect."""
    start: float
    """Seconds from the video's first frame."""
    end: float
    """Seconds from the video's first frame."""
    hidden: float
    """Mean hidden share; a picture without the person, or hidden above max_hidden, counts as 0."""
    present: float
    """Share of the time in which the person is detected."""
    measured: float
    """Share of the sights that are measured against the scene."""
    height_share: float
    """Median height of the box, share of the picture's height."""
    evidence: Evidence
    """What hides the person, and how that is known."""
    sights: tuple[Sight, ...]

    def overlaps(self, other: CandidateWindow) -> bool:
        """Whether the two windows share time, whoever their people are."""
        return self.start < other.end and other.start < self.end


def best_windows(
    sights: dict[int, list[Sight]], duration: float, cuts: list[float], settings: Proposals
) -> list[CandidateWindow]:
    """At most `per_video` windows without a cut that do not overlap, the most hidden first.

    sights: track -> the person's sights in order; duration and cuts: seconds.
    """
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
    """Yields the windows of one person that qualify."""
    times = np.array([sight.seconds for sight in seen])
    length = settings.seconds
    for start in _starts(times, length, duration):
        first, last = np.searchsorted(times, [start - 1e-6, start + length - 1e-6])
        window = _window(track, start, seen[first:last], length, settings)
        if window is not None:
            yield window


def _starts(times: np.ndarray, length: float, duration: float) -> Iterable[float]:
    """Starts of windows within the video, multiples of _STEP, so all people have the same ones."""
    first = max(0.0, np.floor((times[0] - length) / _STEP) * _STEP)
    last = min(times[-1], duration - length)
    return np.arange(first, last + 1e-9, _STEP).tolist()


def _window(
    track: int, start: float, seen: list[Sight], length: float, settings: Proposals
) -> CandidateWindow | None:
    """The window, or None where it does not qualify."""
    expected = length * PER_SECOND
    if len(seen) < settings.min_present * expected:
        return None
    height_share = float(np.median([sight.height_share for sight in seen]))
    counted = [sight.hidden for sight in seen if sight.hidden <= settings.max_hidden]
    hidden = float(sum(counted) / max(expected, len(seen)))
    if height_share < settings.min_height or hidden < settings.min_hidden:
        return None
    return CandidateWindow(
        track=track,
        start=start,
        end=start + length,
        hidden=hidden,
        present=min(1.0, len(seen) / expected),
        measured=float(np.mean([sight.measured for sight in seen])),
        height_share=height_share,
        evidence=evidence_of([sight for sight in seen if sight.hidden > 0]),
        sights=tuple(seen),
    )
