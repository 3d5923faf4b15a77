"""Parts of real clips, changed in ways that films differ in; people move with their pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from parts.motion.people import People

SIDE = 480
"""Longer side of a piece at most, pixels."""


@dataclass(frozen=True)
class Piece:
    """A part of a clip."""

    kind: str
    pictures: list[np.ndarray]
    """uint8 (H, W, 3), RGB, of one size."""
    people: People
    fps: float


Warp = Callable[[int, int, int], np.ndarray]
"""(frame, width, height) -> float64 (2, 3): where the points of the picture go."""


def pieces_of(
    pictures: list[np.ndarray], people: People, fps: float, count: int, random: np.random.Generator
) -> Iterator[Piece]:
    """`count` pieces of 2 to 4 seconds, each of another kind."""
    kinds = random.permutation(list(KINDS))
    for kind in kinds[:count].tolist():
        length = min(len(pictures), round(random.uniform(2, 4) * fps))
        start = int(random.integers(0, len(pictures) - length + 1))
        step = 2 if kind == "faster" else 1
        numbers = range(start, start + length, step)
        shown = [pictures[n] for n in numbers]
        there = {k: people[n] for k, n in enumerate(numbers) if n in people}
        yield _warped(kind, shown, there, fps, KINDS[kind](random))


def _warped(kind: str, pictures: list[np.ndarray], people: People, fps: float, warp: Warp) -> Piece:
    height, width = pictures[0].shape[:2]
    factor = min(1.0, SIDE / max(width, height))
    size = int(width * factor) // 2 * 2, int(height * factor) // 2 * 2
    scale = np.diag([size[0] / width, size[1] / height])
    made, moved = [], {}
    for number, picture in enumerate(pictures):
        transform = scale @ warp(number, width, height)
        shown = cv2.warpAffine(
            picture, transform, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT
        )
        made.append((shown * 0.35).astype(np.uint8) if kind == "dark" else shown)
        if number in people:
            moved[number] = _boxes(people[number], transform, size)
    return Piece(kind, made, moved, fps)


def _boxes(boxes: np.ndarray, transform: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Boxes float32 (N, 4) in the piece, those of which something is seen."""
    corners = boxes[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 4, 2)
    moved = corners @ transform[:, :2].T + transform[:, 2]
    found = np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1)
    inside = found.clip(0, np.tile(size, 2))
    seen = (inside[:, 2] - inside[:, 0] > 2) & (inside[:, 3] - inside[:, 1] > 2)
    return inside[seen].astype(np.float32)


def _same(random: np.random.Generator) -> Warp:
    return lambda number, width, height: np.array([[1.0, 0, 0], [0, 1, 0]])


def _mirrored(random: np.random.Generator) -> Warp:
    return lambda number, width, height: np.array([[-1.0, 0, width - 1], [0, 1, 0]])


def _cropped(random: np.random.Generator) -> Warp:
    zoom, x, y = random.uniform(1.2, 1.6), random.uniform(0, 1), random.uniform(0, 1)

    def warp(number: int, width: int, height: int) -> np.ndarray:
        return np.array([[zoom, 0, -(zoom - 1) * width * x], [0, zoom, -(zoom - 1) * height * y]])

    return warp


def _shaken(random: np.random.Generator) -> Warp:
    """A hand that trembles and drifts, under a zoom of 1.15 that hides the borders."""
    steps = np.cumsum(random.normal(0, 0.003, (4000, 2)), axis=0) * 0.5
    drift = 0.05 * np.tanh(steps / 0.05)
    angle = 0.01 * np.sin(np.arange(4000) / random.uniform(8, 30))

    def warp(number: int, width: int, height: int) -> np.ndarray:
        turned = cv2.getRotationMatrix2D(
            (width / 2, height / 2), float(np.degrees(angle[number])), 1.15
        )
        turned[:, 2] += drift[number] * (width, height)
        return turned

    return warp


def _panned(random: np.random.Generator) -> Warp:
    """A steady pan over a third of the picture, under a zoom of 1.5."""
    way = random.choice([-1, 1]) * random.uniform(0.001, 0.003)

    def warp(number: int, width: int, height: int) -> np.ndarray:
        x = np.clip(0.5 + way * number, 0, 1)
        return np.array([[1.5, 0, -0.5 * width * x], [0, 1.5, -0.25 * height]])

    return warp


KINDS: dict[str, Callable[[np.random.Generator], Warp]] = {
    "short": _same,
    "faster": _same,
    "dark": _same,
    "mirrored": _mirrored,
    "cropped": _cropped,
    "shaken": _shaken,
    "panned": _panned,
}
"""What is done to a piece -> function that draws it."""
