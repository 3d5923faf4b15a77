"""Pictures of a scene, and for each person and picture the boxes and the share that is hidden."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from parts.proposals.camera import SIZE
from parts.proposals.scenes import SECONDS, Scene

from occludenet_build.media.video.synth import write_video

FPS = 6
_LEAST = 0.15
"""Share of a person that must be visible if a detector is to see them."""


@dataclass(frozen=True)
class Seen:
    """One person in one picture."""

    person: int
    frame: int
    whole: tuple[float, float, float, float]
    """x1 y1 x2 y2 of the whole person within the picture, pixels."""
    visible: tuple[float, float, float, float] | None
    """The same of the visible part; None if too little is visible."""
    hidden: float
    """Share that static things hide: of the pixels, or of the box, whichever is more."""


def write_scene(scene: Scene, path: Path) -> list[Seen]:
    """Write the video of a scene, and return everybody in it."""
    seen: list[Seen] = []
    pictures = _pictures(scene, seen)
    write_video(path, pictures, Fraction(FPS), options={"preset": "ultrafast", "crf": "20"})
    return seen


def _pictures(scene: Scene, seen: list[Seen]) -> Iterator[np.ndarray]:
    noise = np.random.default_rng(len(scene.people))
    grain = noise.normal(0, 2.0, (8, SIZE[1], SIZE[0], 1)).astype(np.float32)
    for frame in range(SECONDS * FPS):
        picture = scene.empty.copy()
        layers = _layers(scene, frame / FPS)
        for _, number, mask, colour, alpha in layers:
            if number is None:
                picture[mask] = colour[mask]
            else:
                kept = picture * (1 - alpha[..., None])
                picture = (kept + colour).astype(np.uint8)
        seen += _truth(layers, frame)
        noisy = picture + grain[frame % 8]
        yield np.clip(noisy, 0, 255).astype(np.uint8)


Layer = tuple[float, int | None, np.ndarray, np.ndarray, np.ndarray]
"""(distance, person or None, bool mask, colour, alpha), full pictures."""


def _layers(scene: Scene, seconds: float) -> list[Layer]:
    """Everything in the picture, the farthest first."""
    layers: list[Layer] = [(t.z, None, t.mask, t.colour, t.mask) for t in scene.things]
    for number, person in enumerate(scene.people):
        where = person.at(seconds)
        if where is None:
            continue
        x, z, facing = where
        column, row, scale = scene.camera.project(x, 0, z)
        scale = (row - scene.camera.project(x, person.height, z)[1]) / person.height
        made = person.shown(seconds, scale, facing)
        tall = person.height * scale
        left, top = round(column + made.left * tall), round(row - made.above * tall)
        full = np.zeros((SIZE[1], SIZE[0], 4), np.float32)
        height, width = made.picture.shape[:2]
        x1, y1 = max(0, left), max(0, top)
        x2, y2 = min(SIZE[0], left + width), min(SIZE[1], top + height)
        if x2 - x1 > 2 and y2 - y1 > 2:
            full[y1:y2, x1:x2] = made.picture[y1 - top : y2 - top, x1 - left : x2 - left]
            alpha = full[..., 3] / 255
            layers.append((z, number, alpha > 0.5, full[..., :3], alpha))
    return sorted(layers, key=lambda layer: -layer[0])


def _truth(layers: list[Layer], frame: int) -> list[Seen]:
    found = []
    for at, (_, number, mask, _, _) in enumerate(layers):
        if number is None or mask.sum() < 20:
            continue
        static, anything = np.zeros_like(mask), np.zeros_like(mask)
        for _, other, cover, _, _ in layers[at + 1 :]:
            anything |= cover
            if other is None:
                static |= cover
        whole, left = box_of(mask), mask & ~static
        visible = mask & ~anything
        share = 1 - left.sum() / mask.sum()
        if left.any():
            share = max(share, 1 - _area(box_of(left)) / _area(whole))
        enough = visible.sum() >= _LEAST * mask.sum() and visible.sum() >= 40
        box = box_of(visible) if enough else None
        found.append(Seen(number, frame, whole, box, float(share)))
    return found


def box_of(mask: np.ndarray) -> tuple[float, float, float, float]:
    """x1 y1 x2 y2 of a mask bool (H, W), half-open."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _area(box: tuple[float, float, float, float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
