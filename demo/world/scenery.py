"""Draw five kinds of backgrounds; layout, light and colours vary at random.

Everything is drawn at twice the size and reduced; colours are float RGB in [0, 1]. The ground
begins at `HORIZON` of the height, above the feet of a figure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from demo.world import paint
from demo.world.paint import clouds, ramp

HORIZON = 0.66
"""y of the edge of the ground, relative to the height, from the top."""
Canvas = np.ndarray
"""float32 (H, W, 3), RGB, changed in place."""


def _box(
    canvas: Canvas, x0: float, y0: float, x1: float, y1: float, colour: paint.Colour, bevel: int = 2
) -> None:
    """Draw a rectangle, relative to width and height, with a light top and a dark lower edge."""
    height, width = canvas.shape[:2]
    left, right = round(x0 * width), round(x1 * width)
    top, bottom = round(y0 * height), round(y1 * height)
    area = canvas[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if not area.size:
        return
    area[:] = np.asarray(colour, np.float32)
    if bevel:
        area[:bevel] *= 1.18
        area[:, :bevel] *= 1.1
        area[-bevel:] *= 0.7
        area[:, -bevel:] *= 0.8


def _grain(canvas: Canvas, rng: np.random.Generator, cell: float, strength: float) -> None:
    height, width = canvas.shape[:2]
    noise = clouds(rng, height, width, cell, 4)
    canvas *= (1 + strength * (noise - 0.5))[..., None]


def _floor(height: int, width: int, vanish_x: float) -> tuple[int, np.ndarray, np.ndarray]:
    """(first row of the ground, across, away): coordinates on the ground, float32 (rows, W)."""
    first = round(HORIZON * height)
    y, x = np.mgrid[first:height, 0:width].astype(np.float32)
    away = height * 0.45 / (y - first + height * 0.06)
    return first, (x - vanish_x * width) / width * away, away


def _disc(canvas: Canvas, x: float, y: float, r: float, colour: paint.Colour, soft: float) -> None:
    height, width = canvas.shape[:2]
    shape = paint.polygon(
        height, width, paint.rounded(x * width, y * height, r * height, r * height, 2)
    )
    cover = cv2.GaussianBlur(shape, (0, 0), max(soft * height, 0.5))[..., None] / np.float32(255)
    canvas += (np.asarray(colour, np.float32) - canvas) * cover


def gym(rng: np.random.Generator, height: int, width: int) -> Canvas:
    """A gym with wall bars and a wooden floor, float32 (H, W, 3)."""
    canvas = ramp((0.86, 0.80, 0.66), (0.78, 0.70, 0.56), height, width)
    _box(canvas, 0, 0.42, 1, HORIZON, (0.33, 0.46, 0.50), 1)
    for x in np.arange(rng.uniform(-0.1, 0.05), 1, 0.3):
        _box(canvas, x, 0.03, x + 0.22, 0.17, (0.80, 0.88, 0.92))
        _box(canvas, x + 0.105, 0.03, x + 0.115, 0.17, (0.5, 0.5, 0.5), 0)
    bars = rng.uniform(0.02, 0.7)
    for y in np.arange(0.24, HORIZON, 0.055):
        _box(canvas, bars, y, bars + 0.24, y + 0.022, (0.72, 0.50, 0.28), 1)
    for x in (bars, bars + 0.115, bars + 0.23):
        _box(canvas, x, 0.22, x + 0.014, HORIZON, (0.58, 0.38, 0.20), 1)
    mat = rng.uniform(0, 0.8)
    _box(canvas, mat, 0.46, mat + 0.17, HORIZON, (0.30, 0.38, 0.52))
    first, across, away = _floor(height, width, rng.uniform(0.3, 0.7))
    plank = np.floor(across * 9)
    tone = 0.82 + 0.18 * np.mod(
        np.sin(plank * 12.9 + np.floor(away + plank * 0.37) * 78.2) * 43758, 1
    )
    canvas[first:] = np.array((0.80, 0.60, 0.36), np.float32) * tone[..., None]
    line = (np.abs(across - rng.uniform(-0.5, 0.5)) < 0.035) | (np.abs(away - 2.4) < 0.12)
    canvas[first:][line] = (0.90, 0.90, 0.86)
    _grain(canvas, rng, height / 6, 0.14)
    return canvas


def kitchen(rng: np.random.Generator, height: int, width: int) -> Canvas:
    """A kitchen with cupboards and a tiled floor, float32 (H, W, 3)."""
    canvas = ramp((0.90, 0.92, 0.90), (0.84, 0.87, 0.86), height, width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / height
    joint = ((x / 0.07) % 1 < 0.07) | ((y / 0.07) % 1 < 0.07)
    canvas[joint] *= 0.82
    front = np.array((0.60, 0.72, 0.70)) * rng.uniform(0.9, 1.1)
    gap = rng.uniform(0.25, 0.6)
    for left in np.arange(-0.05, 1, 0.19):
        if not gap - 0.19 < left < gap + 0.1:
            _box(canvas, left, 0.0, left + 0.185, 0.27, front, 3)
            _box(canvas, left + 0.155, 0.19, left + 0.167, 0.25, (0.35, 0.35, 0.35), 0)
    _box(canvas, gap - 0.1, 0.05, gap + 0.14, 0.32, (0.93, 0.93, 0.93), 3)
    _box(canvas, gap - 0.085, 0.07, gap + 0.125, 0.30, (0.66, 0.83, 0.95), 1)
    for _ in range(5):
        left, tall = rng.uniform(0, 0.95), rng.uniform(0.05, 0.13)
        colour = rng.uniform(0.25, 0.85, 3)
        _box(canvas, left, 0.47 - tall, left + rng.uniform(0.03, 0.07), 0.47, colour, 3)
    for left in np.arange(rng.uniform(-0.15, 0), 1, 0.24):
        _box(canvas, left, 0.5, left + 0.235, HORIZON + 0.02, front * 0.94, 3)
        _box(canvas, left + 0.08, 0.53, left + 0.16, 0.542, (0.35, 0.35, 0.35), 0)
    _box(canvas, 0, 0.465, 1, 0.505, (0.45, 0.36, 0.30), 2)
    first, across, away = _floor(height, width, rng.uniform(0.3, 0.7))
    checker = (np.floor(across * 3) + np.floor(away * 1.6)) % 2
    canvas[first:] = np.where(checker[..., None] > 0, (0.80, 0.78, 0.74), (0.58, 0.60, 0.62))
    _grain(canvas, rng, height / 5, 0.10)
    return canvas


def beach(rng: np.random.Generator, height: int, width: int) -> Canvas:
    """A beach with sea, clouds and a parasol, float32 (H, W, 3)."""
    canvas = ramp((0.42, 0.66, 0.92), (0.82, 0.91, 0.96), height, width)
    cover = np.clip(clouds(rng, height, width, (height / 7, height / 2.5), 4) * 2.4 - 1.35, 0, 0.9)
    canvas += (0.98 - canvas) * cover[..., None]
    _disc(canvas, rng.uniform(0.1, 0.9), 0.12, 0.06, (1.0, 0.96, 0.78), 0.03)
    sea, shore = round(0.42 * height), round((HORIZON - 0.03) * height)
    water = ramp((0.10, 0.42, 0.60), (0.35, 0.72, 0.74), shore - sea, width)
    water *= (0.84 + 0.34 * clouds(rng, shore - sea, width, (3.0, height / 7), 2))[..., None]
    canvas[sea:shore] = water
    x = np.arange(width) / width
    waterline = shore + height * 0.02 * np.sin(x * rng.uniform(8, 14) + rng.uniform(0, 6))
    below = np.arange(height)[:, None] - waterline[None]
    canvas[(below > 0) & (below < height * 0.02)] = (0.95, 0.97, 0.96)
    sand = (
        np.array((0.90, 0.80, 0.58))
        * (0.86 + 0.2 * clouds(rng, height, width, height / 8, 5))[..., None]
    )
    canvas[below >= height * 0.02] = sand[below >= height * 0.02]
    pole, hue = rng.choice([0.12, 0.86]) + rng.uniform(-0.05, 0.05), rng.uniform(0.3, 0.8, 3)
    _box(canvas, pole - 0.006, 0.30, pole + 0.006, 0.78, (0.85, 0.85, 0.82), 1)
    for slice_ in range(6):
        edge = np.linspace(-0.17, 0.17, 7)[slice_ : slice_ + 2] + pole
        triangle = [(pole * width, 0.2 * height), *((e * width, 0.36 * height) for e in edge)]
        colour = hue if slice_ % 2 else np.array((0.95, 0.93, 0.88))
        canvas[paint.polygon(height, width, triangle) > 127] = colour
    return canvas


def forest(rng: np.random.Generator, height: int, width: int) -> Canvas:
    """A forest with trunks and a path, float32 (H, W, 3)."""
    leaves = clouds(rng, height, width, height / 7, 5)[..., None]
    canvas = (1 - leaves) * (0.12, 0.27, 0.12) + leaves * np.array((0.52, 0.68, 0.30))
    canvas = canvas.astype(np.float32)
    for layer, count in enumerate((8, 4)):
        for x in rng.uniform(0, 1, count):
            _trunk(canvas, rng, float(x), rng.uniform(0.012, 0.02) * (1 + 1.4 * layer), layer)
    first, across, away = _floor(height, width, rng.uniform(0.35, 0.65))
    grass = clouds(rng, height - first, width, (height / 14, 2.5), 3)[..., None]
    ground = (1 - grass) * (0.22, 0.36, 0.13) + grass * np.array((0.48, 0.60, 0.24))
    ragged = 0.25 * clouds(rng, height - first, width, 9, 3)
    winding = np.abs(across + 0.25 * np.sin(away * 1.3)) + ragged
    soil = np.array((0.50, 0.40, 0.28)) * (0.75 + 0.5 * grass)
    canvas[first:] = np.where(winding[..., None] < 0.42, soil, ground)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / height
    beam = np.clip(np.sin((x + y * 0.6) * rng.uniform(7, 10) + rng.uniform(0, 6)) - 0.55, 0, 1)
    canvas += (0.35 * beam * np.clip(1 - y, 0, 1))[..., None] * np.array((1, 0.95, 0.6), np.float32)
    return canvas


def _trunk(canvas: Canvas, rng: np.random.Generator, x: float, half: float, layer: int) -> None:
    height, width = canvas.shape[:2]
    foot, lean = HORIZON + 0.03 + 0.04 * layer, rng.uniform(-0.03, 0.03)
    outline = [(x - half * 1.5, foot), (x - half, 0.5), (x + lean - half, -0.02)]
    outline += [(x + lean + half, -0.02), (x + half, 0.5), (x + half * 1.5, foot)]
    shape = paint.polygon(height, width, [(a * width, b * height) for a, b in outline])
    bark = 0.6 + 0.7 * clouds(rng, height, width, (height / 5, 3.0), 3)
    light = paint.relief(shape, half * width) * bark * (0.55 + 0.25 * layer)
    colour = np.array((0.56, 0.44, 0.32), np.float32) * light[..., None]
    canvas += (colour - canvas) * (shape[..., None] / np.float32(255))


def street(rng: np.random.Generator, height: int, width: int) -> Canvas:
    """A street with houses and a lamp, float32 (H, W, 3)."""
    canvas = ramp((0.60, 0.70, 0.82), (0.82, 0.84, 0.86), height, width)
    left = rng.uniform(-0.15, -0.02)
    while left < 1:
        wide, top = rng.uniform(0.2, 0.36), rng.uniform(-0.05, 0.22)
        brick = np.array(
            [(0.62, 0.36, 0.28), (0.66, 0.60, 0.52), (0.50, 0.48, 0.50)][rng.integers(3)]
        )
        _box(canvas, left, top, left + wide, HORIZON, brick * rng.uniform(0.9, 1.1), 2)
        for x in np.arange(left + 0.025, left + wide - 0.05, 0.075):
            for y in np.arange(top + 0.05, 0.4, 0.135):
                glass = (0.86, 0.80, 0.55) if rng.random() < 0.25 else (0.30, 0.37, 0.45)
                _box(canvas, x, y, x + 0.045, y + 0.085, glass, 1)
        _box(canvas, left + 0.02, 0.50, left + wide - 0.02, HORIZON, (0.34, 0.38, 0.42), 2)
        _box(canvas, left + 0.01, 0.45, left + wide - 0.01, 0.51, rng.uniform(0.25, 0.75, 3), 3)
        left += wide
    first, across, away = _floor(height, width, rng.uniform(0.3, 0.7))
    slab = ((across * 2.5) % 1 < 0.05) | ((away * 1.5) % 1 < 0.07)
    canvas[first:] = np.where(slab[..., None], (0.50, 0.49, 0.48), (0.66, 0.65, 0.63))
    kerb = 0.92
    _box(canvas, 0, kerb, 1, kerb + 0.02, (0.78, 0.78, 0.76), 1)
    _box(canvas, 0, kerb + 0.02, 1, 1, (0.30, 0.30, 0.32), 0)
    lamp = rng.choice([0.07, 0.93]) + rng.uniform(-0.04, 0.04)
    _box(canvas, lamp - 0.007, 0.1, lamp + 0.007, 0.75, (0.2, 0.24, 0.22), 1)
    _disc(canvas, lamp, 0.1, 0.035, (0.98, 0.95, 0.8), 0.006)
    _grain(canvas, rng, height / 8, 0.16)
    return canvas


BACKGROUNDS: dict[str, Callable[[np.random.Generator, int, int], Canvas]] = {
    "gym": gym,
    "forest": forest,
    "street": street,
    "kitchen": kitchen,
    "beach": beach,
}
"""Name -> function(rng, height, width) that draws it."""


def background(
    kind: str,
    rng: np.random.Generator,
    height: int,
    width: int,
    kinds: Mapping[str, Callable[[np.random.Generator, int, int], Canvas]] = BACKGROUNDS,
) -> np.ndarray:
    """Draw a background of the given kind, one of `kinds`: RGB, uint8 (H, W, 3)."""
    canvas = kinds[kind](rng, height * 2, width * 2)
    if rng.random() < 0.5:
        canvas = canvas[:, ::-1]
    small = cv2.resize(
        np.ascontiguousarray(canvas, np.float32), (width, height), interpolation=cv2.INTER_AREA
    )
    return np.round(_filmed(small, rng) * 255).astype(np.uint8)


def _filmed(scene: Canvas, rng: np.random.Generator) -> Canvas:
    """Blur a scene, float32 (H, W, 3), reduce its contrast, and vary its light."""
    scene = cv2.GaussianBlur(scene, (0, 0), max(scene.shape[0] / 110, 0.3))
    scene = np.clip(scene, 0, 1) ** rng.uniform(0.75, 1.35)
    grey = scene.mean(axis=2, keepdims=True)
    scene = grey + rng.uniform(0.3, 0.8) * (scene - grey)
    scene = 0.5 + 0.62 * (scene - 0.5)
    return np.clip(scene * rng.uniform(0.88, 1.12, 3) * rng.uniform(0.85, 1.1), 0.02, 0.98)
