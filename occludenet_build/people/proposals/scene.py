"""The empty scene of a fixed camera, and the pixels that differ from it, in stretches of a video.

Light changes over a long video, so each stretch of STRETCH seconds has its own scene: the median of
its pictures, without the pixels in people's boxes where enough others are left. A person who stays
in one place for almost all of a stretch is part of the scene.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from occludenet_build.media.video.sample import at_even_times
from occludenet_build.media.video.source import open_video, to_rgb

PER_SECOND = 2
"""Pictures that are analysed, per second."""
STRETCH = 120.0
"""Length of a stretch, seconds."""
SIDE = 360
"""Longest side of the analysed pictures, pixels."""
_LEAST_STEP = 16.0
"""Least difference from the scene that counts, grey levels of 255; coding noise is less."""
_NOISES = 4.0
"""Least difference from the scene that counts, standard deviations of the noise."""
_FIXED = 12.0
"""Noise below which the camera is fixed, grey levels; a moving camera makes edges noisy."""
_EVERYTHING = 0.6
"""Share of differing pixels from which the light was switched or the camera was turned."""
_FREE, _OFTEN = 6, 0.3
"""Pictures in which a pixel must lie in no box to be taken from these alone; share of pictures in
boxes below which the plain median will do."""
_WIDER = 0.08
"""Share of its size by which a box is enlarged on each side, for arms, feet and shadows."""
_COARSE, _CUT = (16, 12), 0.3
"""Width and height of a coarse picture, and largest correlation of two in a row at a cut."""


@dataclass(frozen=True)
class SampledFrame:
    """One analysed picture."""

    frame: int
    """Frame number from 0."""
    seconds: float
    """Time from the video's first frame."""
    picture: np.ndarray
    """uint8 (H, W, 3), RGB, downscaled."""
    scale: float
    """Its pixels per pixel of the video."""


@dataclass(frozen=True)
class Stretch:
    """Consecutive analysed pictures with their scene."""

    frames: list[SampledFrame]
    scene: np.ndarray
    """float32 (H, W, 3)."""
    moving: np.ndarray
    """bool (T, H, W): pixels that differ from the scene."""
    fixed: bool
    """Whether the camera is fixed; if not, `moving` has no meaning."""
    cuts: list[float]
    """Times of the first pictures of another shot, seconds."""

    def is_measurable(self, number: int) -> bool:
        """Whether `moving` has a meaning for a picture: not if the camera or the light changed."""
        return self.fixed and float(self.moving[number].mean()) < _EVERYTHING


Boxes = Mapping[int, np.ndarray]
"""Frame -> the boxes of all people in it, float (K, 4), x1 y1 x2 y2, pixels of the video."""


def stretches(path: Path | str, boxes: Boxes | None = None) -> Iterator[Stretch]:
    """Yields the stretches of a video, in one pass; `boxes`: float (K, 4) of the people by frame.

    The last one is at least half as long as the others. Raises ItemError where the video cannot be
    decoded.
    """
    held: list[SampledFrame] = []
    for sampled in sampled_frames(path):
        held.append(sampled)
        if held[-1].seconds - held[0].seconds > 1.5 * STRETCH:
            edge = held[0].seconds + STRETCH
            yield make_stretch([g for g in held if g.seconds < edge], boxes)
            held = [g for g in held if g.seconds >= edge]
    if held:
        yield make_stretch(held, boxes)


def sampled_frames(path: Path | str) -> Iterator[SampledFrame]:
    """Yields PER_SECOND pictures per second, at even times from the first frame."""
    with open_video(path) as source:
        for number, seconds, frame in at_even_times(source, PER_SECOND):
            small, scale = downscaled(to_rgb(frame), SIDE)
            yield SampledFrame(number, float(seconds), small, scale)


def downscaled(picture: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """A picture uint8 (H, W, 3), scaled down to a longer side of `side` pixels, and its scale."""
    height, width = picture.shape[:2]
    scale = min(1.0, side / max(height, width))
    if scale == 1.0:
        return picture, scale
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA), scale


