"""Boxes of every frame from those of every k-th: tracks as of a slower video, then straight lines.

    frame       0  1  2  3 | 4  5  6  7  8  9        k = 4, a cut before frame 4
    seen        x            x           x
    box         x  h  h  h | x  /  /  /  x  h        h: held, at the edge of the shot only

A line goes from one seen frame to the next. Where the track was missed in a seen frame, the frames
around it stay empty, as they do without a stride; `actor` fills them if the gap is short.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from occludenet_build.config import Detect
from occludenet_build.detect import tracks
from occludenet_build.detect.backend import Found
from occludenet_build.detect.backends import runs_network
from occludenet_build.detect.tracks import Rules, Track


def of(settings: Detect) -> int:
    """Every so-many-th frame is seen: all of them by what is no model."""
    return settings.stride if runs_network(settings) else 1


def in_shots(
    found: list[Found], cuts: list[int], rules: Rules, stride: int, frames: int
) -> list[list[Track]]:
    """See tracks.in_shots; `found` has the frames 0, k, 2k, ... of so many `frames`."""
    if stride == 1:
        return tracks.in_shots(found, cuts, rules)
    seen = [replace(here, frame=here.frame // stride) for here in found]
    first_seen = [-(-cut // stride) for cut in cuts]
    shots = tracks.in_shots(seen, first_seen, replace(rules, fps=rules.fps / stride))
    bounds = pairwise([0, *cuts, frames])
    return [
        [_every_frame(track, stride, start, end) for track in shot]
        for shot, (start, end) in zip(shots, bounds, strict=True)
    ]


def _every_frame(track: Track, stride: int, start: int, end: int) -> Track:
    """`start` and `end` are those of the shot. Scores in between are lines as well: `filled` says
    which boxes nobody has seen."""
    seen = track.frames * stride
    first = start if seen[0] - start < stride else seen[0]
    last = end - 1 if end - seen[-1] <= stride else seen[-1]
    frames = np.arange(first, last + 1)
    before = np.searchsorted(seen, frames, "right").clip(1, max(1, len(seen) - 1)) - 1
    gap = np.diff(seen, append=seen[-1] + stride)[before]
    outside = (frames < seen[0]) | (frames > seen[-1])
    kept = frames[outside | np.isin(frames, seen) | (gap == stride)]
    columns = [np.interp(kept, seen, values) for values in (*track.boxes.T, track.scores)]
    lines = np.array(columns, np.float32)
    return Track(track.number, kept, np.ascontiguousarray(lines[:4].T), lines[4])


def filled(frames: np.ndarray, stride: int) -> np.ndarray:
    """Which frames (N,) the model has not seen."""
    return frames % stride != 0
