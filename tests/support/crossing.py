"""Drawn scenes of a fixed camera with people at different depth, and who hides whom in them.

The picture is painted from the back to the front, so that the whole and the visible mask of
everybody, and the share of them that is hidden, are known in every frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from occludenet_build.media.imaging import masks
from occludenet_build.media.video.synth import write_video
from occludenet_build.occlusion.measure.scene import Scene

WIDTH, HEIGHT, FPS = 320, 240, 20
HORIZON = 40
"""Row in which somebody's feet are infinitely far away."""


@dataclass(frozen=True)
class Passer:
    """A figure that walks from x `start` to `stop` over the clip; `feet`: row of its soles."""

    start: float
    stop: float
    feet: int
    shirt: tuple[int, int, int]
    trousers: tuple[int, int, int]
    steps: float = 1.6
    """Steps a second."""

    @property
    def tall(self) -> float:
        return 0.72 * (self.feet - HORIZON)

    def paint(self, picture: np.ndarray, frame: int, frames: int) -> None:
        x = self.start + (self.stop - self.start) * frame / max(1, frames - 1)
        tall, feet = self.tall, self.feet
        hip, neck = feet - 0.48 * tall, feet - 0.82 * tall
        swing = np.sin(np.pi * self.steps * frame / FPS)
        for side, dark in ((-1, 0.75), (1, 1.0)):
            cloth = tuple(int(v * dark) for v in self.trousers)
            sleeve = tuple(int(v * dark) for v in self.shirt)
            foot = x + side * swing * 0.17 * tall
            _limb(picture, (x, hip), (foot, feet - 0.05 * tall), cloth, 0.1 * tall)
            hand = x - side * swing * 0.14 * tall
            _limb(picture, (x, neck + 0.06 * tall), (hand, hip), sleeve, 0.07 * tall)
        _limb(picture, (x, neck + 0.08 * tall), (x, hip), self.shirt, 0.2 * tall)
        head = round(x), round(neck - 0.07 * tall)
        cv2.circle(picture, head, round(0.08 * tall), (225, 180, 150), -1)


