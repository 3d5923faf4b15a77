"""Offsets of the views of a take: the user's, else from sound, else from motion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from occludenet_build.media.sync import confidence as certainty
from occludenet_build.media.sync.correlation import best_fit
from occludenet_build.media.sync.envelopes import (
    SILENCE,
    SOUND_RATE,
    Signal,
    band_powers,
    sound_signal,
)
from occludenet_build.media.sync.motion import motion_signal
from occludenet_build.media.sync.track import follow
from occludenet_build.media.video.soundtrack import has_sound, sound_pieces

LEAST_OVERLAP = 3.0
"""Seconds that two views must have in common."""


@dataclass(frozen=True)
class Offset:
    """When a view began, on the reference's clock."""

    seconds: float | None
    """Time in the reference's clock at which the view's first frame lies; None if not sure."""
    drift: float
    """Seconds of the reference's clock per second of the view's, minus 1; 0 if not measured. The
    view's time t lies at `seconds` + (1 + drift) t."""
    confidence: float
    """Probability that the offset is right within one frame, 0 to 1."""
    method: str | None
    """table, sound or motion; for a view that is reached through another one, those of both, such
    as table+sound."""
    reason: str | None
    """Why `seconds` is None: begins with no sound, silent, too short, no match, ambiguous, unsure,
    unsteady, contradiction or no motion."""


REFERENCE = Offset(0.0, 0.0, 1.0, None, None)


def offsets(
    views: Mapping[str, Path],
    reference: str,
    *,
    table: Mapping[str, float] | None = None,
    methods: tuple[str, ...] = ("sound", "motion"),
    least_confidence: float = certainty.LEAST,
    least_overlap: float = LEAST_OVERLAP,
) -> dict[str, Offset]:
    """The offset of every view of a take, by name of the view.

    `table`: view -> seconds on the clock of the take, of the user; it wins, and nothing is measured
    for the views in it. A reference that is not in it lies at 0. `methods`: what may be measured;
    motion is asked only where a view has no sound or is silent. `least_confidence`: below it, an
    offset is not returned. `least_overlap`: seconds that two views must have in common.

    A view that does not match the reference is measured against the other views: what hears A and
    B connects them. Where three views contradict each other, the least sure one is not returned.

    Raises KeyError for a reference that is no view, ValueError for an unknown method, ItemError:
    the reasons of opening a video.
    """
    if reference not in views:
        raise KeyError(f"wanted a reference among {sorted(views)}, got {reference!r}")
    if unknown := set(methods) - {"sound", "motion"}:
        raise ValueError(f"wanted the methods sound and motion, got {sorted(unknown)}")
    stated = dict(table or {})
    found = {reference: REFERENCE}
    found |= {
        view: Offset(seconds - stated.get(reference, 0.0), 0.0, 1.0, "table", None)
        for view, seconds in stated.items()
        if view in views and view != reference
    }
    asked = [view for view in views if view not in found]
    if asked:
        measure = _Pairs(views, methods, least_confidence, least_overlap)
        stated_ones = {view: one for view, one in found.items() if view != reference}
        found |= _connected(reference, asked, measure, stated_ones)
    return {view: found[view] for view in views}


class _Pairs:
    """Measures pairs of views; each view is decoded once."""

    def __init__(
        self,
        views: Mapping[str, Path],
        methods: tuple[str, ...],
        least_confidence: float,
        least_overlap: float,
    ) -> None:
        self._views, self._methods = views, methods
        self._least, self._overlap = least_confidence, least_overlap
        self._sounds: dict[str, Signal | str] = {}
        self._motions: dict[str, Signal | str] = {}

    def __call__(self, reference: str, view: str) -> Offset:
        first, second = self._sound(reference), self._sound(view)
        lacking = next((s for s in (second, first) if isinstance(s, str)), None)
        if isinstance(first, Signal) and isinstance(second, Signal):
            return self._compared(first, second, "sound")
        assert lacking is not None
        if "motion" not in self._methods:
            return Offset(None, 0.0, 0.0, None, lacking)
        moving, other = self._motion(reference), self._motion(view)
        still = next((s for s in (other, moving) if isinstance(s, str)), None)
        if isinstance(moving, Signal) and isinstance(other, Signal):
            found = self._compared(moving, other, "motion")
            if found.reason is not None:
                return replace(found, reason=f"{lacking}; by motion {found.reason}")
            return found
        return Offset(None, 0.0, 0.0, None, f"{lacking}; {still}")

    def _compared(self, reference: Signal, view: Signal, method: str) -> Offset:
        return compared(
            reference, view, method, least_confidence=self._least, least_overlap=self._overlap
        )

    def _sound(self, view: str) -> Signal | str:
        """The signal of a view's sound, or why there is none."""
        if "sound" not in self._methods:
            return f"no sound: {view} is not compared by sound"
        if view not in self._sounds:
            self._sounds[view] = _sound_of(self._views[view], view)
        return self._sounds[view]

    def _motion(self, view: str) -> Signal | str:
        if view not in self._motions:
            found = motion_signal(self._views[view])
            self._motions[view] = f"no motion: nothing moves in {view}" if found is None else found
        return self._motions[view]


