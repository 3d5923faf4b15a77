"""The place of a recorded take: floor, walls or sky, and furniture that hides what is behind it.

Every picture of it is computed from one place in space, so that all cameras see the same room.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from demo.world.body import Layer
from demo.world.cameras import Camera
from demo.world.paint import clouds

HALF = 6.2
"""Half the length of the room's sides, metres."""
TALL = 3.2
_TILES = 256
"""Pixels of a side of the textures of the floor and of the walls."""
LIGHT = np.array([-0.45, 0.25, 0.86])


@dataclass(frozen=True)
class Box:
    """A piece of furniture: an upright box on the floor, metres and radians."""

    name: str
    place: tuple[float, float]
    turn: float
    size: tuple[float, float, float]
    colour: tuple[float, float, float]

    @property
    def corners(self) -> np.ndarray:
        """The lower and the upper four corners: float64 (8, 3)."""
        length, depth, height = self.size
        flat = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * (length / 2, depth / 2)
        cosine, sine = math.cos(self.turn), math.sin(self.turn)
        flat = flat @ np.array([[cosine, sine], [-sine, cosine]]) + self.place
        low = np.column_stack([flat, np.zeros(4)])
        return np.concatenate([low, low + (0, 0, height)])


KINDS = {
    "table": ((0.9, 0.5, 0.74), (0.55, 0.36, 0.2)),
    "cabinet": ((0.6, 0.4, 1.15), (0.75, 0.72, 0.66)),
    "screen": ((0.95, 0.1, 1.5), (0.3, 0.42, 0.5)),
    "plant": ((0.42, 0.42, 1.25), (0.2, 0.42, 0.2)),
    "crate": ((0.6, 0.6, 0.55), (0.62, 0.5, 0.34)),
}
"""Name -> (length, depth and height in metres, colour)."""


def furnish(random: np.random.Generator, cameras: list[Camera], board: float | None) -> list[Box]:
    """Furniture on a ring around the middle, most of it before a camera.

    `board`: direction of the board to which the actor affixes a poster, radians; None: no board.
    """
    names = random.permutation(list(KINDS))
    found = []
    for number, camera in enumerate(cameras):
        aside = random.uniform(0.16, 0.42) * random.choice([-1, 1])
        found.append(
            _at(str(names[number]), camera.azimuth + aside, random.uniform(1.75, 2.1), random)
        )
    middle = cameras[0].azimuth + math.pi / 3 + random.uniform(-0.2, 0.2)
    found.append(_at(str(names[-1]), middle, random.uniform(2.0, 2.4), random))
    if board is not None:
        place = (0.62 * math.cos(board), 0.62 * math.sin(board))
        found.append(Box("board", place, board + math.pi / 2, (1.1, 0.06, 1.95), (0.66, 0.6, 0.5)))
    return found


def _at(name: str, angle: float, radius: float, random: np.random.Generator) -> Box:
    size, colour = KINDS[name]
    toned = np.clip(np.asarray(colour) * random.uniform(0.75, 1.25, 3), 0.05, 0.95)
    place = (radius * math.cos(angle), radius * math.sin(angle))
    turn = angle + math.pi / 2 + random.uniform(-0.4, 0.4)
    return Box(name, place, turn, size, tuple(toned.tolist()))