@dataclass(frozen=True)
class Desk:
    """A box that stands on the ground; `y2` is where it stands."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def feet(self) -> int:
        return self.y2

    def paint(self, picture: np.ndarray, frame: int, frames: int) -> None:
        cv2.rectangle(picture, (self.x1, self.y1), (self.x2 - 1, self.y2 - 1), (120, 80, 40), -1)
        cv2.rectangle(picture, (self.x1, self.y1), (self.x2 - 1, self.y1 + 5), (160, 110, 60), -1)


@dataclass
class Crossing:
    """A drawn clip with its truth."""

    things: list[Passer | Desk]
    frames: int = 70
    pictures: list[np.ndarray] = field(default_factory=list)
    whole: dict[int, list[np.ndarray]] = field(default_factory=dict)
    """Number in `things` -> mask bool (H, W) of every frame, as if nothing were in front."""
    visible: dict[int, list[np.ndarray]] = field(default_factory=dict)
    """Number in `things` -> what is seen of it."""

    def __post_init__(self) -> None:
        order = sorted(range(len(self.things)), key=lambda n: self.things[n].feet)
        random, ground = np.random.default_rng(0), _ground()
        for frame in range(self.frames):
            picture, owner = ground.copy(), np.full((HEIGHT, WIDTH), -1)
            for number in order:
                mask = self._mask(number, frame)
                self.things[number].paint(picture, frame, self.frames)
                owner[mask] = number
                self.whole.setdefault(number, []).append(mask)
            for number in order:
                self.visible.setdefault(number, []).append(owner == number)
            noise = random.normal(0, 2, picture.shape)
            self.pictures.append((picture + noise).clip(0, 255).astype(np.uint8))

    def _mask(self, number: int, frame: int) -> np.ndarray:
        blank = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        self.things[number].paint(blank, frame, self.frames)
        return blank.any(axis=2)

    @property
    def people(self) -> list[int]:
        return [n for n, thing in enumerate(self.things) if isinstance(thing, Passer)]

    def hidden(self, number: int, frame: int) -> float:
        """Hidden share of somebody, 0 to 1; nan outside the picture."""
        whole = np.count_nonzero(self.whole[number][frame])
        return 1 - np.count_nonzero(self.visible[number][frame]) / whole if whole else np.nan

    def hides(self, front: int, rear: int, frame: int) -> float:
        """Share of `rear` that `front` hides, as far as both overlap, 0 to 1."""
        both = self.whole[front][frame] & self.whole[rear][frame]
        if self.things[front].feet < self.things[rear].feet:
            return 0.0
        return np.count_nonzero(both) / max(1, np.count_nonzero(self.whole[rear][frame]))

    def boxes(self, number: int) -> dict[int, np.ndarray]:
        """Frame -> the box of what is seen, as a detector finds it: not of less than 20 %."""
        found = {}
        for frame, mask in enumerate(self.visible[number]):
            if np.count_nonzero(mask) > 60 and self.hidden(number, frame) < 0.8:
                x, y, w, h = cv2.boundingRect(mask.view(np.uint8))
                found[frame] = np.float32([x, y, x + w, y + h])
        return found

    def scene(self, wobble: int = 0) -> Scene:
        """What a good masker would give; `wobble`: pixels by which its contours are off."""
        random = np.random.default_rng(1)
        boxes = {(0, n): self.boxes(n) for n in self.people}
        found = {
            key: {f: masks.encode(wobbled(self.visible[key[1]][f], wobble, random)) for f in some}
            for key, some in boxes.items()
        }
        return Scene((HEIGHT, WIDTH), self.frames, float(FPS), boxes, found, static=self.static)

    @property
    def static(self) -> dict[str, np.ndarray]:
        """Name -> mask of the desks, as the user draws them."""
        desks = [n for n, thing in enumerate(self.things) if isinstance(thing, Desk)]
        return {f"desk {n}" if n else "desk": self.whole[n][0] for n in desks}

    def write(self, path: Path) -> Path:
        """Write the clip as a video."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, self.pictures, Fraction(FPS), options={"preset": "ultrafast"})
        return path


def _ground() -> np.ndarray:
    random = np.random.default_rng(5)
    total = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for cells, weight in ((6, 20), (30, 14)):
        small = random.normal(0, weight, (cells, cells, 3)).astype(np.float32)
        total += cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return (150 + total).clip(0, 255).astype(np.uint8)


def _limb(picture: np.ndarray, start, end, colour, thickness: float) -> None:
    ends = [tuple(round(v) for v in point) for point in (start, end)]
    cv2.line(picture, ends[0], ends[1], colour, max(1, round(thickness)))


def wobbled(mask: np.ndarray, pixels: int, random: np.random.Generator) -> np.ndarray:
    """A mask whose contour is off by up to about `pixels`, differently along it."""
    if not pixels:
        return mask
    small = random.normal(0, 1, (24, 32)).astype(np.float32)
    shift = cv2.resize(small, mask.shape[::-1], interpolation=cv2.INTER_LINEAR) * pixels
    out = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    return out - inside < shift


RED, BLUE, GREEN = (
    ((200, 40, 40), (60, 30, 30)),
    ((40, 60, 210), (30, 30, 80)),
    ((40, 140, 60), (70, 60, 40)),
)
SCENES = {
    "two": [Passer(20, 300, 200, *RED), Passer(300, 30, 225, *BLUE)],
    "three": [
        Passer(20, 300, 190, *GREEN),
        Passer(300, 30, 208, *RED),
        Passer(60, 280, 230, *BLUE, steps=2.0),
    ],
    "desk": [Desk(120, 140, 200, 200), Passer(20, 300, 190, *RED), Passer(310, 20, 222, *BLUE)],
    "close": [Passer(90, 210, 205, *RED), Passer(110, 190, 212, *BLUE, steps=1.9)],
}
"""Scenes by name."""
