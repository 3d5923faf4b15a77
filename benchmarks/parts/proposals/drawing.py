"""Pictures of a scene, and for each person and picture the boxes and the share that is hidden."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from occludenet_build.media.imaging.masks import box_of
from occludenet_build.media.video.synth import write_video
from parts.proposals.camera import SIZE, Thing
from parts.proposals.scenes import SECONDS, Scene

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
    pictures = pictures_of(scene, seen)
    write_video(path, pictures, Fraction(FPS), options={"preset": "ultrafast", "crf": "20"})
    return seen


def pictures_of(scene: Scene, seen: list[Seen]) -> Iterator[np.ndarray]:
    """Yields the pictures uint8 (H, W, 3); `seen` gets everybody in each of them."""
    noise = np.random.default_rng(len(scene.people))
    grain = noise.normal(0, 2.0, (8, SIZE[1], SIZE[0], 1)).astype(np.float32)
    things = [_of_thing(one) for one in scene.things if one.mask.any()]
    for frame in range(SECONDS * FPS):
        picture = scene.empty.copy()
        layers = _layers(scene, things, frame / FPS)
        for layer in layers:
            part = picture[layer.place]
            part[:] = part * (1 - layer.alpha[..., None]) + layer.colour
        seen += _truth(layers, frame)
        noisy = picture + grain[frame % 8]
        yield np.clip(noisy, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class _Layer:
    """A person or a thing in one picture."""

    distance: float
    person: int | None
    """None: a static thing."""
    mask: np.ndarray
    """bool (H, W)."""
    place: tuple[slice, slice]
    """Its part of the picture, h rows and w columns."""
    alpha: np.ndarray
    """float32 (h, w), 0 to 1."""
    colour: np.ndarray
    """float32 (h, w, 3), premultiplied."""


def _of_thing(thing: Thing) -> _Layer:
    x1, y1, x2, y2 = box_of(thing.mask)
    place = slice(y1, y2), slice(x1, x2)
    alpha = thing.mask[place].astype(np.float32)
    colour = thing.colour[place] * alpha[..., None]
    return _Layer(thing.z, None, thing.mask, place, alpha, colour)


def _layers(scene: Scene, things: list[_Layer], seconds: float) -> list[_Layer]:
    """Everything in the picture, the farthest first."""
    layers = list(things)
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
        height, width = made.picture.shape[:2]
        x1, y1 = max(0, left), max(0, top)
        x2, y2 = min(SIZE[0], left + width), min(SIZE[1], top + height)
        if x2 - x1 > 2 and y2 - y1 > 2:
            part = made.picture[y1 - top : y2 - top, x1 - left : x2 - left].astype(np.float32)
            place, mask = (slice(y1, y2), slice(x1, x2)), np.zeros(SIZE[::-1], bool)
            mask[place] = part[..., 3] > 127
            layers.append(_Layer(z, number, mask, place, part[..., 3] / 255, part[..., :3]))
    return sorted(layers, key=lambda layer: -layer.distance)


def _truth(layers: list[_Layer], frame: int) -> list[Seen]:
    found = []
    for at, layer in enumerate(layers):
        mask = layer.mask
        if layer.person is None or mask.sum() < 20:
            continue
        static, anything = np.zeros_like(mask), np.zeros_like(mask)
        for other in layers[at + 1 :]:
            anything |= other.mask
            if other.person is None:
                static |= other.mask
        whole, left = box_of(mask), mask & ~static
        visible = mask & ~anything
        share = 1 - left.sum() / mask.sum()
        if left.any():
            share = max(share, 1 - _area(box_of(left)) / _area(whole))
        enough = visible.sum() >= _LEAST * mask.sum() and visible.sum() >= 40
        box = box_of(visible) if enough else None
        found.append(Seen(layer.person, frame, whole, box, float(share)))
    return found


def _area(box: tuple[float, float, float, float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
