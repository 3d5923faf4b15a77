"""Which clips the mini-world has, and the background behind each. Draws nothing."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import PurePosixPath

from demo.world.actions import ACTIONS
from demo.world.scenery import BACKGROUNDS
from occludenet_build.core.seeds import integer, rng, unit

SPLITS = ("train", "val", "test")
TIED = dict(zip(ACTIONS, BACKGROUNDS, strict=True))
"""The background that goes with each action in training."""

_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True)
class Settings:
    """What makes one mini-world different from another."""

    seed: int = 0
    train: int = 24
    """Clips per class; so are `val` and `test`."""
    val: int = 3
    test: int = 15
    width: int = 144
    """Even, px; so is `height`."""
    height: int = 112
    seconds: float = 2.0
    fps: int = 12
    shortcut: float = 0.4
    """Share of a class's training clips before the background tied to it, 0..1; 0.2 would be
    none. From about 0.6 on a small network of this many clips reads nothing but the background."""
    images: int = 14
    """COCO pictures per occluder type."""
    truth: bool = False
    """Also write the figure's true masks and boxes."""

    @property
    def frames(self) -> int:
        return round(self.seconds * self.fps)

    @property
    def rate(self) -> Fraction:
        return Fraction(self.fps)


@dataclass(frozen=True)
class Clip:
    """One video. `name` is unique over the world, whatever the split."""

    split: str
    label: str
    name: str
    background: str

    @property
    def path(self) -> PurePosixPath:
        return PurePosixPath("videos", self.split, self.label, f"{self.name}.mp4")

    @property
    def truth_path(self) -> PurePosixPath:
        return PurePosixPath("truth", self.split, self.label, f"{self.name}.npz")


def plan(settings: Settings) -> list[Clip]:
    """Every clip of the world, in order of split, class and number.

    Class and number alone decide a clip: more clips per class leave the first ones as they are.
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
    """The tied background, but for evenly spread exceptions that go round the other kinds.

    Counted off instead of drawn, so that the share is exact in small worlds.
    """
    loose = 1 - settings.shortcut
    offset = unit(settings.seed, "miniworld", "loose", label)
    before, after = floor(number * loose + offset), floor((number + 1) * loose + offset)
    if after == before:
        return TIED[label]
    others = [kind for kind in BACKGROUNDS if kind != TIED[label]]
    first = integer(settings.seed, "miniworld", "other", label)
    return others[(first + after) % len(others)]


def _crossed(settings: Settings, item: tuple[str, ...], number: int) -> str:
    """Every kind equally often behind every action, the tied one too.

    So the background says nothing, and who looks at nothing else is right by chance. With the
    tied kind left out it would say what the action is not, and chance would be no floor.
    """
    first = integer(settings.seed, "miniworld", "crossed", *item[:2])
    kinds = list(BACKGROUNDS)
    return kinds[(first + number) % len(kinds)]
