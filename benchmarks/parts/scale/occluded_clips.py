"""Ground truth and actor masks of clips in which a drawn person walks behind an occluder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from occludenet_build.core import tables
from occludenet_build.media.imaging import masks
from occludenet_build.occlusion.ground_truth import TRUTH
from occludenet_build.people.actor_masks import DETAIL as MASKS

WIDTH, HEIGHT, FPS = 340, 256, 25
SCALES = (0.25, 0.5, 0.75)
_BOX = 80, 180
"""Width and height of the person, pixels."""


@dataclass(frozen=True)
class OccludedClip:
    """The detail rows of one clip, with an empty id."""

    truth: pa.Table
    """Columns of TRUTH."""
    masks: pa.Table
    """Columns of actor_masks.DETAIL."""
    occluded_frames: int
    actor_frames: int


def draw_clip(number: int, frames: int) -> OccludedClip:
    """A clip whose person moves and changes shape in every frame; another one per `number`."""
    random = np.random.default_rng(number)
    left = np.cumsum(random.normal(0, 1.5, frames)) + WIDTH / 2 - _BOX[0] / 2
    lefts = np.clip(left, 2, WIDTH - _BOX[0] - 2).astype(int)
    cutout = _outline(random, 40)
    people = [_person(random, left) for left in lefts.tolist()]
    rows = [
        _hidden(frame, scale, cutout, people[frame], left)
        for scale in SCALES
        for frame, left in enumerate(lefts.tolist())
    ]
    masked = [
        {"clip": "", "frame": at, "area": int(mask.sum()), "rle": masks.encode(mask)}
        for at, mask in enumerate(people)
    ]
    return OccludedClip(
        tables.from_rows(rows, TRUTH), tables.from_rows(masked, MASKS), frames, frames
    )


def _outline(random: np.random.Generator, corners: int) -> np.ndarray:
    """A ragged outline about (0, 0), float (corners, 2), at most 0.5 from it."""
    angles = np.sort(random.uniform(0, 2 * np.pi, corners))
    radii = random.uniform(0.35, 0.5, corners)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def _person(random: np.random.Generator, left: int) -> np.ndarray:
    """The mask of a person in the box at `left`, bool (HEIGHT, WIDTH): head, trunk and limbs."""
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    top, middle = (HEIGHT - _BOX[1]) // 2, left + _BOX[0] // 2
    cv2.circle(picture, (middle, top + 18), 16, 1, -1)
    for part, (x, y) in ((_outline(random, 60) * (44, 90), (0, 75)),):
        cv2.fillPoly(picture, [np.round(part + (middle + x, top + y)).astype(np.int32)], 1)
    for side in (-1, 1):
        for y, reach in ((45, 34), (110, 22)):
            end = middle + side * reach + int(random.integers(-6, 7)), top + y + 62
            cv2.line(picture, (middle + side * 12, top + y), end, 1, 13)
    return picture.astype(bool)


def _hidden(
    frame: int, scale: float, cutout: np.ndarray, person: np.ndarray, left: int
) -> dict[str, Any]:
    """The row of one frame and scale."""
    w, h = (round(scale * side) for side in _BOX)
    x, y = left + (_BOX[0] - w) // 2, (HEIGHT - h) // 2
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    points = cutout * (w, h) + (x + w / 2, y + h / 2)
    cv2.fillPoly(picture, [np.round(points).astype(np.int32)], 1)
    row = {"clip": "", "scale": scale, "frame": frame, "pts": 512 * frame}
    row |= {"seconds": frame / FPS, "x": x, "y": y, "w": w, "h": h, "degree": scale}
    row |= {"occluded": True, "filled": False, "box_hidden": 0.6 * scale**2}
    return row | {"occluder_rle": masks.encode(picture.astype(bool))}


def drawn_clips(count: int, frames: int) -> Iterator[OccludedClip]:
    """`count` different clips."""
    return (draw_clip(number, frames) for number in range(count))
