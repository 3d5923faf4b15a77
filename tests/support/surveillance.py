"""A drawn scene of a fixed camera: figures that walk, with or without a wall in front of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from occludenet_build.media.video.synth import write_video

SIZE = 320, 200
FPS = 10
WALL = 30, 130, 230, 180
"""x1 y1 x2 y2 of the wall, pixels."""
FIGURE = 26, 84
"""Width and height of a figure, pixels."""


@dataclass(frozen=True)
class Walker:
    """A figure that walks from x `start` to `stop` between `begin` and `end`, in seconds."""

    begin: float
    end: float
    start: float
    stop: float
    feet: int = 168
    colour: tuple[int, int, int] = (30, 30, 60)

    def box(self, seconds: float) -> tuple[int, int, int, int] | None:
        """x1 y1 x2 y2 of the whole figure, pixels; None while it is absent."""
        if not self.begin <= seconds < self.end:
            return None
        share = (seconds - self.begin) / (self.end - self.begin)
        x = round(self.start + share * (self.stop - self.start))
        width, height = FIGURE
        return x, self.feet - height, x + width, self.feet


def pictures(
    walkers: list[Walker], seconds: float, wall: bool, before: list[Walker] = ()
) -> Iterator[np.ndarray]:
    """Yields pictures uint8 (H, W, 3); `before`: figures in front of the wall and the others."""
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    ground = (150 + 12 * np.sin(columns / 9) + 12 * np.cos(rows / 13)).astype(np.uint8)
    noise = np.random.default_rng(0)
    for number in range(round(seconds * FPS)):
        picture = np.repeat(ground[:, :, None], 3, axis=2)
        _draw(picture, walkers, number / FPS)
        if wall:
            x1, y1, x2, y2 = WALL
            picture[y1:y2, x1:x2] = (90, 60, 40)
        _draw(picture, list(before), number / FPS)
        grain = noise.normal(0, 1.5, picture.shape[:2])[..., None]
        yield np.clip(picture + grain, 0, 255).astype(np.uint8)


def _draw(picture: np.ndarray, walkers: list[Walker], seconds: float) -> None:
    for walker in walkers:
        box = walker.box(seconds)
        if box is None:
            continue
        x1, y1, x2, y2 = box
        middle, head = (x1 + x2) // 2, round(0.09 * (y2 - y1))
        cv2.circle(picture, (middle, y1 + head), head, (200, 160, 130), -1)
        hip = y1 + round(0.55 * (y2 - y1))
        cv2.rectangle(picture, (x1 + 3, y1 + 2 * head), (x2 - 4, hip), walker.colour, -1)
        swing = round(5 * np.sin(seconds * 5))
        for side in (-1, 1):
            foot = middle + side * (4 + swing)
            cv2.line(picture, (middle + side * 5, hip), (foot, y2 - 2), walker.colour, 7)


def write(path: Path, walkers: list[Walker], seconds: float, wall: bool, **options) -> Path:
    """Write the scene as a video."""
    before = options.pop("before", [])
    frames = pictures(walkers, seconds, wall, before)
    write_video(path, frames, Fraction(FPS), options={"preset": "ultrafast"}, **options)
    return path


def seen_boxes(clip: str, walkers: list[Walker], seconds: float, wall: bool) -> list[dict]:
    """Rows of a box file: boxes end at the wall's upper edge where it hides the feet."""
    rows = []
    for number in range(round(seconds * FPS)):
        for track, walker in enumerate(walkers):
            box = walker.box(number / FPS)
            if box is None:
                continue
            x1, y1, x2, y2 = box
            hidden = wall and WALL[0] <= (x1 + x2) / 2 < WALL[2] and WALL[1] < y2
            rows.append(
                {"clip": clip, "frame": number, "x1": max(0, x1), "y1": y1}
                | {"x2": min(SIZE[0], x2), "y2": WALL[1] if hidden else y2, "track": track}
            )
    return [row for row in rows if row["x2"] - row["x1"] > 4]
