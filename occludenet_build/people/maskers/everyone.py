"""The masks of all people of a clip, not only of the actor, and of the objects a masker knows.

A masker that sees a whole picture at once (`SceneMasker`) is asked once per picture, and each of
its people belongs to one box. Any other masker is asked for one person after the other, prompted
with the boxes of their track; its masks of people who overlap may share pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.media.imaging import masks
from occludenet_build.people.maskers.interface import BoxedClip, Masker, TrackKey

BoxByFrame = Mapping[int, np.ndarray]
"""Frame -> box float32 (4,), x1 y1 x2 y2, pixels."""


class SceneFrame(NamedTuple):
    """What a masker sees in one picture."""

    people: dict[TrackKey, np.ndarray]
    """Person -> mask bool (H, W)."""
    objects: list[tuple[str, np.ndarray]]
    """(name of the class, mask bool (H, W)) of everything else."""


@dataclass
class SceneMasks:
    """The masks of a clip, COCO RLE counts of the displayed picture."""

    people: dict[TrackKey, dict[int, bytes]] = field(default_factory=dict)
    """Person -> frame -> mask."""
    objects: dict[int, list[tuple[str, bytes]]] = field(default_factory=dict)
    """Frame -> (name of the class, mask) of everything that is no person."""


@runtime_checkable
class SceneMasker(Protocol):
    """A masker that finds everybody in a picture at once."""

    def scene(
        self, clip: BoxedClip, people: Mapping[TrackKey, BoxByFrame], object_score: float | None
    ) -> Iterator[tuple[int, SceneFrame]]:
        """Yields (frame, what is seen in it), in the order of the frames of `clip`.

        people: person -> frame -> box float32 (4,), x1 y1 x2 y2 in pixels; object_score: least
        score of an object, None: people only. Masks are bool (H, W).
        """
        ...


def masks_of_everyone(
    masker: Masker,
    path: Path,
    frame_count: int,
    people: Mapping[TrackKey, BoxByFrame],
    object_score: float | None = None,
) -> SceneMasks:
    """The masks of all `people` (person -> frame -> box float32 (4,)) in the frames with their box.

    object_score: least score of an object; None: people only. A masker that is no `SceneMasker`
    gives no objects, and decodes the clip once per person.
    """
    found = SceneMasks({key: {} for key in people})
    if isinstance(masker, SceneMasker):
        every = {frame: box for boxes in people.values() for frame, box in boxes.items()}
        for number, seen in masker.scene(BoxedClip(path, every, frame_count), people, object_score):
            for key, mask in seen.people.items():
                found.people[key][number] = masks.encode(mask)
            found.objects[number] = [(name, masks.encode(mask)) for name, mask in seen.objects]
        return found
    for key, boxes in people.items():
        clip = BoxedClip(path, boxes, frame_count, dict.fromkeys(boxes, key))
        for number, mask in masker.masks(clip):
            found.people[key][number] = masks.encode(mask)
    return found


def pairs_by_overlap(first: np.ndarray, second: np.ndarray, least: float) -> dict[int, int]:
    """Row of `first` -> row of `second`, each once, by descending IoU of at least `least`.

    first, second: boxes float32 (N, 4) and (M, 4), x1 y1 x2 y2, pixels.

    >>> pairs_by_overlap(np.float32([[0, 0, 4, 4], [1, 0, 5, 4]]), np.float32([[0, 0, 4, 4]]), 0.3)
    {0: 0}
    """
    overlap = geometry.iou(first, second)
    order = np.argsort(-overlap, axis=None, kind="stable")
    found: dict[int, int] = {}
    for one, other in zip(*np.unravel_index(order, overlap.shape), strict=True):
        if overlap[one, other] < least:
            break
        if int(one) not in found and int(other) not in found.values():
            found[int(one)] = int(other)
    return found
