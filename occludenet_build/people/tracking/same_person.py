"""Whether two tracks of a shot are one person, and the tracks of one person as one track.

A tracker may lose a person who is there all the time: they bend down, turn, or are detected as two
boxes for a while, of which the new one gets a new track. Two tracks are one person if the later one
goes on where the earlier one ends, at

  the same place   of the last box and the next one, the smaller lies in the larger by at least
                   `join_overlap` of its area
  the same size    of the areas before and after, the smaller is at least `join_size` of the
                   larger; by medians over half a second, or over all frames that have only one of
                   the two: who bends down is small for a moment, who runs away for good
  the same time    at most `join_seconds` pass between the two boxes

and if, where both have boxes in the same frames, they show one person: by the median over these
frames their boxes lie in one another by `join_overlap` too, and such frames are a minority (less
than LONG_TOGETHER of the shorter track's). So these stay two people:

  people who cross or hug        apart in most of the frames that show both
  one leaves, another comes in   not at the same place
  a child before an adult        not of the same size
  people behind one another      together for long

Appearance is not used: of two people of one size who change places while neither is detected, one
track is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from occludenet_build.config.people import Detect
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.people.detectors.interface import IndexedClip
from occludenet_build.people.tracking.tracks import Track

LONG_TOGETHER = 0.5
"""Two tracks with boxes in at least this share of the shorter one's frames are two people."""
SIZE_SECONDS = 0.5
"""Time before and after the border of two tracks over which their sizes are compared."""


@dataclass(frozen=True)
class JoinRules:
    """When two tracks are one person; `config.people.Detect` describes the settings."""

    fps: float
    seconds: float = Detect.join_seconds
    overlap: float = Detect.join_overlap
    size: float = Detect.join_size
    keep_all: bool = False
    """Whether every box is kept: tracks with boxes in the same frame are not joined then."""


def join_rules(clip: IndexedClip, settings: Detect) -> JoinRules:
    """When two tracks of a clip are one person with these settings."""
    return JoinRules(
        fps=clip.fps,
        seconds=settings.join_seconds,
        overlap=settings.join_overlap,
        size=settings.join_size,
        keep_all=settings.backend == "file",
    )


def join_tracks(tracks: Sequence[Track], rules: JoinRules) -> list[Track]:
    """The tracks of one shot, those of one person joined, in the order of their first frames.

    A joined track has the earlier one's number, a box in every frame in which one of the two has,
    and in frames in which both have one the boxes of the track with the higher mean score there.
    """
    joined: list[Track] = []
    ends = np.zeros(len(tracks), np.int64)
    for track in sorted(tracks, key=lambda t: (t.frames[0], t.number)):
        latest = track.frames[0] - 1 - rules.seconds * rules.fps
        recent = np.flatnonzero(ends[: len(joined)] >= latest).tolist()
        at = _continued({k: joined[k] for k in recent}, track, rules)
        if at is None:
            at = len(joined)
            joined.append(track)
        else:
            joined[at] = _one_track(joined[at], track)
        ends[at] = joined[at].frames[-1]
    return joined


def _continued(earlier: Mapping[int, Track], track: Track, rules: JoinRules) -> int | None:
    """Key of the track that `track` goes on with; of several the one with the shortest gap."""
    fit = [
        (_gap(one, track), at)
        for at, one in earlier.items()
        if goes_on(one, track, rules) and not (rules.keep_all and len(_common(one, track)[0]))
    ]
    return min(fit)[1] if fit else None


def goes_on(earlier: Track, later: Track, rules: JoinRules) -> bool:
    """Whether `later` is the same person, who goes on at the same place."""
    return (
        _in_time(earlier, later, rules)
        and one_person(earlier, later, rules)
        and bool(geometry.contained(*_border(earlier, later))[0] >= rules.overlap)
        and _of_one_size(earlier, later, rules)
    )


def one_person(one: Track, other: Track, rules: JoinRules) -> bool:
    """Whether the frames in which both have boxes, if there are any, show one person."""
    _, first, second = _common(one, other)
    if not len(first):
        return True
    if len(first) >= LONG_TOGETHER * min(len(one.frames), len(other.frames)):
        return False
    inside = geometry.contained(one.boxes[first], other.boxes[second])
    return bool(np.median(inside) >= rules.overlap)


def _in_time(earlier: Track, later: Track, rules: JoinRules) -> bool:
    """Whether `later` begins and ends after `earlier`, within the longest gap."""
    first, last = earlier.frames[[0, -1]]
    is_later = first < later.frames[0] and last < later.frames[-1]
    return bool(is_later and _gap(earlier, later) / rules.fps <= rules.seconds)


def _gap(earlier: Track, later: Track) -> int:
    """Frames without a box between the end of `earlier` and the next box of `later`."""
    last = earlier.frames[-1]
    return int(later.frames[np.searchsorted(later.frames, last, "right")] - last - 1)


def _border(earlier: Track, later: Track) -> tuple[np.ndarray, np.ndarray]:
    """The last box of `earlier` and the next of `later`, float32 (1, 4) each."""
    at = int(np.searchsorted(later.frames, earlier.frames[-1], "right"))
    return earlier.boxes[-1:], later.boxes[at : at + 1]


def _common(one: Track, other: Track) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames in which both have boxes, and their rows in each track, int64 (K,)."""
    return np.intersect1d(one.frames, other.frames, assume_unique=True, return_indices=True)


def _of_one_size(earlier: Track, later: Track, rules: JoinRules) -> bool:
    """Whether the areas before and after the border are alike, near the border or altogether."""
    count = max(1, round(SIZE_SECONDS * rules.fps))
    _, first, second = _common(earlier, later)
    at = int(np.searchsorted(later.frames, earlier.frames[-1], "right"))
    near = earlier.boxes[-count:], later.boxes[at : at + count]
    alone = np.delete(earlier.boxes, first, axis=0), np.delete(later.boxes, second, axis=0)
    return any(_ratio(*boxes) >= rules.size for boxes in (near, alone))


def _ratio(before: np.ndarray, after: np.ndarray) -> float:
    """Ratio of the median areas of two sets of boxes, float32 (K, 4), the smaller / the larger."""
    areas = [
        float(np.median(geometry.area(boxes))) if len(boxes) else 0.0 for boxes in (before, after)
    ]
    return min(areas) / max(*areas, 1e-6)


def _one_track(earlier: Track, later: Track) -> Track:
    """One track of both, with the earlier one's number."""
    frames, first, second = _common(earlier, later)
    better = earlier.scores[first].mean() >= later.scores[second].mean() if len(first) else True
    whole, rest = (earlier, later) if better else (later, earlier)
    new = ~np.isin(rest.frames, frames)
    order = np.argsort(np.concatenate([whole.frames, rest.frames[new]]), kind="stable")

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(whole, name), getattr(rest, name)[new]])[order]

    parts = (*(earlier.parts or (earlier,)), *(later.parts or (later,)))
    return Track(earlier.number, column("frames"), column("boxes"), column("scores"), parts)
