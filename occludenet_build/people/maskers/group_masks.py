"""Masks of an actor that is a group (detect.actor: all): each member is masked by their own box.

detect writes one row per frame for a group, with the smallest box around its members' boxes, beside
the members' own rows. A model prompted with the group's box would mask one of the people, or
something between them. So each member is masked separately, and the group's mask is the union.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from occludenet_build.core.build import ClipBoxes
from occludenet_build.media.imaging import masks
from occludenet_build.people.maskers.interface import BoxedClip, MaskedFrame, Masker, TrackKey

BoxByFrame = dict[int, np.ndarray]
"""Frame -> box float32 (4,), x1 y1 x2 y2, pixels."""


def group_members(group: Mapping[int, np.ndarray], others: ClipBoxes) -> dict[TrackKey, BoxByFrame]:
    """The members of a group: (shot, track) -> frame -> box float32 (4,); empty for a single actor.

    group: frame -> the actor's box float32 (4,), x1 y1 x2 y2 in pixels; others: the boxes that are
    not the actor's. A bystander inside a single actor's box makes no group: a group's box equals
    the smallest box around its members' exactly.
    """
    inside = _boxes_inside(group, others)
    exact = sum(_hull([box for _, box in some]) == group[n].tolist() for n, some in inside.items())
    several = any(len(some) > 1 for some in inside.values())
    if not several or 2 * exact <= len(inside):
        return {}
    members: dict[TrackKey, BoxByFrame] = {}
    for number, some in inside.items():
        for key, box in some:
            members.setdefault(key, {})[number] = box
    return members


def _boxes_inside(
    group: Mapping[int, np.ndarray], others: ClipBoxes
) -> dict[int, list[tuple[TrackKey, np.ndarray]]]:
    """Frame -> the others' boxes that lie inside the group's box, with their shot and track."""
    inside: dict[int, list[tuple[TrackKey, np.ndarray]]] = {}
    near = others.where(np.isin(others.frames, list(group)))
    whole = np.array([group[frame] for frame in near.frames.tolist()]).reshape(-1, 4)
    edges = np.hstack([whole[:, :2] <= near.xyxy[:, :2], near.xyxy[:, 2:] <= whole[:, 2:]])
    near = near.where(np.all(edges, axis=1))
    for frame, key, box in zip(near.frames.tolist(), near.keys, near.xyxy, strict=True):
        inside.setdefault(frame, []).append((key, box))
    return inside


def _hull(some: list[np.ndarray]) -> list[float]:
    """x1 y1 x2 y2 of the smallest box around boxes (4,)."""
    stacked = np.stack(some)
    return [*stacked[:, :2].min(axis=0).tolist(), *stacked[:, 2:].max(axis=0).tolist()]


def masks_of_actor(
    masker: Masker, clip: BoxedClip, group: Mapping[TrackKey, BoxByFrame]
) -> Iterator[MaskedFrame]:
    """Yields the actor's masks, (frame number, bool (H, W)), in the order of the frames.

    group: the result of `group_members`. A group's mask is the union of its members'. The clip is
    decoded once per member; masks are kept encoded, a few hundred bytes per frame.
    """
    if not group:
        yield from masker.masks(clip)
        return
    encoded: dict[int, bytes] = {}
    shape = (0, 0)
    for key, boxes in group.items():
        member = BoxedClip(clip.path, boxes, clip.frame_count, dict.fromkeys(boxes, key))
        for number, mask in masker.masks(member):
            shape = mask.shape
            union = encoded.get(number)
            encoded[number] = masks.encode(
                mask if union is None else mask | masks.decode(union, *shape)
            )
    for number in sorted(encoded):
        yield number, masks.decode(encoded[number], *shape)
