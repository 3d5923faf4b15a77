"""Tubes and masks of a build's clips, for the export to MOC and for action_detection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from occludenet_build.core.build import ClipBoxes
from occludenet_build.dataset.clips import ExportClip, FrameFacts
from occludenet_build.media.imaging import masks
from occludenet_build.media.tubes import tubes_of


def actor_tubes(frames: Sequence[FrameFacts]) -> list[np.ndarray]:
    """Tubes of the actor, float32 (N, 5), as media.tubes.tubes_of returns them."""
    return tubes_of({frame.frame: frame.box for frame in frames if frame.box is not None})


def people_tubes(boxes: ClipBoxes) -> tuple[list[np.ndarray], int]:
    """Tubes, float32 (N, 5), of everybody with a track; how many, the first ones, are of the actor.

    Boxes filled in the gaps of a track count. The actor may have several tracks, one after the
    other; they are one person.
    """
    actor = tubes_of(boxes.actor.one_by_frame())
    others = boxes.others
    tracks = [others.where(others.tracks == track) for track in np.unique(others.tracks)]
    return actor + [tube for one in tracks for tube in tubes_of(one.one_by_frame())], len(actor)


def visible_by_frame(frames: Sequence[FrameFacts]) -> dict[int, str]:
    """Frame from 1 -> what is seen of the actor, COCO RLE counts as text: TubeTruth.gt_visible."""
    return {f.frame + 1: f.visible_rle.decode("ascii") for f in frames if f.visible_rle}


def occluded_box(clip: ExportClip, frames: Sequence[FrameFacts]) -> np.ndarray:
    """STADO's mask, uint8 (H, W): 255 in the largest box of the actor, 0 where it is covered."""
    largest = max(frames, key=lambda frame: _area(frame.box))
    picture = np.zeros((clip.height, clip.width), np.uint8)
    if largest.box is not None:
        x1, y1, x2, y2 = np.rint(largest.box).astype(int).clip(0).tolist()
        picture[y1:y2, x1:x2] = 255
    if largest.occluder_rle is not None:
        picture[masks.decode(largest.occluder_rle, clip.height, clip.width)] = 0
    return picture


def _area(box: np.ndarray | None) -> float:
    return 0.0 if box is None else float((box[2] - box[0]) * (box[3] - box[1]))
