"""Drawn clips that take an encoder about as long as real ones.

A textured background pans by fractions of a pixel, a figure with swinging limbs walks across it,
and every frame has sensor noise. The boxes jitter like a detector's. Either every frame has a box,
which is the largest amount of work for composite, or 70 % of the frames, in two stretches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np

from occludenet_build.media.imaging import masks
from occludenet_build.media.video.synth import write_video

FPS = 25

Present = tuple[tuple[float, float], ...]
"""Intervals in which the actor is in the picture: start and end, as shares of the clip."""
ALWAYS: Present = ((0.0, 1.0),)
MOSTLY: Present = ((0.0, 0.45), (0.6, 0.85))
"""70 % of the time, in two stretches."""

_NOISE = 5.0
"""Standard deviation, levels; makes encoding take as long as with real clips of these sizes."""
_RATE = 44_100

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Clip:
    """One source clip; `number` is the seed of its random numbers."""

    folder: Path
    number: int
    size: tuple[int, int]
    frames: int
    present: Present = ALWAYS
    still: bool = False
    """The same picture in every frame: fast to encode, with the same memory."""

    @property
    def name(self) -> str:
        return f"walk-{self.number}-{self.size[0]}x{self.size[1]}"

    @property
    def label(self) -> str:
        """Its class."""
        return "walking"

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.mp4"

    @cached_property
    def boxes(self) -> dict[int, Box]:
        """Frame -> the figure's box, with jitter of up to 1 % of its height."""
        width, height = self.size
        rng = np.random.default_rng(self.number)
        tall, boxes = 0.62 * height, {}
        for number in self._frames_with_actor():
            centre = (0.3 + 0.4 * number / self.frames) * width
            x1, y1, x2, y2 = centre - 0.2 * tall, 0.2 * height, centre + 0.2 * tall, 0.82 * height
            jitter = rng.normal(0, 0.004 * tall, 4)
            boxes[number] = tuple(float(v) for v in np.array([x1, y1, x2, y2]) + jitter)
        return boxes

    def _frames_with_actor(self) -> Iterator[int]:
        for start, end in self.present:
            yield from range(round(start * self.frames), round(end * self.frames))

    @cached_property
    def masks(self) -> dict[int, bytes]:
        """Frame -> mask of an ellipse in the box, COCO RLE counts."""
        return {number: masks.encode(self._ellipse(box)) for number, box in self.boxes.items()}

    def _ellipse(self, box: Box) -> np.ndarray:
        """bool (H, W)"""
        x1, y1, x2, y2 = box
        drawn = np.zeros(self.size[::-1], np.uint8)
        cv2.ellipse(drawn, (((x1 + x2) / 2, (y1 + y2) / 2), (x2 - x1, y2 - y1), 0), 1, -1)
        return drawn.astype(bool)

    def write(self) -> None:
        """Encode the clip, with sound, into `path`."""
        seconds = self.frames / FPS
        times = np.arange(int(seconds * _RATE)) / _RATE
        hiss = np.random.default_rng(self.number).normal(0, 0.02, times.size)
        sound = (0.2 * np.sin(2 * np.pi * 330 * times) + hiss).astype(np.float32)
        options = {"crf": "23"}
        pictures, rate = self._pictures(), Fraction(FPS)
        write_video(self.path, pictures, rate, audio=sound, sample_rate=_RATE, options=options)

    def _pictures(self) -> Iterator[np.ndarray]:
        moving = self._moving_pictures()
        return repeat(next(moving), self.frames) if self.still else moving

    def _moving_pictures(self) -> Iterator[np.ndarray]:
        width, height = self.size
        rng = np.random.default_rng(self.number)
        ground = _texture(rng, width + self.frames + 8, height + 8, 40)
        cloth = _texture(rng, width, height, 12)
        noise = rng.normal(0, _NOISE, (2 * height, 2 * width, 3)).astype(np.float32)
        for number in range(self.frames):
            sway = 3 * np.sin(number / 5)  # a hand-held camera
            pan = np.float32([[1, 0, -0.7 * number - 4 - sway], [0, 1, -4 - sway / 2]])
            picture = cv2.warpAffine(ground, pan, (width, height))
            figure = self._figure(number)
            picture = picture * (1 - figure) + cloth * figure
            top, left = rng.integers(height), rng.integers(width)
            picture += noise[top : top + height, left : left + width]
            yield np.clip(picture, 0, 255).astype(np.uint8)

    def _figure(self, number: int) -> np.ndarray:
        """Head, trunk and four swinging limbs: float32 (H, W, 1) in 0 to 1."""
        width, height = self.size
        tall, middle = 0.62 * height, (0.3 + 0.4 * number / self.frames) * width
        drawn = np.zeros((height, width), np.uint8)
        thick = max(2, round(tall / 11))

        def point(x: float, y: float) -> tuple[int, int]:
            return round(middle + x * tall), round(0.2 * height + y * tall)

        cv2.circle(drawn, point(0, 0.08), round(tall * 0.075), 255, -1)
        cv2.line(drawn, point(0, 0.2), point(0, 0.55), 255, 2 * thick)
        swing = 0.16 * np.sin(number / 4)
        for side in (-1, 1):
            cv2.line(drawn, point(0, 0.22), point(side * swing, 0.52), 255, thick)
            cv2.line(drawn, point(0, 0.55), point(-side * swing, 0.97), 255, thick)
        return cv2.GaussianBlur(drawn, (3, 3), 0)[:, :, None].astype(np.float32) / 255


def _texture(rng: np.random.Generator, width: int, height: int, contrast: float) -> np.ndarray:
    """Noise of several grain sizes, coarse strongest: float32 (H, W, 3), 0 to 255."""
    picture = np.full((height, width, 3), 120, np.float32)
    for octave in range(5):
        grain = max(1, height // (4 << octave))
        small = rng.normal(0, 1, (height // grain + 2, width // grain + 2, 3))
        layer = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        picture += layer * contrast * 0.6**octave
    return picture


def write_cutout(path: Path) -> None:
    """Write a textured bag with binary alpha, as large as a large COCO instance."""
    rng = np.random.default_rng(0)
    height, width = 380, 300
    rgba = np.zeros((height, width, 4), np.uint8)
    rgba[:, :, :3] = np.clip(_texture(rng, width, height, 30), 0, 255)
    alpha = np.zeros((height, width), np.uint8)
    cv2.ellipse(alpha, (150, 225), (148, 153), 0, 0, 360, 255, -1)
    cv2.ellipse(alpha, (150, 80), (60, 70), 0, 0, 360, 255, 22)
    rgba[:, :, 3] = alpha
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", rgba)[1].tobytes())
