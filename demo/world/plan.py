"""The clips of the mini-world, and the background of each. Draws nothing."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import PurePosixPath

from demo.world.actions import ACTIONS
from demo.world.scenery import BACKGROUNDS
from occludenet_build.core.seeds import rng, uniform, uniform_integer

SPLITS = ("train", "val", "test")
TIED = dict(zip(ACTIONS, BACKGROUNDS, strict=True))
"""Action -> background that correlates with it in train."""

_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True)
class Settings:
    """Settings of a mini-world."""

    seed: int = 0
    train: int = 24
    """Number of clips per class, as are `val` and `test`."""
    val: int = 3
    test: int = 15
    width: int = 144
    """Width of a frame, px, even, as is `height`."""
    height: int = 112
    seconds: float = 2.0
    fps: int = 12
    shortcut: float = 0.4
    """Share of the training clips of a class with the background tied to it, 0 to 1; 0.2 is no
    correlation. From about 0.6 on, a small network with so few clips learns only the background."""
    images: int = 14
    """Number of COCO images per occluder type."""
    truth: bool = False
    """Whether to write the ground-truth masks and boxes of the figures."""

    @property
    def frames(self) -> int:
        """Number of frames of a clip."""
        return round(self.seconds * self.fps)

    @property
    def rate(self) -> Fraction:
        """Frame rate, frames per second."""
        return Fraction(self.fps)


@dataclass(frozen=True)
class Clip:
    """A video; `name` is unique in the mini-world."""

    split: str
    label: str
    name: str
    background: str

    @property
    def path(self) -> PurePosixPath:
        """Path of the video, relative to the folder of the mini-world."""
        return PurePosixPath("videos", self.split, self.label, f"{self.name}.mp4")

    @property
    def truth_path(self) -> PurePosixPath:
        """Path of masks and boxes, relative to the folder of the mini-world."""
        return PurePosixPath("truth", self.split, self.label, f"{self.name}.npz")


def plan(settings: Settings) -> list[Clip]:
    """All clips, in the order of split, class and number.

    A clip depends only on seed, split, class and number: with more clips per class, the first ones
    stay the same.
    """
    return [
        _clip(settings, split, label, number)
        for split in SPLITS
        for label in ACTIONS
        for number in range(getattr(settings, split))
    ]


def _clip(settings: Settings, split: str, label: str, number: int) -> Clip:
    item = (split, label, str(number))
    random = rng(settings.seed, "miniworld", "name", *item)
    youtube_id = "".join(random.choice(list(_ID_LETTERS), 11))
    start = int(random.integers(0, 280))
    name = f"{youtube_id}_{start:06d}_{start + max(1, round(settings.seconds)):06d}"
    kind = _tied(settings, label, number) if split == "train" else _crossed(settings, item, number)
    return Clip(split, label, name, kind)


def _tied(settings: Settings, label: str, number: int) -> str:
    """The tied background, with evenly spaced exceptions that alternate among the others.

    The exceptions are counted, not drawn at random, so that the share is exact for few clips.
    """
    loose = 1 - settings.shortcut
    offset = uniform(settings.seed, "miniworld", "loose", label)
    before, after = floor(number * loose + offset), floor((number + 1) * loose + offset)
    if after == before:
        return TIED[label]
    others = [kind for kind in BACKGROUNDS if kind != TIED[label]]
    first = uniform_integer(settings.seed, "miniworld", "other", label)
    return others[(first + after) % len(others)]


def _crossed(settings: Settings, item: tuple[str, ...], number: int) -> str:
    """Every background equally often for every action, including the tied one.

    The background then has no information about the action, and a network that uses only the
    background is at chance. Without the tied background, it would exclude one action.
    """
    first = uniform_integer(settings.seed, "miniworld", "crossed", *item[:2])
    kinds = list(BACKGROUNDS)
    return kinds[(first + number) % len(kinds)]
