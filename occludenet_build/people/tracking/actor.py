"""Who is the actor: in every shot the best track by a policy; and his box in its short gaps.

Fit to be the actor is who is seen for `min_track_seconds` (or for half of a shorter shot) and once
with `actor_score`: what a model takes for a person by mistake is seen for some frames only, or
stays weak in all of them. Every shot has its own actor: tracks end at a cut, and the occluder has
to be on somebody afterwards as well. Only where the user's own track goes on across a cut does the
actor stay who he was.

A track may end before the shot does: he left, or he was lost and found again under another number.
Then who is the best of those that are not seen at the same time takes over, if a frame of his is
worth half as much; bystanders are mostly seen at the same time, and take over nothing.

Two policies choose no track:
  all   everybody who is fit, as a group: its box is the smallest that holds all their boxes, with
        a track number of its own where they are several
  file  whom the user's boxes name, frame by frame; nobody is unfit

Gaps up to `max_gap_seconds` between two boxes of a track are filled in a straight line and
flagged; nothing is filled before the first box, after the last, or across a cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.people.tracking.tracks import Track


def area_share(track: Track, width: int, height: int) -> np.ndarray:
    """The box's share of the picture, (K,)."""
    inside = geometry.clipped(track.boxes, width, height).astype(np.float64)
    return geometry.area(inside) / (width * height)


def closeness(track: Track, width: int, height: int) -> np.ndarray:
    """To the middle of the picture, (K,): 1 there, 0 in the corners."""
    middle = np.array([width, height]) / 2
    away = np.linalg.norm(geometry.centre(track.boxes) - middle, axis=1)
    return np.clip(1 - away / np.linalg.norm(middle), 0, 1)


def area_x_duration(track: Track, width: int, height: int) -> float:
    """Sum over its frames of the box's share of the picture."""
    return float(area_share(track, width, height).sum())


def central(track: Track, width: int, height: int) -> float:
    """Sum over its frames of the closeness to the middle."""
    return float(closeness(track, width, height).sum())


def prominent(track: Track, width: int, height: int) -> float:
    """Sum over its frames of the box's size, the root of its area, x the closeness to the middle.

    Size and place weigh about alike: a bystander close to the camera is large, but at the edge.
    """
    size = np.sqrt(area_share(track, width, height))
    return float((size * closeness(track, width, height)).sum())


POLICIES: dict[str, Callable[[Track, int, int], float]] = {
    "prominent": prominent,
    "area_x_duration": area_x_duration,
    "central": central,
}
"""Name in the settings -> value of a track in a picture of (width, height); more is better."""


@dataclass(frozen=True)
class ActorRules:
    """How the actor is chosen; see config.Detect for the meaning of each."""

    policy: str
    width: int
    height: int
    fps: float
    min_track_seconds: float
    actor_score: float
    max_gap_seconds: float


SAME_TIME = 0.2
"""Two tracks that share more of the shorter one's time are two people."""
AS_GOOD = 0.5
"""Value of a frame of who takes over, to that of the best track."""

Shots = Sequence[Sequence[Track]]
"""Of every shot its tracks."""


def choose_actor(
    shots: Shots,
    shot_frames: Sequence[int],
    rules: ActorRules,
    named: Mapping[int, int] | None = None,
) -> list[list[Track]]:
    """The actor of every shot, his short gaps filled: no track where nobody is fit to be him.

    He may have several tracks, one after another, but one box in a frame. `named` (frame -> track)
    is for the policy file.
    """
    if rules.policy == "file":
        return [_named(tracks, named or {}, rules) for tracks in shots]
    fit = [_fit(tracks, frames, rules) for tracks, frames in zip(shots, shot_frames, strict=True)]
    chosen = (
        _groups(fit, _free_number(shots), rules) if rules.policy == "all" else _best(fit, rules)
    )
    return [_one_a_frame([fill_gaps(track, rules) for track in tracks]) for tracks in chosen]


def _fit(tracks: Sequence[Track], frames: int, rules: ActorRules) -> list[Track]:
    least = min(rules.min_track_seconds * rules.fps, frames / 2)
    return [t for t in tracks if len(t.frames) >= least and t.scores.max() >= rules.actor_score]


def _best(fit: Shots, rules: ActorRules) -> list[list[Track]]:
    """Of every shot the best track, and those that take over from it."""
    chosen: list[list[Track]] = []
    before: int | None = None
    for tracks in fit:
        worth = {t.number: POLICIES[rules.policy](t, rules.width, rules.height) for t in tracks}
        # Of equals the first: the order of tracks is the order of their first frames.
        order = sorted(tracks, key=lambda t: (t.number != before, -worth[t.number]))
        chosen.append(_in_turn(order, {t.number: worth[t.number] / len(t.frames) for t in tracks}))
        before = order[0].number if order else before
    return chosen


