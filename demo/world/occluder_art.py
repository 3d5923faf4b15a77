"""Drawings of the four occluder types of OccludeNet: backpack, handbag, suitcase and dog.

Each function draws a card of `SIDE` x `SIDE` px; coordinates are relative to its side. The bags are
tall, so that they cover a large part of the box of an upright person.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from demo.world import paint
from demo.world.paint import Colour, PaintedCard

SIDE = 340
METAL = (0.82, 0.80, 0.74)

BAG_COLOURS = [
    (0.78, 0.16, 0.14),
    (0.14, 0.32, 0.62),
    (0.16, 0.46, 0.30),
    (0.90, 0.62, 0.14),
    (0.25, 0.25, 0.28),
    (0.50, 0.24, 0.52),
    (0.55, 0.34, 0.18),
    (0.16, 0.55, 0.62),
]
FURS = [
    ((0.72, 0.50, 0.26), (0.92, 0.84, 0.70)),
    ((0.22, 0.17, 0.14), (0.70, 0.48, 0.26)),
    ((0.93, 0.90, 0.84), (0.36, 0.24, 0.16)),
    ((0.45, 0.44, 0.46), (0.88, 0.88, 0.88)),
]


class SquareCard(PaintedCard):
    """A square card with coordinates relative to its side."""

    def __init__(self) -> None:
        super().__init__(SIDE, SIDE)

    def blob(self, x: float, y: float, rx: float, ry: float, power: float = 2.0) -> np.ndarray:
        """A filled superellipse with centre and radii: uint8 (SIDE, SIDE), 0 to 255."""
        outline = paint.rounded(x * SIDE, y * SIDE, rx * SIDE, ry * SIDE, power)
        return paint.polygon(SIDE, SIDE, outline)

    def curve(self, points: Sequence[paint.Point]) -> np.ndarray:
        """A filled smooth outline: uint8 (SIDE, SIDE), 0 to 255."""
        return paint.polygon(SIDE, SIDE, paint.smooth(np.asarray(points) * SIDE))

    def line(self, points: Sequence[paint.Point], thickness: float) -> np.ndarray:
        """A smooth line: uint8 (SIDE, SIDE), 0 to 255."""
        path = paint.smooth(np.asarray(points) * SIDE, closed=False)
        return paint.stroke(SIDE, SIDE, path, thickness * SIDE)

    def seam(self, points: Sequence[paint.Point], colour: Colour, dash: int = 2) -> None:
        """Mark stitches: short strokes along a curve."""
        path = paint.smooth(np.asarray(points) * SIDE, closed=False, steps=12)
        for start in range(0, len(path) - dash, dash * 2):
            piece = path[start : start + dash + 1]
            self.mark(paint.stroke(SIDE, SIDE, piece, 0.006 * SIDE), colour, 0.8)


def _dye(random: np.random.Generator) -> np.ndarray:
    chosen = np.asarray(BAG_COLOURS[random.integers(len(BAG_COLOURS))])
    return np.clip(chosen + random.normal(0, 0.04, 3), 0.05, 0.95)


def _cloth(random: np.random.Generator, colour: Colour, kinds: Sequence[str]) -> np.ndarray:
    second = np.clip(np.asarray(colour) * random.uniform(0.6, 1.35), 0, 1)
    kind = str(random.choice(list(kinds)))
    return paint.fabric(
        random, SIDE, SIDE, kind, (colour, second), random.uniform(0.05, 0.1) * SIDE
    )


def _weave(random: np.random.Generator, grain: float, strength: float) -> np.ndarray:
    return 1 + strength * (paint.clouds(random, SIDE, SIDE, grain, 2) - 0.5)


def backpack(random: np.random.Generator) -> PaintedCard:
    """Draw a backpack."""
    sketch, colour = SquareCard(), _dye(random)
    dark, trim = colour * 0.5, _dye(random)
    cloth, weave = (
        _cloth(random, colour, ["plain", "dots", "plaid", "camouflage"]),
        _weave(random, 5, 0.2),
    )
    wide, tall = random.uniform(0.20, 0.24), random.uniform(0.38, 0.41)
    top, bottom = 0.52 - tall, 0.52 + tall
    for sign in (-1, 1):
        strap = [(0.5 + sign * wide * 0.6, top + 0.08), (0.5 + sign * (wide + 0.07), 0.45)]
        strap.append((0.5 + sign * wide * 0.8, bottom - 0.06))
        sketch.lay(sketch.line(strap, 0.05), dark, depth_px=8)
        pocket = sketch.blob(0.5 + sign * wide * 0.95, bottom - 0.2, 0.08, 0.14, 3)
        sketch.lay(pocket, colour * 0.8, depth_px=18, weave=weave)
    loop = [(0.43, top + 0.05), (0.45, top - 0.05), (0.55, top - 0.05), (0.57, top + 0.05)]
    sketch.lay(sketch.line(loop, 0.032), dark, depth_px=6)
    sketch.lay(sketch.blob(0.5, 0.52, wide, tall, 3.2), cloth, depth_px=60, weave=weave)
    sketch.lay(
        sketch.blob(0.5, top + 0.17, wide * 0.93, 0.15, 3), cloth * 1.08, depth_px=30, weave=weave
    )
    zipper = [(0.5 - wide * 0.85, top + 0.26), (0.5, top + 0.31), (0.5 + wide * 0.85, top + 0.26)]
    sketch.mark(sketch.line(zipper, 0.014), (0.12, 0.12, 0.12))
    sketch.seam(zipper, METAL, 1)
    front = sketch.blob(0.5, bottom - 0.19, wide * 0.78, 0.15, 3.6)
    sketch.lay(front, trim, depth_px=26, weave=weave)
    lip = [(0.5 - wide * 0.66, bottom - 0.27), (0.5 + wide * 0.66, bottom - 0.27)]
    sketch.mark(sketch.line(lip, 0.012), (0.12, 0.12, 0.12))
    sketch.lay(sketch.blob(0.5 + wide * 0.45, bottom - 0.25, 0.014, 0.03, 3), METAL, depth_px=4)
    sketch.mark(sketch.blob(0.5, top + 0.13, 0.055, 0.03, 5), (0.93, 0.91, 0.85))
    return sketch


def handbag(random: np.random.Generator) -> PaintedCard:
    """Draw a handbag."""
    sketch, colour = SquareCard(), _dye(random)
    leather = _weave(random, 7, 0.3)
    cloth = _cloth(random, colour, ["plain", "plain", "pinstripes", "dots"])
    wide, top = random.uniform(0.25, 0.29), random.uniform(0.36, 0.42)
    rise = random.uniform(0.09, 0.15)
    for shift, shade in ((0.03, 0.45), (-0.02, 0.7)):
        arch = [(0.5 - wide * 0.55 + shift, top + 0.06), (0.5 - wide * 0.42 + shift, rise + 0.06)]
        arch += [(0.5 + shift, rise), (0.5 + wide * 0.42 + shift, rise + 0.06)]
        arch.append((0.5 + wide * 0.55 + shift, top + 0.06))
        sketch.lay(sketch.line(arch, 0.038), colour * shade, depth_px=8, weave=leather)
    body = [(0.5 - wide * 0.86, top), (0.5, top - 0.015), (0.5 + wide * 0.86, top)]
    body += [(0.5 + wide, 0.74), (0.5 + wide * 0.94, 0.87), (0.5, 0.895), (0.5 - wide * 0.94, 0.87)]
    body.append((0.5 - wide, 0.74))
    sketch.lay(sketch.curve(body), cloth, depth_px=60, weave=leather)
    flap = [(0.5 - wide * 0.84, top + 0.005), (0.5, top - 0.01), (0.5 + wide * 0.84, top + 0.005)]
    flap += [(0.5 + wide * 0.7, top + 0.17), (0.5, top + 0.24), (0.5 - wide * 0.7, top + 0.17)]
    sketch.lay(sketch.curve(flap), colour * 0.82, depth_px=16, weave=leather)
    edge = [(0.5 - wide * 0.7, top + 0.15), (0.5, top + 0.22), (0.5 + wide * 0.7, top + 0.15)]
    sketch.seam(edge, (0.95, 0.90, 0.75))
    base = [(0.5 - wide * 0.9, 0.84), (0.5, 0.865), (0.5 + wide * 0.9, 0.84)]
    sketch.seam(base, (0.95, 0.90, 0.75))
    sketch.lay(sketch.blob(0.5, top + 0.225, 0.045, 0.03, 4), (0.88, 0.70, 0.28), depth_px=8)
    for x in (0.5 - wide * 0.56, 0.5 + wide * 0.54):
        sketch.lay(sketch.blob(x, top + 0.05, 0.024, 0.024), (0.88, 0.70, 0.28), depth_px=6)
    return sketch


def suitcase(random: np.random.Generator) -> PaintedCard:
    """Draw a suitcase."""
    sketch, colour = SquareCard(), _dye(random)
    shell = _weave(random, 40, 0.1)
    wide, top = random.uniform(0.19, 0.24), random.uniform(0.22, 0.28)
    middle, half = (top + 0.90) / 2, (0.90 - top) / 2
    grip = [(0.5 - wide * 0.4, top + 0.02), (0.5 - wide * 0.4, 0.07), (0.5 + wide * 0.4, 0.07)]
    grip.append((0.5 + wide * 0.4, top + 0.02))
    posts = paint.stroke(SIDE, SIDE, np.asarray(grip) * SIDE, 0.024 * SIDE)
    sketch.lay(posts, METAL, depth_px=5)
    bar = sketch.blob(0.5, 0.075, wide * 0.48, 0.022, 4)
    sketch.lay(bar, (0.15, 0.15, 0.16), depth_px=8)
    for x in (0.5 - wide * 0.75, 0.5 + wide * 0.75):
        sketch.lay(sketch.blob(x, 0.925, 0.045, 0.04), (0.12, 0.12, 0.13), depth_px=12)
    sketch.lay(sketch.blob(0.5, middle, wide, half, 7), colour, depth_px=26, weave=shell)
    for share in np.linspace(-0.72, 0.72, int(random.integers(5, 9))):
        rib = sketch.blob(0.5 + share * wide, middle, 0.012, half * 0.86, 4)
        sketch.lay(rib, colour * 1.12, depth_px=5, rim=0.5)
    belt = [(0.5 - wide, middle + half * 0.05), (0.5 + wide, middle + half * 0.05)]
    sketch.mark(sketch.line(belt, 0.022), colour * 0.45)
    sketch.lay(sketch.blob(0.5, middle + half * 0.05, 0.04, 0.026, 5), METAL, depth_px=6)
    for x in (0.5 - wide * 0.9, 0.5 + wide * 0.9):
        for y in (top + 0.035, 0.865):
            sketch.mark(sketch.blob(x, y, 0.05, 0.045, 3), colour * 0.4)
    for _ in range(int(random.integers(1, 4))):
        x, y = 0.5 + random.uniform(-0.6, 0.6) * wide, middle + random.uniform(-0.6, 0.6) * half
        sketch.mark(sketch.blob(x, y, 0.05, 0.035, 6), random.uniform(0.3, 0.95, 3))
    return sketch


def dog(random: np.random.Generator) -> PaintedCard:
    """Draw a dog."""
    sketch = SquareCard()
    coat, patch = (np.asarray(c) for c in FURS[random.integers(len(FURS))])
    hair = 0.75 + 0.5 * paint.clouds(random, SIDE, SIDE, (9, 4), 3)
    spots = paint.clouds(random, SIDE, SIDE, SIDE / 4, 2)[..., None] > random.uniform(0.5, 0.7)
    fur = np.where(spots, patch, coat)
    leg, slim = random.uniform(0.26, 0.32), random.uniform(0.9, 1.15)
    wag = random.uniform(-0.08, 0.06)
    tail = [(0.20, 0.48), (0.11, 0.38 + wag), (0.09, 0.26 + wag)]
    sketch.lay(sketch.line(tail, 0.05), coat, depth_px=12, weave=hair)
    for x, shade in ((0.30, 0.7), (0.62, 0.7), (0.24, 1.0), (0.68, 1.0)):
        _leg(sketch, x, 0.58, leg, coat * shade, hair)
    body = [(0.17, 0.50), (0.26, 0.40), (0.46, 0.415), (0.64, 0.37), (0.74, 0.44), (0.73, 0.60)]
    body += [(0.60, 0.66 * slim**0.3), (0.42, 0.62 * slim**0.4), (0.25, 0.64)]
    sketch.lay(sketch.curve(body), fur, depth_px=55, weave=hair)
    neck = [(0.62, 0.42), (0.66, 0.28), (0.76, 0.24), (0.80, 0.36), (0.74, 0.52)]
    sketch.lay(sketch.curve(neck), fur, depth_px=40, weave=hair)
    sketch.mark(sketch.line([(0.635, 0.37), (0.71, 0.42), (0.79, 0.39)], 0.03), _dye(random))
    sketch.lay(sketch.blob(0.845, 0.285, 0.095, 0.055, 2.6), patch, depth_px=24, weave=hair)
    sketch.lay(sketch.blob(0.745, 0.235, 0.105, 0.095, 2.3), fur, depth_px=34, weave=hair)
    ear = [(0.68, 0.15), (0.73, 0.17), (0.725, 0.27), (0.67, 0.335), (0.635, 0.26)]
    sketch.lay(sketch.curve(ear), coat * 0.7, depth_px=14, weave=hair)
    sketch.lay(sketch.blob(0.93, 0.262, 0.026, 0.022), (0.06, 0.05, 0.05), depth_px=7)
    sketch.mark(sketch.line([(0.93, 0.29), (0.88, 0.318), (0.83, 0.312)], 0.008), (0.1, 0.05, 0.05))
    sketch.mark(sketch.blob(0.79, 0.215, 0.017, 0.02), (0.05, 0.04, 0.04))
    sketch.mark(sketch.blob(0.795, 0.21, 0.005, 0.006), (1, 1, 1))
    return sketch


def _leg(
    sketch: SquareCard, x: float, top: float, length: float, colour: Colour, hair: np.ndarray
) -> None:
    foot = top + length
    outline = [(x - 0.055, top - 0.06), (x + 0.055, top - 0.06), (x + 0.035, top + length * 0.5)]
    outline += [(x + 0.032, foot - 0.02), (x + 0.06, foot), (x - 0.03, foot + 0.005)]
    outline.append((x - 0.03, top + length * 0.5))
    sketch.lay(sketch.curve(outline), colour, depth_px=18, weave=hair)


OCCLUDERS: dict[str, Callable[[np.random.Generator], PaintedCard]] = {
    "backpack": backpack,
    "handbag": handbag,
    "suitcase": suitcase,
    "dog": dog,
}
"""COCO category name -> function that draws it."""
