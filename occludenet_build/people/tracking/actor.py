"""The choice of the actor: in every shot the best track by a policy, with its short gaps filled.

A track qualifies if it has boxes for `min_track_seconds` (or for half of a shorter shot) and
reaches `actor_score` once: a false detection lasts a few frames or has low scores throughout. Every
shot has its own actor, since tracks end at a cut and the occluder needs an actor after it too. The
actor stays the same across a cut only where the user's own track continues across it.

A track may end before the shot does, or begin after it: the person left, or was lost and detected
under another number. A track that is the same person at the same place (`same_person`) continues
the actor. Then the best of the tracks that are not visible at the same
time does, if its value per frame is at least half of the first track's: the actor found again
elsewhere, or whoever comes when the actor has left. Bystanders are mostly visible at the same time,
so they do not.

A track that was joined from several competes with the best of them: joining makes the actor last
longer, and never somebody else the actor.

Two policies choose no single track:
  all   everybody who qualifies, as a group: its box is the smallest around all their boxes, with a
        track number of its own where there are several people
  file  the boxes that the user's file marks, frame by frame; every track qualifies

Gaps of up to `max_gap_seconds` between two boxes of a track are filled by linear interpolation and
flagged. Nothing is filled before the first box, after the last, or across a cut.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import or_

import numpy as np

from occludenet_build.config.people import Detect
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.people.detectors.interface import IndexedClip
from occludenet_build.people.tracking.same_person import JoinRules, goes_on, join_rules
from occludenet_build.people.tracking.tracks import Track

SAME_TIME = 0.2
"""Two tracks that overlap in time by more than this share of the shorter are visible at the same
time."""
AS_GOOD = 0.5
"""Least value per frame of a continuing track elsewhere, relative to that of the best track."""

Shots = Sequence[Sequence[Track]]
"""The tracks of every shot."""


def area_share(track: Track, width: int, height: int) -> np.ndarray:
    """Area of each box as a share of the picture's, float64 (K,), 0 to 1.

    `width` and `height` are the displayed picture's, pixels; K is the number of boxes.
    """
    inside = geometry.clipped(track.boxes, width, height).astype(np.float64)
    return geometry.area(inside) / (width * height)


def closeness(track: Track, width: int, height: int) -> np.ndarray:
    """Closeness of each box's centre to the picture's, float64 (K,): 1 there, 0 in the corners.

    `width` and `height` are the displayed picture's, pixels; K is the number of boxes.
    """
    centre = np.array([width, height]) / 2
    distance = np.linalg.norm(geometry.centre(track.boxes) - centre, axis=1)
    return np.clip(1 - distance / np.linalg.norm(centre), 0, 1)


def area_x_duration(track: Track, width: int, height: int) -> float:
    """Sum over the track's frames of the box's share of the picture."""
    return float(area_share(track, width, height).sum())


def central(track: Track, width: int, height: int) -> float:
    """Sum over the track's frames of the closeness to the picture's centre."""
    return float(closeness(track, width, height).sum())


def prominent(track: Track, width: int, height: int) -> float:
    """Sum over the track's frames of the box's size (root of its area share) x its closeness.

    Size and position weigh about the same: a bystander close to the camera is large, but far from
    the centre.
    """
    size = np.sqrt(area_share(track, width, height))
    return float((size * closeness(track, width, height)).sum())


POLICIES: dict[str, Callable[[Track, int, int], float]] = {
    "prominent": prominent,
    "area_x_duration": area_x_duration,
    "central": central,
}
"""Value of detect.actor -> function (track, width, height) -> value; the highest is chosen."""


@dataclass(frozen=True)
class ActorRules:
    """How the actor is chosen; `config.people.Detect` describes each setting."""

    policy: str
    width: int
    height: int
    fps: float
    min_track_seconds: float
    actor_score: float
    max_gap_seconds: float
    join: JoinRules | None = None
    """When another track continues the actor; None: by the defaults."""


def actor_rules(clip: IndexedClip, settings: Detect) -> ActorRules:
    """How the actor of a clip is chosen with these settings."""
    return ActorRules(
        policy=settings.actor,
        width=clip.width,
        height=clip.height,
        fps=clip.fps,
        min_track_seconds=settings.min_track_seconds,
        actor_score=0.0 if settings.backend == "file" else settings.actor_score,
        max_gap_seconds=settings.max_gap_seconds,
        join=join_rules(clip, settings),
    )


def choose_actor(
    shots: Shots,
    shot_frames: Sequence[int],
    rules: ActorRules,
    named: Mapping[int, int] | None = None,
) -> list[list[Track]]:
    """The actor's tracks in every shot, short gaps filled; none where no track qualifies.

    An actor may have several tracks, one after another, but one box per frame. `shot_frames`: the
    number of frames of each shot; `named`: frame -> track number, for the policy file.
    """
    if rules.policy == "file":
        return [_named(tracks, named or {}, rules) for tracks in shots]
    fit = [_fit(tracks, frames, rules) for tracks, frames in zip(shots, shot_frames, strict=True)]
    chosen = (
        _groups(fit, _free_number(shots), rules) if rules.policy == "all" else _best(fit, rules)
    )
    return [_one_per_frame([fill_gaps(track, rules) for track in tracks]) for tracks in chosen]


def qualifies(track: Track, frames: int, rules: ActorRules) -> bool:
    """Whether a track of a shot of `frames` frames is long and certain enough for an actor."""
    least = min(rules.min_track_seconds * rules.fps, frames / 2)
    return len(track.frames) >= least and bool(track.scores.max() >= rules.actor_score)


def _fit(tracks: Sequence[Track], frames: int, rules: ActorRules) -> list[Track]:
    """The tracks of one shot of `frames` frames that qualify."""
    return [track for track in tracks if qualifies(track, frames, rules)]


def _best(fit: Shots, rules: ActorRules) -> list[list[Track]]:
    """The best track of every shot, and the tracks that continue it."""
    chosen: list[list[Track]] = []
    previous: int | None = None
    for tracks in fit:
        value = {t.number: max(_value(part, rules) for part in t.parts or (t,)) for t in tracks}
        # Of equal tracks the first wins: tracks are in the order of their first frames.
        order = sorted(tracks, key=lambda t: (t.number != previous, -value[t.number]))
        per_frame = {t.number: _value(t, rules) / len(t.frames) for t in tracks}
        chosen.append(_successive(order, per_frame, rules.join or JoinRules(rules.fps)))
        previous = order[0].number if order else previous
    return chosen


def _value(track: Track, rules: ActorRules) -> float:
    return POLICIES[rules.policy](track, rules.width, rules.height)


def _successive(order: list[Track], value: Mapping[int, float], rules: JoinRules) -> list[Track]:
    """The first track, the same person before and after it, and then those who come without it.

    `order`: the tracks that qualify, the best first; value: track number -> value per frame.
    """
    chosen = {track.number: track for track in order[:1]}
    while more := [t for t in order if t.number not in chosen and _same(t, chosen.values(), rules)]:
        chosen[more[0].number] = more[0]
    for track in order:
        good = value[track.number] >= AS_GOOD * value[order[0].number]
        if good and all(_shared_time(track, other) <= SAME_TIME for other in chosen.values()):
            chosen[track.number] = track
    return list(chosen.values())


def _same(track: Track, chosen: Collection[Track], rules: JoinRules) -> bool:
    """Whether a track goes on after or before one of the chosen ones, beside none of the others."""
    same = [goes_on(t, track, rules) or goes_on(track, t, rules) for t in chosen]
    shared = [_shared_time(track, t) <= SAME_TIME for t in chosen]
    return any(same) and all(map(or_, same, shared))


def _shared_time(one: Track, other: Track) -> float:
    """Overlap in time, as a share of the boxes of the shorter track."""
    first, last = max(one.frames[0], other.frames[0]), min(one.frames[-1], other.frames[-1])
    return float(max(0, last - first + 1) / min(len(one.frames), len(other.frames)))


def _one_per_frame(tracks: list[Track]) -> list[Track]:
    """The tracks with one box per frame: the first track's where several have one."""
    seen: set[int] = set()
    parts = []
    for track in tracks:
        parts.append(_part(track, np.array([f not in seen for f in track.frames.tolist()], bool)))
        seen.update(track.frames.tolist())
    return [part for part in parts if len(part.frames)]