class Room:
    """The walls and the floor, or a lawn under the sky, drawn from a seed."""

    def __init__(self, random: np.random.Generator, outdoor: bool) -> None:
        """Draw the textures."""
        self.outdoor = outdoor
        self._floor = self._ground(random, outdoor)
        self._walls = self._sky(random) if outdoor else self._papered(random)

    @staticmethod
    def _ground(random: np.random.Generator, outdoor: bool) -> np.ndarray:
        grain = clouds(random, _TILES, _TILES, 40 if outdoor else 60, 5)[..., None]
        if outdoor:
            return (1 - grain) * (0.20, 0.34, 0.14) + grain * np.array((0.46, 0.56, 0.26))
        y, x = np.mgrid[0:_TILES, 0:_TILES] // (_TILES // 16)
        checker = (((x + y) % 2) * 0.16 + 0.84)[..., None]
        return np.array(random.uniform(0.42, 0.78, 3)) * checker * (0.88 + 0.2 * grain)

    @staticmethod
    def _papered(random: np.random.Generator) -> np.ndarray:
        """Wallpaper with pictures: rows are heights, columns go once around the room."""
        wall = np.ones((_TILES, 4 * _TILES, 3)) * random.uniform(0.5, 0.85, 3)
        wall *= 0.9 + 0.16 * clouds(random, _TILES, 4 * _TILES, 30, 4)[..., None]
        wall[round(0.68 * _TILES) :] *= random.uniform(0.55, 0.85, 3)
        for left in np.arange(20, 4 * _TILES - 90, random.integers(110, 150)):
            top, wide = int(random.integers(40, 80)), int(random.integers(40, 84))
            tall, colour = int(random.integers(40, 70)), random.uniform(0.15, 0.95, 3)
            wall[top : top + tall, left : left + wide] = colour
            wall[top + 5 : top + tall - 5, left + 5 : left + wide - 5] = 1 - 0.8 * colour
        return wall

    @staticmethod
    def _sky(random: np.random.Generator) -> np.ndarray:
        cloud = np.clip(clouds(random, _TILES, 4 * _TILES, 70, 5) * 2 - 0.8, 0, 1)[..., None]
        sky = (1 - cloud) * np.array((0.45, 0.64, 0.88)) + cloud * 0.94
        edge = 0.62 - 0.16 * clouds(random, 1, 4 * _TILES, (1.0, 40), 4)[0]
        hedge = np.arange(_TILES)[:, None] / _TILES > edge[None]
        sky[hedge] = np.array((0.16, 0.30, 0.14))
        return sky

    def seen_by(self, camera: Camera, scale: int = 2) -> np.ndarray:
        """The empty place: RGB, float32 (H, W, 3), 0 to 255."""
        rays, start = camera.rays(scale), camera.place
        with np.errstate(divide="ignore", invalid="ignore"):
            to_floor = np.where(rays[..., 2] < 0, -start[2] / rays[..., 2], np.inf)
            sides = (np.sign(rays[..., :2]) * HALF - start[:2]) / rays[..., :2]
        to_wall = np.where(np.isfinite(sides), sides, np.inf).min(axis=-1)
        ground = to_floor < to_wall
        hit = start + rays * np.where(ground, to_floor, to_wall)[..., None]
        tile = (hit[..., :2] / (2 * HALF) % 1 * _TILES).astype(int)
        around = (np.arctan2(hit[..., 1], hit[..., 0]) / (2 * np.pi) % 1 * 4 * _TILES).astype(int)
        up = np.clip((1 - hit[..., 2] / TALL) * _TILES, 0, _TILES - 1).astype(int)
        floor = self._floor[tile[..., 1], tile[..., 0]]
        picture = np.where(ground[..., None], floor, self._walls[up, around])
        faded = 1 - 0.05 * np.minimum(np.where(ground, to_floor, to_wall), 8)[..., None]
        size = (camera.width, camera.height)
        small = cv2.resize((picture * faded).astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return np.clip(small * 255, 0, 255)


_FACES = ((0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (4, 5, 6, 7))


def box_layer(box: Box, camera: Camera, random: np.random.Generator) -> Layer | None:
    """A piece of furniture as a camera sees it; None if it is out of the picture."""
    corners = box.corners
    pixels, _ = camera.project(corners)
    centre = corners.mean(axis=0)
    canvas: np.ndarray = np.zeros((camera.height, camera.width, 4), np.float32)
    for face in _FACES:
        points = corners[list(face)]
        normal = np.cross(points[1] - points[0], points[2] - points[1])
        normal *= np.sign(normal @ (points.mean(axis=0) - centre)) / np.linalg.norm(normal)
        if normal @ (camera.place - points[0]) <= 0:
            continue
        shape = np.zeros(canvas.shape[:2], np.uint8)
        outline = np.round(pixels[list(face)] * 16).astype(np.int32)
        cv2.fillConvexPoly(shape, outline, 255, cv2.LINE_AA, shift=4)
        light = 0.62 + 0.38 * max(float(normal @ LIGHT), 0)
        grain = 0.86 + 0.28 * clouds(random, camera.height, camera.width, 14, 3)
        colour = np.asarray(box.colour, np.float32) * 255 * light
        paint = np.dstack([colour * grain[..., None], np.full(shape.shape, 255.0)])
        cover = (shape / np.float32(255))[..., None]
        canvas = np.maximum(canvas * (1 - cover), 0) + paint.astype(np.float32) * cover
    return cropped(np.round(np.clip(canvas, 0, 255)).astype(np.uint8))


def cropped(canvas: np.ndarray) -> Layer | None:
    """The part of a premultiplied RGBA picture, uint8 (H, W, 4), that is not empty."""
    x, y, width, height = cv2.boundingRect((canvas[..., 3] > 0).astype(np.uint8))
    if not width:
        return None
    return canvas[y : y + height, x : x + width].copy(), x, y
