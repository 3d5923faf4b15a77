"""The actor as a group (detect.actor: all): each member is masked by
their own box, and the masks become one.

detect gives a group one row per frame, whose box is the smallest that holds its members', and
leaves the members' own rows as they are. A model that is prompted with the group's box would find
one of them, or what stands between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from occludenet_build.core.build import Boxes as People
from occludenet_build.media.imaging import masks
from occludenet_build.people.maskers.interface import Clip, MaskedFrame, Masker, TrackKey

Boxes = dict[int, np.ndarray]
"""Frame -> box, float32 (4,)."""


def group_members(group: Mapping[int, np.ndarray], others: People) -> dict[TrackKey, Boxes]:
    """(shot, track) -> boxes, of the people whose boxes make up the actor's; none for a single one.

    group: frame -> the actor's box, float32 (4,), x1 y1 x2 y2 in pixels; others: the boxes that are
    not the actor's. That somebody stands in front of a single actor makes no group: a group's box
    touches its members' on every side, to the last digit.
    """
    inside: dict[int, list[tuple[TrackKey, np.ndarray]]] = {}
    near = others.where(np.isin(others.frames, list(group)))
    whole = np.array([group[frame] for frame in near.frames.tolist()]).reshape(-1, 4)
    edges = np.hstack([whole[:, :2] <= near.xyxy[:, :2], near.xyxy[:, 2:] <= whole[:, 2:]])
    near = near.where(np.all(edges, axis=1))
    numbers = (near.frames.tolist(), near.shots.tolist(), near.tracks.tolist())
    for frame, shot, track, box in zip(*numbers, near.xyxy, strict=True):
        inside.setdefault(frame, []).append(((shot, track), box))
    exact = sum(_hull([box for _, box in some]) == group[n].tolist() for n, some in inside.items())
    several = any(len(some) > 1 for some in inside.values())
    if not several or 2 * exact <= len(inside):
        return {}
    found: dict[TrackKey, Boxes] = {}
    for number, some in inside.items():
        for who, box in some:
            found.setdefault(who, {})[number] = box
    return found


def _hull(some: list[np.ndarray]) -> list[float]:
    stacked = np.stack(some)
    return [*stacked[:, :2].min(axis=0).tolist(), *stacked[:, 2:].max(axis=0).tolist()]


def masks_of_actor(
    masker: Masker, clip: Clip, group: Mapping[TrackKey, Boxes]
) -> Iterator[MaskedFrame]:
    """Masks of the actor in the order of the frames; of a group one for all.

    The clip is gone through once for each member; what waits is coded, a few hundred bytes a frame.
    """
    if not group:
        yield from masker.masks(clip)
        return
    coded: dict[int, bytes] = {}
    shape = (0, 0)
    for who, boxes in group.items():
        one = Clip(clip.path, boxes, clip.frame_count, dict.fromkeys(boxes, who))
        for number, mask in masker.masks(one):
            shape = mask.shape
            before = coded.get(number)
            coded[number] = masks.encode(
                mask if before is None else mask | masks.decode(before, *shape)
            )
    for number in sorted(coded):
        yield number, masks.decode(coded[number], *shape)
