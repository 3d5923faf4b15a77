"""The actor as a group (detect.actor: all): each member is masked by his own box, then all are one.

detect gives a group one row per frame, whose box is the smallest that holds its members', and
leaves the members' own rows as they are. A model that is prompted with the group's box would find
one of them, or what stands between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from occludenet_build.actor_masks.backend import Clip, MaskedFrame, Masker, Who
from occludenet_build.core import masks

Boxes = dict[int, np.ndarray]
"""Frame -> box, float32 (4,)."""


def members(
    group: Mapping[int, np.ndarray], others: Iterable[Mapping[str, Any]]
) -> dict[Who, Boxes]:
    """(shot, track) -> boxes, of the people whose boxes make up the actor's; none for a single one.

    others: detect's rows that are not the actor's. That somebody stands in front of a single actor
    makes no group: a group's box touches its members' on every side, to the last digit.
    """
    inside: dict[int, list[tuple[Who, np.ndarray]]] = {}
    for row in others:
        box = np.array([row[side] for side in ("x1", "y1", "x2", "y2")], np.float32)
        whole = group.get(row["frame"])
        if whole is not None and _holds(whole, box):
            inside.setdefault(row["frame"], []).append(((row["shot"], row["track"]), box))
    exact = sum(_hull([box for _, box in some]) == group[n].tolist() for n, some in inside.items())
    several = any(len(some) > 1 for some in inside.values())
    if not several or 2 * exact <= len(inside):
        return {}
    found: dict[Who, Boxes] = {}
    for number, some in inside.items():
        for who, box in some:
            found.setdefault(who, {})[number] = box
    return found


def _holds(whole: np.ndarray, box: np.ndarray) -> bool:
    return bool((whole[:2] <= box[:2]).all() and (box[2:] <= whole[2:]).all())


def _hull(some: list[np.ndarray]) -> list[float]:
    stacked = np.stack(some)
    return [*stacked[:, :2].min(axis=0).tolist(), *stacked[:, 2:].max(axis=0).tolist()]


def found(masker: Masker, clip: Clip, group: Mapping[Who, Boxes]) -> Iterator[MaskedFrame]:
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
