"""Textures, shaded shapes, and cards on which shapes are drawn from back to front.

Colours are float RGB in [0, 1]; shapes are masks with soft edges, uint8 (H, W), 0 to 255.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np

Colour = Sequence[float] | np.ndarray
Point = tuple[float, float]

LIGHT = np.array([-0.45, -0.65, 0.61], np.float32)
"""Unit vector to the light, float32 (3,): x right, y down, z towards the camera."""


def clouds(
    rng: np.random.Generator, height: int, width: int, cell: float | tuple[float, float], octaves=3
) -> np.ndarray:
    """Smooth noise in [0, 1], float32 (H, W); `cell` is the coarsest grain, px, or (y, x)."""
    cell_y, cell_x = cell if isinstance(cell, tuple) else (cell, cell)
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        shrink = 2.0**octave
        rows = math.ceil(height / max(cell_y / shrink, 1.0)) + 2
        columns = math.ceil(width / max(cell_x / shrink, 1.0)) + 2
        grid = rng.random((rows, columns), dtype=np.float32)
        fine = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        total += np.asarray(fine, np.float32) / np.float32(shrink)
    low, high = total.min(), total.max()
    return (total - low) / max(float(high - low), 1e-6)


def ramp(top: Colour, bottom: Colour, height: int, width: int) -> np.ndarray:
    """A vertical gradient of two colours, float32 (H, W, 3)."""
    share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    column = np.asarray(top, np.float32) * (1 - share) + np.asarray(bottom, np.float32) * share
    return np.repeat(column, width, axis=1)


def relief(shape: np.ndarray, depth_px: float) -> np.ndarray:
    """Shading of a shape, uint8 (H, W), that bulges by `depth_px` from its edge.

    Returns factors of about 0.5 to 1.15, float (H, W).
    """
    distance = cv2.distanceTransform((shape > 127).astype(np.uint8), cv2.DIST_L2, 5)
    inward = np.clip(distance / depth_px, 0, 1)
    swell = depth_px * np.sqrt(1 - (1 - inward) ** 2)
    swell = cv2.GaussianBlur(swell, (0, 0), max(depth_px / 6, 0.8))
    slope_y, slope_x = np.gradient(swell)
    length = np.sqrt(slope_x**2 + slope_y**2 + 1)
    facing = (-slope_x * LIGHT[0] - slope_y * LIGHT[1] + LIGHT[2]) / length
    return 0.62 + 0.6 * np.clip(facing, -0.2, 1)


def polygon(height: int, width: int, points: Sequence[Point] | np.ndarray) -> np.ndarray:
    """A filled polygon with soft edges: uint8 (H, W); points (N, 2) are float (x, y), px."""
    shape = np.zeros((height, width), np.uint8)
    corners = np.round(np.asarray(points, np.float64) * 16).astype(np.int32)
    cv2.fillPoly(shape, [corners], 255, cv2.LINE_AA, shift=4)
    return shape


def smooth(
    points: Sequence[Point] | np.ndarray, closed: bool = True, steps: int = 10
) -> np.ndarray:
    """Points of a Catmull-Rom spline through `points`, float64 (N, 2): float64 (M, 2)."""
    knots = np.asarray(points, np.float64)
    if closed:
        knots = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        knots = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(knots, knots[1:], knots[2:], knots[3:], strict=False):
        cubic = 3 * b - a - 3 * c + d
        pieces.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + cubic * t**3)
        )
    return np.concatenate([*pieces, knots[-2:-1]])


def rounded(cx: float, cy: float, rx: float, ry: float, power: float = 4.0) -> np.ndarray:
    """Points of a superellipse, float64 (72, 2), px; power 2 is an ellipse, 8 nearly a box."""
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    x, y = np.cos(angle), np.sin(angle)
    x, y = np.sign(x) * np.abs(x) ** (2 / power), np.sign(y) * np.abs(y) ** (2 / power)
    return np.stack([cx + rx * x, cy + ry * y], axis=1)


def stroke(
    height: int, width: int, points: Sequence[Point] | np.ndarray, thickness: float
) -> np.ndarray:
    """A line of constant thickness (px) through points (N, 2): uint8 (H, W)."""
    shape = np.zeros((height, width), np.uint8)
    path = np.round(np.asarray(points, np.float64) * 16).astype(np.int32)
    cv2.polylines(shape, [path], False, 255, max(1, round(thickness)), cv2.LINE_AA, shift=4)
    return shape


def _around(shape: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Rows and columns of a shape with a margin: most shapes are small parts of their card."""
    x, y, width, height = cv2.boundingRect(shape)
    low_y, low_x = max(y - margin, 0), max(x - margin, 0)
    return slice(low_y, y + height + margin), slice(low_x, x + width + margin)