def _in_turn(order: list[Track], worth: Mapping[int, float]) -> list[Track]:
    """The first, and who is seen when those before him are not; `worth` of a frame of each."""
    taken: list[Track] = []
    for track in order:
        good = worth[track.number] >= AS_GOOD * worth[order[0].number]
        if good and all(_shared_time(track, other) <= SAME_TIME for other in taken):
            taken.append(track)
    return taken


def _shared_time(one: Track, other: Track) -> float:
    """Of the one with fewer boxes."""
    first, last = max(one.frames[0], other.frames[0]), min(one.frames[-1], other.frames[-1])
    return float(max(0, last - first + 1) / min(len(one.frames), len(other.frames)))


def _one_a_frame(tracks: list[Track]) -> list[Track]:
    """Where several have a box, the first keeps his."""
    seen: set[int] = set()
    parts = []
    for track in tracks:
        parts.append(_part(track, np.array([f not in seen for f in track.frames.tolist()], bool)))
        seen.update(track.frames.tolist())
    return [part for part in parts if len(part.frames)]


def _part(track: Track, keep: np.ndarray) -> Track:
    return Track(track.number, track.frames[keep], track.boxes[keep], track.scores[keep])


def _groups(fit: Shots, number: int, rules: ActorRules) -> list[list[Track]]:
    """All of a shot as one, numbered `number`, `number` + 1, ...; one alone stays himself."""
    groups: list[list[Track]] = []
    for tracks in fit:
        if len(tracks) > 1:
            groups.append([_group([fill_gaps(track, rules) for track in tracks], number)])
            number += 1
        else:
            groups.append(list(tracks))
    return groups


def _group(members: list[Track], number: int) -> Track:
    frames, at = np.unique(np.concatenate([t.frames for t in members]), return_inverse=True)
    boxes = np.concatenate([t.boxes for t in members])
    low, high = np.full((len(frames), 2), np.inf), np.full((len(frames), 2), -np.inf)
    np.minimum.at(low, at, boxes[:, :2])
    np.maximum.at(high, at, boxes[:, 2:])
    scores = np.full(len(frames), np.nan, np.float32)
    # The best score; NaN where all are filled in.
    np.fmax.at(scores, at, np.concatenate([t.scores for t in members]))
    return Track(number, frames, np.hstack([low, high]).astype(np.float32), scores)


def _free_number(shots: Shots) -> int:
    return 1 + max((track.number for tracks in shots for track in tracks), default=-1)


def _named(tracks: Sequence[Track], named: Mapping[int, int], rules: ActorRules) -> list[Track]:
    """The part of each track in which it is the actor's, with its short gaps."""
    parts = []
    for track in tracks:
        mine = np.array([named.get(frame) == track.number for frame in track.frames.tolist()])
        if mine.any():
            parts.append(_only_free(fill_gaps(_part(track, mine), rules), track, named))
    return _one_a_frame(parts)


def _only_free(part: Track, whole: Track, named: Mapping[int, int]) -> Track:
    """Without what was filled in where another is the actor, or where he is one of the others."""
    seen = set(whole.frames.tolist()) | set(named)
    keep = ~np.isnan(part.scores) | np.array([f not in seen for f in part.frames.tolist()])
    return _part(part, keep)


def fill_gaps(track: Track, rules: ActorRules) -> Track:
    """The track with its short gaps filled; the score of a filled box is NaN."""
    frames, boxes = gap_boxes(track, rules)
    order = np.argsort(np.concatenate([track.frames, frames]), kind="stable")
    scores = np.concatenate([track.scores, np.full(len(frames), np.nan, np.float32)])
    return Track(
        track.number,
        np.concatenate([track.frames, frames])[order],
        np.concatenate([track.boxes, boxes])[order],
        scores[order],
    )


def gap_boxes(track: Track, rules: ActorRules) -> tuple[np.ndarray, np.ndarray]:
    """Frames (M,) int64 and boxes (M, 4) float32 that fill the short gaps of a track."""
    frames, filled = [np.zeros(0, np.int64)], [geometry.empty()]
    for k in np.flatnonzero(np.diff(track.frames) > 1):
        first, last = int(track.frames[k]), int(track.frames[k + 1])
        missing = last - first - 1
        if missing / rules.fps <= rules.max_gap_seconds:
            frames.append(np.arange(first + 1, last))
            filled.append(geometry.between(track.boxes[k], track.boxes[k + 1], missing))
    return np.concatenate(frames), np.concatenate(filled)
