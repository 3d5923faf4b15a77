"""The mini-world with scenery tied to the action in training and crossed in test, in memory.

Clips are drawn as for the demo, but smaller, and go to the product's training loop as pictures,
without a codec. Counterfactuals use the figure's true mask, so that the quality of masks has no
influence; the fills are those of composite, applied to R, G and B instead of Y, U and V.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from demo.world import plan as drawing
from demo.world.clips import render
from occludenet_build.media.imaging import masks as rle
from occludenet_build.media.video.planes import Layout
from occludenet_build.media.video.source import Display
from occludenet_build.occlusion.counterfactual import Eraser, Erasure, median_frames
from occludenet_build.recognition.clip_table import ClipRow
from occludenet_build.recognition.datasets import FrameReader

LABELS = list(drawing.TIED)
UNTIED = 1 / len(LABELS)
"""Share of the own scenery at which scenery and action are independent."""
WIDTH, HEIGHT, FPS, SECONDS = 64, 48, 6, 2.0
DILATE = 2
"""Pixels; the figure is 30 px high."""


@dataclass(frozen=True)
class World:
    """Clips per class and split, and the share of training clips with the action's own scenery."""

    seed: int
    tied: float
    train: int = 40
    test: int = 10
    crossed: int = 4
    """Other sceneries for each figure of the test; 4 are all."""

    @property
    def _settings(self) -> drawing.Settings:
        return drawing.Settings(
            seed=self.seed,
            train=self.train,
            val=0,
            test=self.test,
            width=WIDTH,
            height=HEIGHT,
            fps=FPS,
            seconds=SECONDS,
            shortcut=self.tied,
        )

    def training(self) -> list[drawing.Clip]:
        """The training clips."""
        return [clip for clip in drawing.plan(self._settings) if clip.split == "train"]

    def testing(self) -> list[drawing.Clip]:
        """The test clips: each figure, with equal movement, in its own scenery and in others."""
        figures = [clip for clip in drawing.plan(self._settings) if clip.split == "test"]
        return [
            replace(figure, background=scenery)
            for number, figure in enumerate(figures)
            for scenery in sceneries(figure.label, number, self.crossed)
        ]

    def drawn(self, clips: Sequence[drawing.Clip]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Pictures uint8 (T, H, W, 3) and the figure's masks bool (T, H, W)."""
        return [render(self._settings, clip) for clip in clips]


def sceneries(label: str, number: int, crossed: int) -> list[str]:
    """The action's own scenery, then others, in rotation over the figures.

    >>> sceneries("marching", 0, 2), sceneries("marching", 1, 2)
    (['forest', 'street', 'kitchen'], ['forest', 'kitchen', 'beach'])
    """
    names = list(drawing.TIED.values())
    own = names.index(drawing.TIED[label])
    others = [names[(own + 1 + step) % len(names)] for step in range(len(names) - 1)]
    return [names[own], *(others[(number + step) % len(others)] for step in range(crossed))]


class Memory(FrameReader):
    """Frames of pictures in memory, by name."""

    def __init__(self) -> None:
        super().__init__(Path(), HEIGHT, keep=True)
        self.pictures: dict[str, np.ndarray] = {}

    def of(self, file: str, numbers: Sequence[int]) -> np.ndarray:
        """Pictures of a clip, uint8 (T, H, W, 3)."""
        return self.pictures[file][list(numbers)]

    def put(self, clip: drawing.Clip, pictures: np.ndarray, erased: np.ndarray | None) -> ClipRow:
        """Store a clip, and its counterfactual if given; return the row that names them."""
        file = f"{clip.name} {clip.background}"
        self.pictures[file] = pictures
        other = None if erased is None else f"{file} erased"
        if other is not None and erased is not None:
            self.pictures[other] = erased
        return ClipRow(
            clip=file,
            set="clean",
            scale=0.0,
            split=clip.split,
            label=clip.label,
            file=file,
            file_hash=file,
            counterfactual=other,
            counterfactual_hash=other,
            frames=len(pictures),
            area_ratio=None,
            duration_ratio=None,
        )


class _Rgb(Layout):
    """Three planes at full resolution, with black at zero."""

    @property
    def black(self) -> tuple[int, int, int]:
        return 0, 0, 0


def erased(name: str, pictures: np.ndarray, masks: np.ndarray, fill: str) -> np.ndarray:
    """do(A = a): pictures uint8 (T, H, W, 3) with the masks bool (T, H, W), dilate_mask, filled."""
    rles = {number: rle.encode(mask) for number, mask in enumerate(masks)}
    layout = _Rgb(depth=8, sub_x=0, sub_y=0, full_range=True, matrix="bt601")
    eraser = Eraser(Erasure(fill, DILATE, 0, name), rles, layout, Display(WIDTH, HEIGHT))
    planes = [[np.ascontiguousarray(p) for p in np.moveaxis(frame, 2, 0)] for frame in pictures]
    for number in median_frames(len(planes)) if fill == "median" else ():
        eraser.add_to_median(number, planes[number])
    for number, frame in enumerate(planes):
        eraser.erase(number, frame)
    return np.stack([np.stack(frame, axis=-1) for frame in planes])