def make_stretch(held: list[SampledFrame], boxes: Boxes | None = None) -> Stretch:
    """A stretch from its pictures: the scene, the differing pixels, and the cuts.

    boxes: frame -> float (K, 4) of the people in it, pixels of the video.
    """
    pictures = np.stack([cv2.GaussianBlur(g.picture, (3, 3), 0) for g in held])
    every = max(1, len(pictures) // 60)
    some = pictures[::every]
    scene = np.median(some, axis=0).astype(np.float32)
    if boxes:
        people = np.stack([_in_boxes(sampled, boxes) for sampled in held[::every]])
        _without_people(scene, some, people)
    noise = _noise(some, scene)
    step = max(_LEAST_STEP, _NOISES * noise)
    moving = np.stack([_clean(_difference(picture, scene) > step) for picture in pictures])
    return Stretch(held, scene, moving, noise < _FIXED, _cuts(held, pictures))


def _in_boxes(sampled: SampledFrame, boxes: Boxes) -> np.ndarray:
    """bool (H, W): which pixels of a picture lie in a box."""
    inside = np.zeros(sampled.picture.shape[:2], bool)
    for box in boxes.get(sampled.frame, ()):
        x1, y1, x2, y2 = box * sampled.scale
        across, along = _WIDER * (x2 - x1), _WIDER * (y2 - y1)
        columns = slice(max(0, int(x1 - across)), max(0, int(x2 + across) + 1))
        inside[max(0, int(y1 - along)) : max(0, int(y2 + along) + 1), columns] = True
    return inside


def _without_people(scene: np.ndarray, pictures: np.ndarray, people: np.ndarray) -> None:
    """Take pixels that are often in boxes from the pictures in which they are in none.

    scene: float32 (H, W, 3), changed in place; pictures: uint8 (T, H, W, 3); people: bool
    (T, H, W).
    """
    free = len(people) - people.sum(axis=0)
    rows, columns = np.nonzero((free < (1 - _OFTEN) * len(people)) & (free >= _FREE))
    for part in np.array_split(np.arange(len(rows)), max(1, len(rows) // 4096)):
        at = rows[part], columns[part]
        values = pictures[:, at[0], at[1]].astype(np.float32)
        values[people[:, at[0], at[1]]] = np.nan
        scene[at] = np.nanmedian(values, axis=0) if len(part) else scene[at]


def _difference(picture: np.ndarray, scene: np.ndarray) -> np.ndarray:
    """Largest difference over the colours, float32 (H, W), corrected for a change of exposure."""
    away = picture.astype(np.float32) - scene
    away -= np.median(away[::4, ::4].reshape(-1, 3), axis=0)
    return np.abs(away).max(axis=2)


def _noise(pictures: np.ndarray, scene: np.ndarray) -> float:
    """Standard deviation of the noise; robust, as most pixels show the scene most of the time."""
    every = max(1, len(pictures) // 20)
    away = [_difference(picture, scene)[::2, ::2] for picture in pictures[::every]]
    return 1.4826 * float(np.median(np.stack(away)))


def _clean(mask: np.ndarray) -> np.ndarray:
    """The mask bool (H, W) without specks and small holes."""
    kernel = np.ones((3, 3), np.uint8)
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    return cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel, iterations=2).astype(bool)


def _cuts(held: list[SampledFrame], pictures: np.ndarray) -> list[float]:
    """Times of cuts; a moving camera changes all pixels, but the coarse picture only slowly."""
    coarse = [cv2.resize(p, _COARSE, interpolation=cv2.INTER_AREA) for p in pictures]
    return [
        sampled.seconds
        for before, after, sampled in zip(coarse, coarse[1:], held[1:], strict=False)
        if _correlation(before, after) < _CUT
    ]


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of two pictures, -1 to 1; 1 where they have no detail."""
    one, other = (p.astype(np.float32).ravel() - float(p.mean()) for p in (first, second))
    spread = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float(one @ other) / spread if spread > 100 else 1.0
