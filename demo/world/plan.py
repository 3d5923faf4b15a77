"""The clips of the mini-world, and the background of each. Draws nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor
from pathlib import PurePosixPath

from demo.world.actions import ACTIONS
from demo.world.scenery import BACKGROUNDS
from occludenet_build.core.seeds import rng, uniform, uniform_integer

SPLITS = ("train", "val", "test")
TIED = dict(zip(ACTIONS, BACKGROUNDS, strict=True))
"""Action -> background that correlates with it in all splits."""
CROSSED = "crossed"
"""The set in which test figures are before backgrounds that are not tied to their action."""

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
    shortcut: float = 0.7
    """Share of the clips of a class and split with the background tied to it, 0 to 1; 0.2 is no
    correlation."""
    crossed: int = 1
    """Number of other backgrounds before which each test figure is also drawn, for the set
    crossed."""
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
    """A video; `name` stands for its figure and movement, and is unique in each split."""

    split: str
    label: str
    name: str
    background: str

    @property
    def path(self) -> PurePosixPath:
        """Path of the video, relative to the folder of the mini-world."""
        if self.split == CROSSED:  # not among the videos that a build starts from
            return PurePosixPath(CROSSED, self.background, self.label, f"{self.name}.mp4")
        return PurePosixPath("videos", self.split, self.label, f"{self.name}.mp4")

    @property
    def truth_path(self) -> PurePosixPath:
        """Path of masks and boxes, relative to the folder of the mini-world."""
        folders = (self.background,) if self.split == CROSSED else ()
        return PurePosixPath("truth", self.split, *folders, self.label, f"{self.name}.npz")


def plan(settings: Settings) -> list[Clip]:
    """The clips of the splits, in the order of split, class and number.

    A clip depends only on seed, split, class and number: with more clips per class, the first ones
    stay the same.
    """
    return [
        _clip(settings, split, label, number)
        for split in SPLITS
        for label in ACTIONS
        for number in range(getattr(settings, split))
    ]


def crossed(settings: Settings) -> list[Clip]:
    """The clips of the set crossed: every test figure, with equal movement, before others of the
    backgrounds than the one that is tied to its action, in rotation.

    A network that classifies the background is wrong in all of them.
    """
    figures = [clip for clip in plan(settings) if clip.split == "test"]
    return [
        replace(figure, split=CROSSED, background=kind)
        for number, figure in enumerate(figures)
        for kind in other_backgrounds(figure.label, number, settings.crossed)
    ]


def other_backgrounds(label: str, number: int, count: int) -> list[str]:
    """`count` of the backgrounds that are not tied to an action, in rotation over the figures.

    >>> other_backgrounds("marching", 0, 2), other_backgrounds("marching", 1, 2)
    (['street', 'kitchen'], ['kitchen', 'beach'])
    """
    names = list(BACKGROUNDS)
    own = names.index(TIED[label])
    others = names[own + 1 :] + names[:own]
    return [others[(number + step) % len(others)] for step in range(count)]


def _clip(settings: Settings, split: str, label: str, number: int) -> Clip:
    item = (split, label, str(number))
    random = rng(settings.seed, "miniworld", "name", *item)
    youtube_id = "".join(random.choice(list(_ID_LETTERS), 11))
    start = int(random.integers(0, 280))
    name = f"{youtube_id}_{start:06d}_{start + max(1, round(settings.seconds)):06d}"
    return Clip(split, label, name, _tied(settings, split, label, number))


def _tied(settings: Settings, split: str, label: str, number: int) -> str:
    """The tied background, with evenly spaced exceptions that alternate among the others.

    The exceptions are counted, not drawn at random, so that the share is exact for few clips.
    """
    of_split = () if split == "train" else (split,)
    loose = 1 - settings.shortcut
    offset = uniform(settings.seed, "miniworld", "loose", label, *of_split)
    before, after = floor(number * loose + offset), floor((number + 1) * loose + offset)
    if after == before:
        return TIED[label]
    others = [kind for kind in BACKGROUNDS if kind != TIED[label]]
    first = uniform_integer(settings.seed, "miniworld", "other", label, *of_split)
    return others[(first + after) % len(others)]
