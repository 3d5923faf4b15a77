"""A fixed camera above a ground plane, and the static things that it sees."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

SIZE = 384, 216
"""Width and height of the picture, pixels."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: x to the right, y up, z away from it along the ground, metres."""

    height: float
    """Height above the ground, metres."""
    pitch: float
    """Angle below the horizontal, radians."""
    focal: float
    """Focal length, pixels."""

    def project(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        """(column, row, pixels per metre) of a point."""
        down = self.height - y
        away = z * math.cos(self.pitch) + down * math.sin(self.pitch)
        below = down * math.cos(self.pitch) - z * math.sin(self.pitch)
        scale = self.focal / away
        return SIZE[0] / 2 + x * scale, SIZE[1] / 2 + below * scale, scale


def draw_camera(random: np.random.Generator) -> Camera:
    """A camera at 2.2 to 6 m that looks at the ground 7 to 10 m away, lower ones less steeply."""
    height = float(random.uniform(2.2, 6.0))
    pitch = math.atan2(height - 1.0, random.uniform(7.0, 10.0))
    return Camera(height, pitch, float(random.uniform(330, 420)))


@dataclass(frozen=True)
class Thing:
    """A static thing as the camera sees it."""

    kind: str
    z: float
    """Distance of its front, metres."""
    mask: np.ndarray
    """bool (H, W)."""
    colour: np.ndarray
    """uint8 (H, W, 3)."""


Corner = tuple[float, float, float]


def thing(
    kind: str, camera: Camera, faces: list[list[Corner]], random: np.random.Generator
) -> Thing:
    """A thing of faces, each with its corners in metres; later faces are nearer."""
    width, height = SIZE
    mask = np.zeros((height, width), np.uint8)
    colour = np.zeros((height, width, 3), np.float32)
    base = random.uniform(40, 215, 3)
    for face in faces:
        points = np.array([camera.project(*corner)[:2] for corner in face])
        one = np.zeros_like(mask)
        cv2.fillPoly(one, [np.round(points * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
        mask |= one
        colour[one > 0] = base * random.uniform(0.65, 1.15)
    grain = cv2.GaussianBlur(random.normal(0, 30, (height, width)).astype(np.float32), (0, 0), 1.5)
    colour += grain[..., None]
    return Thing(kind, faces[-1][0][2], mask > 0, np.clip(colour, 0, 255).astype(np.uint8))


def box_faces(x: float, z: float, width: float, height: float, depth: float) -> list[list[Corner]]:
    """Top and front of a box whose front's middle stands at (x, z)."""
    left, right, back = x - width / 2, x + width / 2, z + depth
    return [
        [(left, height, back), (right, height, back), (right, height, z), (left, height, z)],
        [(left, 0, z), (right, 0, z), (right, height, z), (left, height, z)],
    ]


def make(kind: str, camera: Camera, x: float, z: float, random: np.random.Generator) -> Thing:
    """A wall, desk, car, pillar or shrub whose front's middle stands at (x, z)."""
    if kind == "wall":
        faces = box_faces(x, z, random.uniform(5, 9), random.uniform(0.6, 1.2), 0.2)
    elif kind == "desk":
        faces = box_faces(x, z, random.uniform(1.8, 3.0), random.uniform(0.75, 1.05), 0.6)
    elif kind == "pillar":
        faces = box_faces(x, z, random.uniform(0.4, 0.8), 4.0, 0.3)
    elif kind == "car":
        low = box_faces(x, z, random.uniform(3.8, 4.6), 0.85, 1.6)
        cabin = [(x - 1.3, 0.8, z), (x + 1.3, 0.8, z), (x + 0.9, 1.4, z + 0.4),
                 (x - 0.9, 1.4, z + 0.4)]  # fmt: skip
        faces = [*low, cabin]
    else:
        faces = [_outline(x, z, random)]
    return thing(kind, camera, faces, random)


def _outline(x: float, z: float, random: np.random.Generator) -> list[Corner]:
    """The outline of a shrub."""
    width, height = random.uniform(2.0, 3.5), random.uniform(0.6, 1.2)
    turns = np.linspace(0, math.pi, 30)
    rough = 1 + random.normal(0, 0.05, 30)
    across, up = width / 2 * np.cos(turns) * rough, height * np.sin(turns) ** 0.5 * rough
    return [(x + float(a), float(max(0.0, u)), z) for a, u in zip(across, up, strict=True)]


def ground(camera: Camera, random: np.random.Generator) -> np.ndarray:
    """The empty place, uint8 (H, W, 3): a wall behind, and ground with tiles, lines or grass."""
    width, height = SIZE
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    down = (rows - height / 2) / camera.focal
    tilt = math.cos(camera.pitch) * down + math.sin(camera.pitch)
    with np.errstate(divide="ignore", invalid="ignore"):
        away = camera.height * (math.cos(camera.pitch) - math.sin(camera.pitch) * down) / tilt
    far = (tilt < 0.02) | (away > 26) | (away < 0)
    away = np.where(far, 26, away)
    x = (columns - width / 2) / camera.focal * (away * math.cos(camera.pitch))
    picture = np.empty((height, width, 3))
    picture[:] = random.uniform(70, 190, 3)
    kind = random.choice(["tiles", "lines", "grass", "plain"])
    if kind == "tiles":
        picture[((np.floor(x / 1.2) + np.floor(away / 1.2)) % 2) > 0] *= random.uniform(0.75, 0.92)
    elif kind == "lines":
        picture[np.abs(away - random.uniform(6, 9)) < 0.12] = 230
        picture[np.abs(away - random.uniform(9, 14)) < 0.15] *= 0.6
    rough = {"grass": 60}.get(str(kind), 15)
    grain = random.normal(0, rough, (height, width)).astype(np.float32)
    picture += cv2.GaussianBlur(grain, (0, 0), 1.0)[..., None]
    picture[far] = random.uniform(90, 220, 3)
    return np.clip(picture, 0, 255).astype(np.uint8)