class PaintedCard:
    """An image with alpha channel, on which shapes are drawn.

    `rgb`: float32 (H, W, 3); `alpha`: float32 (H, W); both in [0, 1].
    """

    def __init__(self, height: int, width: int) -> None:
        """An empty card; height and width in px."""
        self.height, self.width = height, width
        self.rgb = np.zeros((height, width, 3), np.float32)
        self.alpha = np.zeros((height, width), np.float32)

    def lay(
        self,
        shape: np.ndarray,
        colour: Colour,
        *,
        depth_px: float = 6.0,
        weave: np.ndarray | None = None,
        rim: float = 0.3,
    ) -> None:
        """Draw a shaded shape, uint8 (H, W).

        `colour`: one colour, or float (H, W, 3). It is multiplied by the shading, by `weave`,
        float (H, W), and by a dark edge of strength `rim`.
        """
        here = _around(shape, 4)
        part = np.ascontiguousarray(shape[here])
        light = relief(part, depth_px)
        if weave is not None:
            light = light * weave[here]
        if rim:
            inner = cv2.GaussianBlur(part, (0, 0), max(self.height / 90, 1.0)) / np.float32(255)
            light = light * (1 - rim + rim * np.clip(inner * 2 - 1, 0, 1))
        paint = np.asarray(colour, np.float32)
        paint = (paint[here] if paint.ndim == 3 else paint) * light[..., None]
        self._cover(here, part, np.clip(paint, 0, 1), 1.0)

    def flat(self, shape: np.ndarray, colour: Colour, opacity: float = 1.0) -> None:
        """Draw a shape, uint8 (H, W), without shading."""
        here = _around(shape, 1)
        self._cover(here, shape[here], np.asarray(colour, np.float32), opacity)

    def _cover(
        self, here: tuple[slice, slice], part: np.ndarray, paint: np.ndarray, opacity: float
    ) -> None:
        cover = part.astype(np.float32) * (opacity / 255)
        self.rgb[here] += (paint - self.rgb[here]) * cover[..., None]
        self.alpha[here] = np.maximum(self.alpha[here], cover)

    def mark(self, shape: np.ndarray, colour: Colour, opacity: float = 1.0) -> None:
        """Draw a flat shape, uint8 (H, W), only where the card is opaque, such as a seam."""
        self.flat((shape * self.alpha).astype(np.uint8), colour, opacity)

    def rgba(self) -> np.ndarray:
        """The card as RGBA, uint8 (H, W, 4), not premultiplied."""
        stacked = np.dstack([self.rgb, self.alpha])
        return np.round(np.clip(stacked, 0, 1) * 255).astype(np.uint8)


def _plain(rng: np.random.Generator, y: np.ndarray, x: np.ndarray, pitch: float) -> np.ndarray:
    return np.zeros_like(x)


def _hoops(rng: np.random.Generator, y: np.ndarray, x: np.ndarray, pitch: float) -> np.ndarray:
    return ((y / pitch) % 1 < 0.45).astype(np.float32)


def _pinstripes(rng: np.random.Generator, y: np.ndarray, x: np.ndarray, pitch: float) -> np.ndarray:
    return ((x / pitch) % 1 < 0.35).astype(np.float32)


def _plaid(rng: np.random.Generator, y: np.ndarray, x: np.ndarray, pitch: float) -> np.ndarray:
    return 0.5 * _hoops(rng, y, x, pitch * 1.3) + 0.5 * _pinstripes(rng, y, x, pitch * 1.3)


def _dots(rng: np.random.Generator, y: np.ndarray, x: np.ndarray, pitch: float) -> np.ndarray:
    row = np.floor(y / pitch)
    u, v = (x / pitch + 0.5 * (row % 2)) % 1 - 0.5, (y / pitch) % 1 - 0.5
    return (u**2 + v**2 < 0.09).astype(np.float32)


def _camouflage(rng: np.random.Generator, y: np.ndarray, x: np.ndarray, pitch: float) -> np.ndarray:
    rows, columns = x.shape
    return (clouds(rng, rows, columns, pitch * 2.5, 2) > 0.52).astype(np.float32)


FABRICS: dict[str, Callable[..., np.ndarray]] = {
    "plain": _plain,
    "hoops": _hoops,
    "pinstripes": _pinstripes,
    "plaid": _plaid,
    "dots": _dots,
    "camouflage": _camouflage,
}
"""Name -> function(rng, y, x, pitch): share of the second colour, float32 (H, W)."""


def fabric(
    rng: np.random.Generator,
    height: int,
    width: int,
    kind: str,
    colours: tuple[Colour, Colour],
    pitch: float,
) -> np.ndarray:
    """Cloth of two colours, float32 (H, W, 3); `pitch` is the period of the pattern, px."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    share = FABRICS[kind](rng, y, x, pitch)[..., None]
    base, second = (np.asarray(colour, np.float32) for colour in colours)
    folds = 0.86 + 0.28 * clouds(rng, height, width, max(height, width) / 4, 3)
    return (base * (1 - share) + second * share) * folds[..., None]
