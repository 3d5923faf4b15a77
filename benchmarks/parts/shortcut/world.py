"""The mini-world with scenery tied to the action in training and crossed in test.

Clips are drawn as for the demo, but smaller. `others`: the same with the actions and sceneries of
parts.shortcut.others, on which --pretrained trains a network before the trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from demo.world import plan as drawing
from demo.world.actions import ACTIONS
from demo.world.clips import render
from demo.world.scenery import BACKGROUNDS
from parts.shortcut import others

LABELS = list(drawing.TIED)
OTHER_LABELS = list(others.ACTIONS)
UNTIED = 1 / len(LABELS)
"""Share of the own scenery at which scenery and action are independent."""
HEIGHT, FPS, SECONDS = 48, 6, 2.0
DILATE = 2
"""Pixels at HEIGHT; the figure is 30 px high there."""


@dataclass(frozen=True)
class World:
    """Clips per class and split, and the share of training clips with the action's own scenery."""

    seed: int
    tied: float
    train: int = 40
    test: int = 10
    crossed: int = 4
    """Other sceneries for each figure of the test; 4 are all."""
    missing: float = 0.0
    """Share of the actor's pixels that its masks miss: a connected part, such as the head."""
    height: int = HEIGHT
    """Height of a frame, px; the width is 4/3 of it."""
    others: bool = False

    @property
    def dilate(self) -> int:
        """Dilation of the masks, px."""
        return round(DILATE * self.height / HEIGHT)

    @property
    def _settings(self) -> drawing.Settings:
        return drawing.Settings(
            seed=self.seed,
            train=self.train,
            val=0,
            test=self.test,
            width=round(self.height * 2 / 3) * 2,
            height=self.height,
            fps=FPS,
            seconds=SECONDS,
            shortcut=self.tied,
        )

    @property
    def labels(self) -> list[str]:
        """The classes, in the order of the logits."""
        return OTHER_LABELS if self.others else LABELS

    def training(self) -> list[drawing.Clip]:
        """The training clips."""
        return self._of("train")

    def testing(self) -> list[drawing.Clip]:
        """The test clips: each figure, with equal movement, in its own scenery and in others."""
        return [
            replace(figure, background=scenery)
            for number, figure in enumerate(self._of("test"))
            for scenery in sceneries(figure.label, number, self.crossed)
        ]

    def _of(self, split: str) -> list[drawing.Clip]:
        return [self._named(clip) for clip in drawing.plan(self._settings) if clip.split == split]

    def _named(self, clip: drawing.Clip) -> drawing.Clip:
        """The clip with the names of the other world, where it is of that."""
        if not self.others:
            return clip
        scenery = list(others.BACKGROUNDS)[list(BACKGROUNDS).index(clip.background)]
        label = OTHER_LABELS[LABELS.index(clip.label)]
        return replace(clip, label=label, background=scenery)

    def drawn(self, clips: Sequence[drawing.Clip]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Pictures uint8 (T, H, W, 3) and the figure's true masks bool (T, H, W)."""
        kinds = (others.ACTIONS, others.BACKGROUNDS) if self.others else (ACTIONS, BACKGROUNDS)
        return [render(self._settings, clip, *kinds) for clip in clips]


def sceneries(label: str, number: int, crossed: int) -> list[str]:
    """The action's own scenery, then others, in rotation over the figures.

    >>> sceneries("marching", 0, 2), sceneries("marching", 1, 2)
    (['forest', 'street', 'kitchen'], ['forest', 'kitchen', 'beach'])
    """
    return [drawing.TIED[label], *drawing.other_backgrounds(label, number, crossed)]
