"""What stands behind an actor: a colour, stripes, a picture, or the frames of another clip.

A scene gives the planes of a whole frame for each frame number, in the layout of the clip.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from occludenet_build.core.seeds import rng
from occludenet_build.dataset.variants.footage import Footage, Reel, emptied_frames
from occludenet_build.media.imaging.fit import cover, resize_deterministic
from occludenet_build.media.imaging.image_io import open_image, rgb_of
from occludenet_build.media.video.planes import Layout
from occludenet_build.occlusion.counterfactual import Erasure

Planes = list[np.ndarray]
"""Y, U and V, uint8 or uint16 (H, W), chroma at its own size, in the coded orientation."""
_WAVELENGTHS = (0.04, 0.5)
"""Range of the wavelength of stripes, in shares of the longer side of the picture."""
_SAME_SECONDS = 0.001
"""Times that differ by no more count as equal: time bases of milliseconds are rounded."""


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
    """The frames of another clip without its actor, by time; a shorter clip begins again.

    A frame of the clip gets the first frame of the other one that is not earlier than it, so that
    the scenery moves at its own speed whatever the two frame rates are.
    """

    def __init__(self, reel: Reel, footage: Footage, erasure: Erasure) -> None:
        self._reel = reel
        fit = partial(cover, size=reel.display.size)
        self._frames = emptied_frames(footage, erasure, fit)
        self._until, self._planes = -math.inf, Planes()

    def planes(self, number: int) -> Planes:
        now = self._reel.seconds() - _SAME_SECONDS
        if self._until < now:
            self._until, picture = next(frame for frame in self._frames if frame[0] >= now)
            self._planes = planes_of(self._reel, picture())
        return self._planes


def colour_scene(reel: Reel, colour: tuple[int, ...]) -> Still:
    """A scene of one colour (R, G, B)."""
    width, height = reel.display.size
    return Still(reel, np.full((height, width, 3), colour, np.uint8))


def picture_scene(reel: Reel, path: Path) -> Still:
    """A scene of an image file. Raises ItemError image_unreadable."""
    with open_image(path) as image:
        picture = rgb_of(image)
    return Still(reel, cover(picture, reel.display.size))


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
