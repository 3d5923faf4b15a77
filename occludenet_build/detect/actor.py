"""Who is the actor: one track in every shot, and his box in the short gaps of that track.

Within a shot the actor is one track, the best by the policy among those that are seen for
`min_track_seconds` (or for half of a shorter shot) and once with `actor_score`: what a model takes
for a person by mistake is seen for some frames only, or stays weak in all of them. Every shot has
its own: tracks end at a cut, and the occluder has to be on somebody afterwards as well. Only where
the user's own track goes on across a cut does the actor stay who he was. Frames without a box of
that track have no actor, but for gaps up to `max_gap_seconds` between two of its boxes, which are
filled in a straight line and flagged; nothing is filled before the first box, after the last, or
across a cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from occludenet_build.core import boxes as geometry
from occludenet_build.detect.tracks import Track


def area_x_duration(track: Track, width: int, height: int) -> float:
    """Sum over its frames of the box's share of the picture."""
    inside = geometry.clipped(track.boxes, width, height)
    return float(geometry.area(inside.astype(np.float64)).sum() / (width * height))


def central(track: Track, width: int, height: int) -> float:
    """Sum over its frames of the closeness to the middle: 1 there, 0 in the corners."""
    middle = np.array([width, height]) / 2
    away = np.linalg.norm(geometry.centre(track.boxes) - middle, axis=1)
    return float(np.clip(1 - away / np.linalg.norm(middle), 0, 1).sum())


POLICIES: dict[str, Callable[[Track, int, int], float]] = {
    "area_x_duration": area_x_duration,
    "central": central,
}
"""Name in the settings -> value of a track in a picture of (width, height); more is better."""


@dataclass(frozen=True)
class Rules:
    """How the actor is chosen; see config.Detect for the meaning of each."""

    policy: str
    width: int
    height: int
    fps: float
    min_track_seconds: float
    actor_score: float
    max_gap_seconds: float


def choose(shots: list[list[Track]], shot_frames: list[int], rules: Rules) -> list[Track | None]:
    """The actor's track in every shot, None where nobody is fit to be him."""
    chosen: list[Track | None] = []
    before: int | None = None
    for tracks, frames in zip(shots, shot_frames, strict=True):
        least = min(rules.min_track_seconds * rules.fps, frames / 2)
        fit = [t for t in tracks if len(t.frames) >= least and t.scores.max() >= rules.actor_score]
        same = [t for t in fit if t.number == before]
        best = same[0] if same else _best(fit, rules)
        before = best.number if best else before
        chosen.append(best)
    return chosen


def _best(tracks: list[Track], rules: Rules) -> Track | None:
    value = POLICIES[rules.policy]
    # Of equals the first: the order of tracks is the order of their first frames.
    return max(tracks, key=lambda t: value(t, rules.width, rules.height), default=None)


def gaps(track: Track, rules: Rules) -> tuple[np.ndarray, np.ndarray]:
    """Frames (M,) int64 and boxes (M, 4) float32 that fill the short gaps of a track."""
    frames, filled = [np.zeros(0, np.int64)], [geometry.empty()]
    for k in np.flatnonzero(np.diff(track.frames) > 1):
        first, last = int(track.frames[k]), int(track.frames[k + 1])
        missing = last - first - 1
        if missing / rules.fps <= rules.max_gap_seconds:
            frames.append(np.arange(first + 1, last))
            filled.append(geometry.between(track.boxes[k], track.boxes[k + 1], missing))
    return np.concatenate(frames), np.concatenate(filled)
