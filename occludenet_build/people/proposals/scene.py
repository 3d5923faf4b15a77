"""The empty scene before a fixed camera, and what stands out from it, a stretch at a time.

Light changes over a long video, so each stretch of STRETCH seconds has a scene of its own: the
median of its pictures. Who stands in one place for more than half of a stretch is part of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from occludenet_build.media.video.sample import at_even_times
from occludenet_build.media.video.source import reading, to_rgb

PER_SECOND = 2
"""Pictures that are looked at, per second."""
STRETCH = 120.0
"""Length of a stretch, seconds."""
SIDE = 360
"""Longer side of the pictures, pixels."""
_LEAST_STEP = 16.0
"""Least difference from the scene, grey levels of 255; what a codec alone does is less."""
_NOISES = 4.0
"""Least difference from the scene, standard deviations of the noise."""
_FIXED = 12.0
"""Noise of a camera that stands still, grey levels; of one that moves it is that of the edges."""
_EVERYTHING = 0.6
"""Share of a picture that stands out where the light was switched, or the camera turned."""
_COARSE, _CUT = (16, 12), 0.3
"""Size of a coarse picture, and how alike two in a row are at a cut, at most."""


@dataclass(frozen=True)
class SampledFrame:
    """One picture: uint8 (H, W, 3), RGB, small; `scale`: its pixels per pixel of the video."""

    frame: int
    seconds: float
    picture: np.ndarray
    scale: float


@dataclass(frozen=True)
class Stretch:
    """Pictures in order with the scene behind them."""

    frames: list[SampledFrame]
    scene: np.ndarray
    """float32 (H, W, 3)."""
    moving: np.ndarray
    """bool (T, H, W): what stands out from the scene."""
    fixed: bool
    """Whether the camera stands still; if not, `moving` says nothing."""
    cuts: list[float]
    """Seconds of the pictures that begin another shot."""

    def is_measurable(self, number: int) -> bool:
        """Whether `moving` says something of a picture: not where everything has changed."""
        return self.fixed and float(self.moving[number].mean()) < _EVERYTHING


def stretches(path: Path | str) -> Iterator[Stretch]:
    """The stretches of a video, in one pass. The last one is at least half as long as the others.

    Raises ItemError: what `reading` raises.
    """
    held: list[SampledFrame] = []
    for glimpse in sampled_frames(path):
        held.append(glimpse)
        if held[-1].seconds - held[0].seconds > 1.5 * STRETCH:
            edge = held[0].seconds + STRETCH
            yield make_stretch([g for g in held if g.seconds < edge])
            held = [g for g in held if g.seconds >= edge]
    if held:
        yield make_stretch(held)


def sampled_frames(path: Path | str) -> Iterator[SampledFrame]:
    """PER_SECOND pictures a second, at even times from the first frame."""
    with reading(path) as source:
        for number, seconds, frame in at_even_times(source, PER_SECOND):
            small, scale = downscaled(to_rgb(frame), SIDE)
            yield SampledFrame(number, float(seconds), small, scale)


def downscaled(picture: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """A picture whose longer side is at most `side`, and its scale."""
    height, width = picture.shape[:2]
    scale = min(1.0, side / max(height, width))
    if scale == 1.0:
        return picture, scale
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA), scale


def make_stretch(held: list[SampledFrame]) -> Stretch:
    pictures = np.stack([cv2.GaussianBlur(g.picture, (3, 3), 0) for g in held])
    some = pictures[:: max(1, len(pictures) // 60)]
    scene = np.median(some, axis=0).astype(np.float32)
    noise = _noise(some, scene)
    step = max(_LEAST_STEP, _NOISES * noise)
    moving = np.stack([_clean(_difference(picture, scene) > step) for picture in pictures])
    return Stretch(held, scene, moving, noise < _FIXED, _cuts(held, pictures))


def _difference(picture: np.ndarray, scene: np.ndarray) -> np.ndarray:
    """Largest difference of a colour, float32 (H, W), after what the exposure adds to all."""
    away = picture.astype(np.float32) - scene
    away -= np.median(away[::4, ::4].reshape(-1, 3), axis=0)
    return np.abs(away).max(axis=2)


def _noise(pictures: np.ndarray, scene: np.ndarray) -> float:
    """Standard deviation; most pixels show the scene most of the time."""
    every = max(1, len(pictures) // 20)
    away = [_difference(picture, scene)[::2, ::2] for picture in pictures[::every]]
    return 1.4826 * float(np.median(np.stack(away)))


def _clean(mask: np.ndarray) -> np.ndarray:
    kernel = np.ones((3, 3), np.uint8)
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    return cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel, iterations=2).astype(bool)


def _cuts(held: list[SampledFrame], pictures: np.ndarray) -> list[float]:
    """A moving camera changes all pixels, but not the coarse picture at once."""
    coarse = [cv2.resize(p, _COARSE, interpolation=cv2.INTER_AREA) for p in pictures]
    return [
        glimpse.seconds
        for before, after, glimpse in zip(coarse, coarse[1:], held[1:], strict=False)
        if _likeness(before, after) < _CUT
    ]


def _likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation, -1 to 1; 1 where there is nothing to compare."""
    one, other = (p.astype(np.float32).ravel() - float(p.mean()) for p in (first, second))
    spread = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float(one @ other) / spread if spread > 100 else 1.0
