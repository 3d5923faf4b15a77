"""Segments of a clip: stretches that several outputs have in common are encoded once.

In the release 30 % of a clip's frames carry no occluder; there, every scale and the clean twin
show the same pictures. Each segment is encoded apart and begins with a key frame, so short ones
are not worth it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import NamedTuple


class Segment(NamedTuple):
    """Frames from `start` up to `stop`; whether something is pasted or erased in any of them."""

    start: int
    stop: int
    pasted: bool
    erased: bool


def segments_of(
    pasted: Sequence[bool], erased: Sequence[bool], least: int, group: int
) -> list[Segment]:
    """Cut a clip into segments with and without an occluder, in turn.

    `pasted`, `erased`: per frame. `least`: the shortest stretch without an occluder that is a
    segment of its own, frames; 0 gives one segment. `group`: frames between key frames: no segment
    may end in one, as two key frames in a row from two encoders might bear the same number, which
    H.264 forbids.

    What is erased cuts no segment: the occluded clips are the same bytes whatever the masks are,
    and whether or not counterfactuals are made with them.
    """
    frames = len(pasted)
    if least == 0 or group < 3:
        return [_segment(0, frames, pasted, erased)]
    borders = _borders(pasted, max(least, 4))
    for at in range(1, len(borders) - 1):
        if _ends_in_key_frame(borders[at] - borders[at - 1], group):
            # the stretch without an occluder gives the frame, or the other one takes it
            borders[at] += 1 if pasted[borders[at] - 1] else -1
    return [_segment(a, b, pasted, erased) for a, b in pairwise(borders)]


def _ends_in_key_frame(length: int, group: int) -> bool:
    return length % group == 1


def _borders(pasted: Sequence[bool], least: int) -> list[int]:
    """Where segments begin, and the end of the clip."""
    borders, at = [0], 0
    for is_pasted, members in groupby(pasted):
        length = sum(1 for _ in members)
        if not is_pasted and length >= least:
            borders += [at, at + length]
        at += length
    return sorted({*borders, at})


def _segment(start: int, stop: int, pasted: Sequence[bool], erased: Sequence[bool]) -> Segment:
    return Segment(start, stop, any(pasted[start:stop]), any(erased[start:stop]))


Content = tuple[float | None, bool]
"""What a picture shows: the scale of its occluder (None: none is there), and whether the actor is
erased."""


def contents(segment: Segment, outputs: Sequence[Content]) -> dict[Content, list[int]]:
    """What is to be encoded in a segment, and the outputs that each encoding is for."""
    found: dict[Content, list[int]] = {}
    for number, (scale, erased) in enumerate(outputs):
        shown = (scale if segment.pasted else None, erased and segment.erased)
        found.setdefault(shown, []).append(number)
    return found
