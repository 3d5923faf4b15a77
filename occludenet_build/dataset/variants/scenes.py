"""What stands behind an actor: a colour, stripes, a picture, or the frames of another clip.

A scene gives the planes of a whole frame for each frame number, in the layout of the clip.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from occludenet_build.core.seeds import rng
from occludenet_build.dataset.variants.footage import Footage, Reel, emptied_frames
from occludenet_build.media.imaging.image_io import open_image, rgb_of
from occludenet_build.media.video.planes import Layout
from occludenet_build.occlusion.counterfactual import Erasure
from occludenet_build.occlusion.patches import resize_deterministic

Planes = list[np.ndarray]
"""Y, U and V, uint8 or uint16 (H, W), chroma at its own size, in the coded orientation."""
_WAVELENGTHS = (0.04, 0.5)
"""Range of the wavelength of stripes, in shares of the longer side of the picture."""


class Scene(Protocol):
    """What stands behind an actor."""

    def planes(self, number: int) -> Planes:
        """The planes of a whole frame. Numbers must be asked for in order, each once."""


class Still:
    """The same picture in all frames."""

    def __init__(self, reel: Reel, picture: np.ndarray) -> None:
        """`picture`: uint8 (H, W, 3), RGB, of the displayed size."""
        self._planes = planes_of(reel, picture)

    def planes(self, number: int) -> Planes:
        return self._planes


class Moving:
    """The frames of another clip without its actor; a shorter clip begins again."""

    def __init__(self, reel: Reel, footage: Footage, erasure: Erasure) -> None:
        self._reel = reel
        fit = partial(cover, size=reel.display.size)
        self._frames: Iterator[np.ndarray] = emptied_frames(footage, erasure, fit)

    def planes(self, number: int) -> Planes:
        return planes_of(self._reel, next(self._frames))


def colour_scene(reel: Reel, colour: tuple[int, ...]) -> Still:
    """A scene of one colour (R, G, B)."""
    width, height = reel.display.size
    return Still(reel, np.full((height, width, 3), colour, np.uint8))


def picture_scene(reel: Reel, path: Path) -> Still:
    """A scene of an image file. Raises ItemError image_unreadable."""
    with open_image(path) as image:
        picture = rgb_of(image)
    return Still(reel, cover(picture, reel.display.size))


def cover(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture, uint8 (h, w, 3), scaled to cover `size` (width, height) and cropped in its middle.

    >>> cover(np.zeros((10, 40, 3), np.uint8), (20, 20)).shape
    (20, 20, 3)
    """
    width, height = size
    factor = max(width / picture.shape[1], height / picture.shape[0])
    scaled = (max(width, round(picture.shape[1] * factor)),
              max(height, round(picture.shape[0] * factor)))  # fmt: skip
    if scaled != picture.shape[1::-1]:
        method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        picture = resize_deterministic(picture, scaled, method)
    left, top = (scaled[0] - width) // 2, (scaled[1] - height) // 2
    return picture[top : top + height, left : left + width]


def stripes(size: tuple[int, int], seed: int, clip: str) -> np.ndarray:
    """Sinusoidal stripes, uint8 (H, W, 3), RGB, `size` (width, height), for the actor of a clip.

    Two colours, the direction, the phase and the wavelength are drawn (SCUBA: Li et al., ICCV 2023,
    replaces backgrounds by sinusoidal stripe images).
    """
    draw = rng(seed, clip, "stripes")
    colours = draw.integers(0, 256, (2, 3)).astype(np.float64)
    angle, phase = draw.uniform(0, np.pi), draw.uniform(0, 2 * np.pi)
    length = np.exp(draw.uniform(*np.log(_WAVELENGTHS))) * max(size)
    y, x = np.mgrid[: size[1], : size[0]]
    along = x * np.cos(angle) + y * np.sin(angle)
    share = (0.5 + 0.5 * np.sin(2 * np.pi * along / length + phase))[..., None]
    return np.round(colours[0] + share * (colours[1] - colours[0])).astype(np.uint8)


def planes_of(reel: Reel, picture: np.ndarray) -> Planes:
    """A displayed picture, uint8 (H, W, 3), RGB, as planes of a clip.

    A chroma sample is the mean of its luma pixels.
    """
    layout: Layout = reel.layout
    codes = layout.from_rgb(reel.display.to_coded(picture))
    peak = (1 << layout.depth) - 1
    found = []
    for plane, code in zip(reel.buffer.planes, np.moveaxis(codes, -1, 0), strict=True):
        fitted = np.ascontiguousarray(code)
        if fitted.shape != plane.shape:
            fitted = resize_deterministic(fitted, plane.shape[::-1], cv2.INTER_AREA)
        found.append(np.clip(np.round(fitted), 0, peak).astype(layout.dtype))
    return found