def _part(track: Track, keep: np.ndarray) -> Track:
    return Track(track.number, track.frames[keep], track.boxes[keep], track.scores[keep])


def _groups(fit: Shots, number: int, rules: ActorRules) -> list[list[Track]]:
    """The tracks of each shot as one group, numbered from `number`; a single track is kept."""
    groups: list[list[Track]] = []
    for tracks in fit:
        if len(tracks) > 1:
            groups.append([_group([fill_gaps(track, rules) for track in tracks], number)])
            number += 1
        else:
            groups.append(list(tracks))
    return groups


def _group(members: list[Track], number: int) -> Track:
    """One track whose box in each frame is the smallest around the members' boxes."""
    frames, at = np.unique(np.concatenate([t.frames for t in members]), return_inverse=True)
    boxes = np.concatenate([t.boxes for t in members])
    low, high = np.full((len(frames), 2), np.inf), np.full((len(frames), 2), -np.inf)
    np.minimum.at(low, at, boxes[:, :2])
    np.maximum.at(high, at, boxes[:, 2:])
    scores = np.full(len(frames), np.nan, np.float32)
    # The highest score; NaN where all boxes are filled.
    np.fmax.at(scores, at, np.concatenate([t.scores for t in members]))
    return Track(number, frames, np.hstack([low, high]).astype(np.float32), scores)


def _free_number(shots: Shots) -> int:
    return 1 + max((track.number for tracks in shots for track in tracks), default=-1)


def _named(tracks: Sequence[Track], named: Mapping[int, int], rules: ActorRules) -> list[Track]:
    """The part of each track that the file marks as the actor's, with its short gaps filled."""
    parts = []
    for track in tracks:
        acting = np.array([named.get(frame) == track.number for frame in track.frames.tolist()])
        if acting.any():
            parts.append(_only_free(fill_gaps(_part(track, acting), rules), track, named))
    return _one_per_frame(parts)


def _only_free(part: Track, whole: Track, named: Mapping[int, int]) -> Track:
    """Without filled boxes in frames that mark another actor, or in which the track has a box."""
    seen = set(whole.frames.tolist()) | set(named)
    keep = ~np.isnan(part.scores) | np.array([f not in seen for f in part.frames.tolist()])
    return _part(part, keep)


def fill_gaps(track: Track, rules: ActorRules) -> Track:
    """The track with its short gaps filled by linear interpolation; filled boxes score NaN."""
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
    """Frames int64 (M,) and boxes float32 (M, 4), pixels, that fill a track's short gaps."""
    frames, filled = [np.zeros(0, np.int64)], [geometry.empty()]
    for k in np.flatnonzero(np.diff(track.frames) > 1):
        first, last = int(track.frames[k]), int(track.frames[k + 1])
        missing = last - first - 1
        if missing / rules.fps <= rules.max_gap_seconds:
            frames.append(np.arange(first + 1, last))
            filled.append(geometry.interpolated(track.boxes[k], track.boxes[k + 1], missing))
    return np.concatenate(frames), np.concatenate(filled)
