"""Self-made clips that cost an encoder what real ones do, and a shard of them as tables.

A textured ground pans by parts of a pixel, a figure with swinging limbs walks over it, and every
frame has a sensor's noise. The boxes shake as a detector's do, so hardly any two sizes of the
occluder are equal. Every frame has a box: the most that the compositor can be asked to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from occludenet_build import select
from occludenet_build.compositing.jobs import clip_path
from occludenet_build.compositing.render import ClipJob
from occludenet_build.config import Composite
from occludenet_build.core import tables
from occludenet_build.core.files import sha256_file
from occludenet_build.core.video.synth import write_video
from occludenet_build.detect import BOXES

FPS = 25
_NOISE = 5.0  # standard deviation, levels; costs an encoder what the real clips of these sizes do
_RATE = 44_100

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Clip:
    """One source clip; `number` seeds all that is random in it."""

    folder: Path
    number: int
    size: tuple[int, int]
    frames: int

    @property
    def name(self) -> str:
        return f"walk-{self.number}-{self.size[0]}x{self.size[1]}"

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.mp4"

    @cached_property
    def boxes(self) -> list[Box]:
        """The figure's box in each frame, shaken by up to 1 % of its height."""
        width, height = self.size
        rng = np.random.default_rng(self.number)
        tall, found = 0.62 * height, []
        for number in range(self.frames):
            centre = (0.3 + 0.4 * number / self.frames) * width
            x1, y1, x2, y2 = centre - 0.2 * tall, 0.2 * height, centre + 0.2 * tall, 0.82 * height
            shake = rng.normal(0, 0.004 * tall, 4)
            found.append(tuple(float(v) for v in np.array([x1, y1, x2, y2]) + shake))
        return found

    def write(self) -> None:
        seconds = self.frames / FPS
        times = np.arange(int(seconds * _RATE)) / _RATE
        hiss = np.random.default_rng(self.number).normal(0, 0.02, times.size)
        sound = (0.2 * np.sin(2 * np.pi * 330 * times) + hiss).astype(np.float32)
        options = {"crf": "23"}
        pictures, rate = self._pictures(), Fraction(FPS)
        write_video(self.path, pictures, rate, audio=sound, sample_rate=_RATE, options=options)

    def _pictures(self) -> Iterator[np.ndarray]:
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
    """A textured bag with a hard alpha, of the size that COCO's large instances have."""
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


@dataclass(frozen=True)
class Shard:
    """Clips of one size, written with the tables that the room reads."""

    folder: Path
    clips: tuple[Clip, ...]

    @property
    def cutout(self) -> Path:
        return self.folder / "bank" / "bag.png"

    def write(self) -> Shard:
        write_cutout(self.cutout)
        for clip in self.clips:
            clip.path.parent.mkdir(parents=True, exist_ok=True)
            clip.write()
        tables.write(tables.from_rows(map(self._row, self.clips), select.CLIPS), self.table)
        for clip in self.clips:
            path = self.folder / "detect" / clip.name / "detail.parquet"
            tables.write(tables.from_rows(_box_rows(clip), BOXES), path)
        return self

    @property
    def table(self) -> Path:
        return self.folder / "select" / "000.parquet"

    def _row(self, clip: Clip) -> dict[str, Any]:
        row = {"clip": clip.name, "status": "ok", "path": str(clip.path), "label": "walking"}
        row |= {"split": "test", "category": "suitcase", "occluder": "bag.png", "fps": FPS}
        row |= {"detect_shard": clip.name, "boxes_hash": clip.name, "occluder_file": "bag.png"}
        row |= {"sha256": sha256_file(clip.path), "occluder_sha256": sha256_file(self.cutout)}
        return row | {"frames": clip.frames, "duration_seconds": clip.frames / FPS}

    def job(self, clip: Clip, settings: Composite, root: Path) -> ClipJob:
        """What the room makes of a clip's row."""
        name = settings.dataset, "test"
        return ClipJob(
            clip=clip.name,
            source=clip.path,
            frames=clip.frames,
            boxes={number: (box, False) for number, box in enumerate(clip.boxes)},
            cutout=self.cutout,
            root=root,
            targets={s: clip_path(*name, s, "walking", clip.name) for s in settings.scales},
            clean=None,
        )


def _box_rows(clip: Clip) -> list[dict[str, Any]]:
    same = {"clip": clip.name, "score": 0.9, "track": 0, "actor": True, "filled": False}
    return [
        same | {"frame": number} | dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
        for number, box in enumerate(clip.boxes)
    ]
