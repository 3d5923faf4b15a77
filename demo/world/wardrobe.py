"""Appearance of an actor, and the painted body parts of the figure.

Body parts are painted in the direction straight down from their first joint. The appearance does
not depend on the background: clothes that correlate with it would be a second shortcut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from demo.world import paint
from demo.world.paint import PaintedCard

SKINS = [(0.96, 0.80, 0.69), (0.88, 0.67, 0.52), (0.72, 0.50, 0.36), (0.50, 0.33, 0.23)]
HAIRS = [(0.10, 0.08, 0.07), (0.30, 0.18, 0.10), (0.62, 0.42, 0.18), (0.45, 0.13, 0.08)]
SHIRTS = [
    (0.85, 0.10, 0.14),
    (0.08, 0.22, 0.72),
    (0.95, 0.94, 0.92),
    (0.10, 0.10, 0.13),
    (0.97, 0.55, 0.05),
    (0.58, 0.10, 0.58),
    (0.98, 0.30, 0.55),
    (0.05, 0.55, 0.62),
]
TROUSERS = [
    (0.09, 0.11, 0.22),
    (0.13, 0.13, 0.14),
    (0.20, 0.16, 0.42),
    (0.42, 0.07, 0.12),
    (0.93, 0.92, 0.90),
]
SHOES = [(0.95, 0.95, 0.95), (0.75, 0.08, 0.10), (0.12, 0.12, 0.12), (0.95, 0.75, 0.10)]


@dataclass(frozen=True)
class Look:
    """Appearance of an actor; colours are RGB in [0, 1]."""

    skin: tuple[float, ...]
    hair: tuple[float, ...]
    shirt: tuple[tuple[float, ...], tuple[float, ...]]
    trousers: tuple[float, ...]
    shoes: tuple[float, ...]
    fabric: str
    long_sleeves: bool
    shorts: bool
    long_hair: bool
    build: float
    """Factor on the thickness of body and limbs."""
    grain: int
    """Seed of the folds of the cloth."""


def draw_look(rng: np.random.Generator) -> Look:
    """Draw the appearance of an actor."""

    def pick(options: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
        chosen = np.asarray(options[int(rng.integers(len(options)))])
        return tuple(np.clip(chosen + rng.normal(0, 0.025, 3), 0, 1).tolist())

    return Look(
        skin=pick(SKINS),
        hair=pick(HAIRS),
        shirt=(pick(SHIRTS), pick(SHIRTS)),
        trousers=pick(TROUSERS),
        shoes=pick(SHOES),
        fabric=str(rng.choice(list(paint.FABRICS))),
        long_sleeves=bool(rng.random() < 0.5),
        shorts=bool(rng.random() < 0.25),
        long_hair=bool(rng.random() < 0.4),
        build=float(rng.uniform(0.98, 1.2)),
        grain=int(rng.integers(2**31)),
    )


@dataclass(frozen=True)
class BodyPart:
    """A card and the joint about which it rotates."""

    rgba: np.ndarray
    """RGBA, uint8 (H, W, 4), premultiplied."""
    joint: np.ndarray
    """float64 (2,): x, y, px."""


def paint_body_parts(look: Look, height: float) -> dict[str, BodyPart]:
    """Name -> body part, of a figure with the standing height `height` in px."""
    rng = np.random.default_rng(look.grain)
    b = look.build
    sleeve = look.shirt[0] if look.long_sleeves else look.skin
    stocking = look.skin if look.shorts else look.trousers
    cloth: Callable[..., BodyPart] = lambda *a, **k: _limb(rng, height, *a, **k)  # noqa: E731
    return {
        "upper_arm": cloth(0.155, 0.034 * b, 0.029 * b, look.shirt, look.fabric),
        "lower_arm": cloth(0.118, 0.028 * b, 0.022 * b, (sleeve, sleeve), hand=look.skin),
        "upper_leg": cloth(0.235, 0.053 * b, 0.040 * b, (look.trousers, look.trousers)),
        "lower_leg": cloth(0.225, 0.039 * b, 0.027 * b, (stocking, stocking)),
        "neck": cloth(0.05, 0.024 * b, 0.022 * b, (look.skin, look.skin)),
        "torso": _torso(rng, height, look, 0.118 * b, 0.082 * b),
        "torso_profile": _torso(rng, height, look, 0.072 * b, 0.060 * b),
        "head": _head(height, look, profile=False),
        "head_profile": _head(height, look, profile=True),
        "shoe_left": _shoe(height, look, -0.012, 0.040),
        "shoe_right": _shoe(height, look, 0.012, 0.040),
        "shoe_profile": _shoe(height, look, 0.030, 0.058),
    }


def _finish(card: PaintedCard, joint: tuple[float, float], upright: bool = False) -> BodyPart:
    """Premultiply a card; rotate one that was painted upright by 180 degrees."""
    rgba = card.rgba()
    if upright:
        rgba = rgba[::-1, ::-1].copy()
        joint = (card.width - joint[0], card.height - joint[1])
    rgba[..., :3] = (rgba[..., :3].astype(np.uint16) * rgba[..., 3:] // 255).astype(np.uint8)
    return BodyPart(rgba, np.array(joint))


def _limb(
    rng: np.random.Generator,
    height: float,
    length: float,
    start: float,
    end: float,
    colours: tuple,
    pattern: str = "plain",
    hand: tuple[float, ...] | None = None,
) -> BodyPart:
    """A tapered tube with round ends; `start` and `end` are radii relative to the height."""
    pad = 2 + start * height
    reach = length + (0.055 if hand else 0)
    rows, columns = round(reach * height + 2 * pad), round(2 * pad)
    centre, top, bottom = columns / 2, pad, pad + length * height
    r0, r1 = start * height, end * height
    outline = [
        *((centre + r0 * np.cos(a), top - r0 * np.sin(a)) for a in np.linspace(0, np.pi, 13)),
        (centre - (r0 * 0.55 + r1 * 0.5), (top + bottom) / 2),
        *((centre - r1 * np.cos(a), bottom + r1 * np.sin(a)) for a in np.linspace(0, np.pi, 13)),
        (centre + (r0 * 0.55 + r1 * 0.5), (top + bottom) / 2),
    ]
    card = PaintedCard(rows, columns)
    if hand:
        fist = paint.rounded(centre, bottom + 0.026 * height, 0.024 * height, 0.033 * height, 2.4)
        card.lay(paint.polygon(rows, columns, fist), hand, depth_px=0.024 * height, rim=0.2)
    cloth = paint.fabric(rng, rows, columns, pattern, colours, 0.055 * height)
    card.lay(paint.polygon(rows, columns, outline), cloth, depth_px=r0, rim=0.25)
    return _finish(card, (centre, top))


def _torso(
    rng: np.random.Generator, height: float, look: Look, shoulder: float, waist: float
) -> BodyPart:
    """The torso from the hips up; the joint is between the hips."""
    pad, long = 0.04 * height, 0.29 * height
    rows, columns = round(long + 2.4 * pad), round(2 * (shoulder + 0.03) * height)
    c, s, w = columns / 2, shoulder * height, waist * height
    half = [(w * 1.06, pad * 0.3), (w, pad + long * 0.25), (s * 0.95, pad + long * 0.7)]
    half += [(s, pad + long * 0.93), (s * 0.55, pad + long * 1.04), (0, pad + long * 1.06)]
    outline = [(c + x, rows - y) for x, y in half] + [(c - x, rows - y) for x, y in half[::-1]]
    card = PaintedCard(rows, columns)
    cloth = paint.fabric(rng, rows, columns, look.fabric, look.shirt, 0.055 * height)
    body = paint.polygon(rows, columns, paint.smooth(outline))
    card.lay(body, cloth, depth_px=0.07 * height, rim=0.25)
    seam = rows - pad * 1.1
    belt = paint.polygon(rows, columns, [(0, rows), (columns, rows), (columns, seam), (0, seam)])
    card.mark(belt, np.asarray(look.trousers) * 0.75)
    collar = paint.rounded(c, rows - pad - long * 1.03, 0.035 * height, 0.02 * height, 2)
    card.mark(paint.polygon(rows, columns, collar), look.skin)
    return _finish(card, (c, rows - pad), upright=True)


def _head(height: float, look: Look, profile: bool) -> BodyPart:
    """The head; the joint is the chin. In profile it looks to the right."""
    rx, ry = 0.060 * height, 0.077 * height
    rows, columns = round(2 * ry * 1.25), round(2 * rx * 1.6)
    cx, cy = columns / 2, rows - ry * 1.02
    card = PaintedCard(rows, columns)

    def blob(x: float, y: float, w: float, h: float, power: float = 2.0) -> np.ndarray:
        outline = paint.rounded(cx + x * rx, cy - y * ry, w * rx, h * ry, power)
        return paint.polygon(rows, columns, outline)

    if look.long_hair:
        card.lay(blob(-0.25 if profile else 0, 0.1, 1.12, 1.0, 2.6), look.hair, depth_px=rx * 0.6)
    if profile:
        card.lay(blob(0.93, -0.05, 0.2, 0.16), look.skin, depth_px=rx * 0.2, rim=0.1)
    card.lay(blob(0, 0, 0.95, 1.0, 2.2), look.skin, depth_px=rx * 0.9, rim=0.2)
    card.lay(blob(-0.12 if profile else 0, 0.74, 1.0, 0.4, 2.2), look.hair, depth_px=rx * 0.5)
    if profile:
        card.lay(blob(-0.6, 0.2, 0.5, 0.75, 2.2), look.hair, depth_px=rx * 0.5, rim=0.1)
    for eye in (0.55,) if profile else (-0.4, 0.4):
        card.mark(blob(eye, 0.12, 0.13, 0.11), (0.08, 0.06, 0.06))
    mouth = 0.6 if profile else 0
    card.mark(blob(mouth, -0.48, 0.28, 0.07), np.asarray(look.skin) * (0.75, 0.45, 0.45))
    return _finish(card, (cx, rows - 0.08 * ry), upright=True)


def _shoe(height: float, look: Look, shift: float, half: float) -> BodyPart:
    rows, columns = round(0.075 * height), round(0.2 * height)
    cx, top = columns / 2, 0.024 * height
    card = PaintedCard(rows, columns)
    shell = paint.rounded(
        cx + shift * height, top + 0.006 * height, half * height, 0.027 * height, 3
    )
    card.lay(paint.polygon(rows, columns, shell), look.shoes, depth_px=0.025 * height)
    y = top + 0.028 * height
    edge = half * height
    sole = [(cx + shift * height - edge, y), (cx + shift * height + edge, y)]
    card.mark(paint.stroke(rows, columns, sole, 0.014 * height), (0.2, 0.2, 0.2))
    return _finish(card, (cx, top))