def _sound_of(path: Path, view: str) -> Signal | str:
    if not has_sound(path):
        return f"no sound: {view} has no sound stream"
    return audible(*band_powers(sound_pieces(path, SOUND_RATE))) or f"silent: {view}"


def audible(powers: np.ndarray, level: float) -> Signal | None:
    """The signal of band powers, float32 (B, N), and of the level of their sound; None: silent."""
    return sound_signal(powers) if level >= SILENCE and powers.shape[1] else None


WEIGHTS = {"sound": certainty.SOUND, "motion": certainty.MOTION}


def compared(
    reference: Signal,
    view: Signal,
    method: str,
    *,
    least_confidence: float = certainty.LEAST,
    least_overlap: float = LEAST_OVERLAP,
) -> Offset:
    """The offset of a view by two signals; `method`: sound or motion, what they are of."""
    fit = best_fit(reference, view, least_overlap)
    track = None if fit is None else follow(reference, view, fit)
    if fit is None or track is None:
        shortest = min(reference.seconds, view.seconds)
        text = f"too short: {shortest:.1f} s, wanted {least_overlap:g} s in common"
        return Offset(None, 0.0, 0.0, method, text)
    sure = certainty.confidence(fit, track, WEIGHTS[method])
    if sure < least_confidence:
        return Offset(None, track.drift, sure, method, certainty.doubt(fit, track))
    return Offset(track.lag, track.drift, sure, method, None)


def _connected(
    reference: str, asked: list[str], measure: _Pairs, stated: Mapping[str, Offset]
) -> dict[str, Offset]:
    """Every view against the reference; where that fails, through a view that it matches."""
    direct = {view: measure(reference, view) for view in asked}
    between = {(a, b): measure(a, b) for a in asked for b in asked if a < b}
    found = dict(direct)
    for view in asked:
        if direct[view].seconds is None:
            ways = [_through(direct[by], _pair(between, by, view)) for by in asked if by != view]
            ways += [_through(offset, measure(by, view)) for by, offset in stated.items()]
            found[view] = max(filter(None, ways), key=_sureness, default=direct[view])
    return _without_contradictions(found, between)


def _sureness(offset: Offset) -> float:
    return offset.confidence


def _pair(between: Mapping[tuple[str, str], Offset], a: str, b: str) -> Offset:
    """The offset of `b` on the clock of `a`."""
    if (a, b) in between:
        return between[a, b]
    given = between[b, a]
    if given.seconds is None:
        return given
    rate = 1 + given.drift
    return replace(given, seconds=-given.seconds / rate, drift=1 / rate - 1)


def _through(first: Offset, then: Offset) -> Offset | None:
    """An offset that follows from two others."""
    if first.seconds is None or then.seconds is None:
        return None
    rate = 1 + first.drift
    seconds = first.seconds + rate * then.seconds
    methods = dict.fromkeys((first.method, then.method))
    method = "+".join(filter(None, methods))
    sure = first.confidence * then.confidence
    return Offset(seconds, rate * (1 + then.drift) - 1, sure, method, None)


DISAGREES = 0.035
"""Seconds by which two ways to an offset may differ: a frame, and the way of the sound."""


def _without_contradictions(
    found: dict[str, Offset], between: Mapping[tuple[str, str], Offset]
) -> dict[str, Offset]:
    """Take back the less sure one of two views whose own offset contradicts theirs."""
    kept = dict(found)
    for (a, b), given in between.items():
        first, second = kept[a], kept[b]
        way = _through(first, given)
        if way is None or second.seconds is None or way.seconds is None:
            continue
        if abs(way.seconds - second.seconds) > DISAGREES:
            worse = min((a, b), key=lambda view: kept[view].confidence)
            other = b if worse == a else a
            text = f"contradiction: {kept[worse].seconds:+.3f} s, but {given.seconds:+.3f} s"
            text += f" between {a} and {b}, and {other} at {kept[other].seconds:+.3f} s"
            kept[worse] = Offset(None, 0.0, 0.0, kept[worse].method, text)
    return kept
