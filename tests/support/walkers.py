"""Drawn clips with known truth: a figure that walks, and other things that move, by any camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

WIDTH, HEIGHT, FPS = 240, 160, 15
GROUND = 150
"""y of the soles, pixels."""
WORLD = 480, 320
"""Width and height of the scene of which the camera shows a part, pixels."""

Painter = Callable[[np.ndarray, int], None]
"""Paints a thing into a scene uint8 (H, W, 3) at a frame."""
Camera = Callable[[int], np.ndarray]
"""Frame -> float64 (2, 3): where a point of the scene lies in the picture."""


def scenery(seed: int = 5) -> np.ndarray:
    """A textured scene uint8 (H, W, 3): patches of some sizes, and fine grain."""
    random, shape = np.random.default_rng(seed), (WORLD[1], WORLD[0])
    total = np.zeros((*shape, 3), np.float32)
    for cells, weight in ((6, 50), (24, 35), (80, 25)):
        small = random.normal(0, weight, (cells * 2 // 3, cells, 3)).astype(np.float32)
        total += cv2.resize(small, WORLD, interpolation=cv2.INTER_LINEAR)
    return (120 + total).clip(20, 235).astype(np.uint8)


@dataclass(frozen=True)
class Walker:
    """A figure with a head, a body, arms and legs that swing; red and blue."""

    x: float = 40.0
    speed: float = 3.0
    """Pixels per frame, to the right."""
    tall: float = 90.0
    swings: float = 1.6
    """Steps a second."""

    def __call__(self, scene: np.ndarray, frame: int) -> None:
        x, tall = self.x + self.speed * frame, self.tall
        hip, neck = GROUND - 0.48 * tall, GROUND - 0.82 * tall
        swing = np.sin(2 * np.pi * self.swings * frame / FPS)
        for side, dark in ((-1, 0.7), (1, 1.0)):
            blue = tuple(int(v * dark) for v in (30, 40, 230))
            red = tuple(int(v * dark) for v in (230, 30, 40))
            _limb(scene, (x, hip), (x + side * swing * 0.24 * tall, GROUND), blue, 0.11 * tall)
            hand = x - side * swing * 0.2 * tall, hip
            _limb(scene, (x, neck + 0.05 * tall), hand, red, 0.07 * tall)
        _limb(scene, (x, neck + 0.06 * tall), (x, hip), (240, 60, 30), 0.2 * tall)
        head = int(x), int(neck - 0.08 * tall)
        cv2.circle(scene, head, int(0.08 * tall), (250, 200, 170), -1, cv2.LINE_AA)


def _limb(
    scene: np.ndarray,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: tuple[int, int, int],
    thickness: float,
) -> None:
    ends = [tuple(round(v) for v in point) for point in (start, end)]
    cv2.line(scene, ends[0], ends[1], colour, max(1, int(thickness)), cv2.LINE_AA)


def block(width: int, height: int, speed: float) -> Painter:
    """A rigid box in two colours: a car, or a cupboard on wheels."""

    def paint(scene: np.ndarray, frame: int) -> None:
        left = int(30 + speed * frame)
        cv2.rectangle(scene, (left, GROUND - height), (left + width, GROUND), (30, 30, 230), -1)
        middle = GROUND - height // 2
        cv2.rectangle(scene, (left, GROUND - height), (left + width, middle), (240, 220, 20), -1)

    return paint


def ball(radius: int, speed: float) -> Painter:
    """A ball that bounces."""

    def paint(scene: np.ndarray, frame: int) -> None:
        y = GROUND - radius - int(60 * abs(np.sin(frame / 6)))
        centre = int(40 + speed * frame), y
        cv2.circle(scene, centre, radius, (250, 120, 10), -1, cv2.LINE_AA)

    return paint


def dog(scene: np.ndarray, frame: int) -> None:
    """A long body on four legs that swing."""
    x, swing = 40 + 3.0 * frame, np.sin(2 * np.pi * 2 * frame / FPS)
    for at, side in ((-22, 1), (-18, -1), (18, 1), (22, -1)):
        _limb(scene, (x + at, GROUND - 22), (x + at + side * swing * 9, GROUND), (80, 40, 10), 5)
    _limb(scene, (x - 22, GROUND - 28), (x + 22, GROUND - 28), (110, 60, 20), 16)
    cv2.circle(scene, (int(x + 33), GROUND - 40), 9, (110, 60, 20), -1, cv2.LINE_AA)


def leaves(scene: np.ndarray, frame: int) -> None:
    """A tall bush whose leaves flutter, each by itself."""
    random = np.random.default_rng(frame)
    for x, y in np.random.default_rng(1).uniform((100, 40), (140, GROUND), (60, 2)):
        dx, dy = random.normal(0, 4, 2)
        cv2.circle(scene, (int(x + dx), int(y + dy)), 5, (20, 200, 30), -1, cv2.LINE_AA)


def left_behind(scene: np.ndarray, frame: int) -> None:
    """A figure who stands still for two thirds of the time, and is gone after that."""
    if frame < 40:
        Walker(x=110, speed=0, swings=0)(scene, frame)


def nothing(scene: np.ndarray, frame: int) -> None:
    """Nothing moves."""


def still(frame: int) -> np.ndarray:
    """A camera on a tripod."""
    return np.array([[1.0, 0, 0], [0, 1, 0]])


def shaky(frame: int) -> np.ndarray:
    """A camera in a hand that trembles by a few pixels and turns by a degree."""
    turn = np.radians(0.6 * np.sin(frame / 3.1))
    x, y = 4 * np.sin(frame / 2.3) + 2 * np.sin(frame / 0.9), 3 * np.cos(frame / 2.9) - 4
    cos, sin = np.cos(turn), np.sin(turn)
    return np.array([[cos, -sin, x - 6], [sin, cos, y]])


def panning(frame: int) -> np.ndarray:
    """A camera that turns slowly to the right."""
    return np.array([[1.0, 0, -0.8 * frame], [0, 1, 0]])


def zooming(frame: int) -> np.ndarray:
    """A camera that zooms in slowly."""
    zoom = 1 + 0.003 * frame
    return np.array([[zoom, 0, -(zoom - 1) * 60], [0, zoom, -(zoom - 1) * 100]])


def whirling(frame: int) -> np.ndarray:
    """A camera that swings about too fast to show the same place for a second."""
    x = 110 * np.sin(frame / 2.0)
    return np.array([[1.0, 0, x - 115], [0, 1, 60 * np.sin(frame / 1.3) - 70]])


def filmed(
    paint: Painter,
    camera: Camera,
    frames: int = 60,
    noise: float = 2.0,
    light: Callable[[int], float] = lambda frame: 1.0,
) -> list[np.ndarray]:
    """Pictures uint8 (HEIGHT, WIDTH, 3) of what a painter paints before the scenery."""
    random, empty, made = np.random.default_rng(0), scenery(), []
    for frame in range(frames):
        scene = empty.copy()
        paint(scene, frame)
        seen = cv2.warpAffine(scene, camera(frame), (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
        bright = seen * light(frame) + random.normal(0, noise, seen.shape)
        made.append(bright.clip(0, 255).astype(np.uint8))
    return made


def truth(paint: Painter, camera: Camera, frame: int) -> np.ndarray:
    """The box of what a painter paints, float32 (4,), pixels of the picture."""
    blank = np.zeros((WORLD[1], WORLD[0], 3), np.uint8)
    paint(blank, frame)
    seen = cv2.warpAffine(blank.max(axis=2), camera(frame), (WIDTH, HEIGHT))
    x, y, width, height = cv2.boundingRect((seen > 10).astype(np.uint8))
    return np.float32([x, y, x + width, y + height])
