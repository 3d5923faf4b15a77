"""Which frames of a clip the network sees, and which part of the picture: drawn or of the tests.

The picture is resized to a short side of 256 (the other side truncated); a view is a rectangle of
it, mirrored or not, warped to 224 x 224 (bilinear, in float32, as published). 8 frames, 8 apart;
with a frame factor the poses have frames in between, from the first frame of the video to its last.

In training the sides of the rectangle are drawn from 1, 0.875, 0.75 and 0.66 of 224, at most one
step apart, then x, y, the mirror and the first frame, in this order: with Python's generator at the
same seed the draws are the published ones. In tests the views are the centre, at evenly spaced
first frames.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.recognition.augment import latest_start

SCALES = (1, 0.875, 0.75, 0.66)
"""Sides of a drawn rectangle, as shares of the side of the network's pictures."""
PER_CELL = 4
"""Pixels of the video to a cell of the pictures of the poses: 224 / 56."""


@dataclass(frozen=True)
class Sampling:
    """What the network takes; the defaults are published. Raises UserError for what cannot be."""

    frames: int = 8
    interval: int = 8
    """Frames of the clip from one frame of the video to the next."""
    factor: int = 1
    """Frames with poses to a frame of the video; divides `interval`."""
    side: int = 224
    """Height and width of the video, pixels; a multiple of 4."""
    short_side: int = 256
    """Of the picture that views are cut out of, pixels."""

    def __post_init__(self) -> None:
        if min(self.frames, self.interval, self.factor) < 1 or self.interval % self.factor:
            raise UserError(
                "wanted at least 1 frame, and a frame factor that divides the interval, got "
                f"{self.frames} frames, interval {self.interval}, factor {self.factor}"
            )
        if self.side % PER_CELL or not 0 < self.side <= self.short_side:
            raise UserError(
                f"wanted a side that is a multiple of {PER_CELL} and at most the short side, got "
                f"{self.side} and {self.short_side}"
            )

    @property
    def span(self) -> int:
        """Frames that a clip must have: 57 as published."""
        return (self.frames - 1) * self.interval + 1

    @property
    def cells(self) -> int:
        """Height and width of the pictures of the poses."""
        return self.side // PER_CELL

    @property
    def pose_frames(self) -> int:
        """F, the number of frames with poses."""
        return (self.frames - 1) * self.factor + 1


@dataclass(frozen=True)
class View:
    """Some frames of a clip, and a rectangle of its resized picture."""

    frames: tuple[int, ...]
    """The T frames of the video, from 0."""
    pose_frames: tuple[int, ...]
    """The F frames of the poses."""
    resized: tuple[int, int]
    """Height and width of the resized picture, pixels."""
    crop: tuple[int, int, int, int]
    """x, y, width and height of the rectangle in it, pixels, before it is mirrored."""
    flip: bool
    side: int
    """Height and width of the result, pixels."""

    def affine(self) -> np.ndarray:
        """float64 (2, 3): (x, y, 1) in the resized picture, mirrored if `flip`, -> the result.

        The centre of the rectangle is mirrored with the picture, to width - x - 1.
        """
        x, y, width, height = self.crop
        middle = x + width / 2, y + height / 2
        if self.flip:
            middle = self.resized[1] - middle[0] - 1, middle[1]
        scale = self.side / width, self.side / height
        shift = [self.side / 2 - m * s for m, s in zip(middle, scale, strict=True)]
        return np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])


def resized_size(height: int, width: int, short_side: int = 256) -> tuple[int, int]:
    """Height and width in which a picture has this short side; the other one is truncated.

    >>> resized_size(240, 320), resized_size(1280, 720)
    ((256, 341), (455, 256))
    """
    short = min(height, width)
    return height * short_side // short, width * short_side // short


def drawn_view(
    rng: random.Random, count: int, size: tuple[int, int], sampling: Sampling = Sampling()
) -> View:
    """A view in training of a clip of `count` frames with pictures of `size`, height and width.

    Raises ItemError too_few_frames.
    """
    _check_count(count, sampling)
    resized = resized_size(*size, sampling.short_side)
    width, height = rng.choice(crop_sizes(sampling.side))
    x = rng.randint(0, resized[1] - width)
    y = rng.randint(0, resized[0] - height)
    flip = rng.random() <= 0.5
    start = rng.randrange(0, count - sampling.span + 1)
    return view_at(start, resized, (x, y, width, height), flip, sampling)


def crop_sizes(side: int) -> list[tuple[int, int]]:
    """Widths and heights of drawn rectangles: sides that are at most one step apart.

    >>> crop_sizes(224)[:5]
    [(224, 224), (224, 196), (196, 224), (196, 196), (196, 168)]
    """
    sides = [int(side * scale) for scale in SCALES]
    near = [(i, j) for i in range(len(sides)) for j in range(len(sides)) if abs(i - j) <= 1]
    return [(sides[i], sides[j]) for i, j in near]


def central_views(
    count: int, size: tuple[int, int], sampling: Sampling = Sampling(), number: int = 10
) -> list[View]:
    """The views in tests: `number` evenly spaced first frames, rounded down, and the centre.

    The published result is the mean of their softmax. Raises ItemError too_few_frames.
    """
    _check_count(count, sampling)
    resized = resized_size(*size, sampling.short_side)
    y, x = (side // 2 - sampling.side // 2 for side in resized)
    last = latest_start(count, sampling.frames, sampling.interval)
    starts = [last * view // (number - 1) for view in range(number)] if number > 1 else [0]
    crop = x, y, sampling.side, sampling.side
    return [view_at(start, resized, crop, False, sampling) for start in starts]


def _check_count(count: int, sampling: Sampling) -> None:
    if count < sampling.span:
        raise ItemError(
            "too_few_frames",
            f"{count}, wanted {sampling.span}: {sampling.frames} frames, {sampling.interval} apart",
        )


def view_at(
    start: int,
    resized: tuple[int, int],
    crop: tuple[int, int, int, int],
    flip: bool = False,
    sampling: Sampling = Sampling(),
) -> View:
    """The view with the first frame `start`, of the given rectangle; see View."""
    end, step = start + sampling.span, sampling.interval
    return View(
        tuple(range(start, end, step)),
        tuple(range(start, end, step // sampling.factor)),
        *(resized, crop, flip, sampling.side),
    )


def warped(frames: np.ndarray, view: View) -> np.ndarray:
    """The pictures uint8 (T, H, W, 3) of `view.frames` as the network sees them.

    float32 (T, side, side, 3), from 0 to 255; what lies beyond the picture is 0.
    """
    height, width = view.resized
    result = np.empty((len(frames), view.side, view.side, 3), np.float32)
    for picture, out in zip(frames, result, strict=True):
        # In float32: rounded in between, block means differ from the published by 3e-4 of white.
        whole = cv2.resize(picture.astype(np.float32), (width, height))
        whole = np.ascontiguousarray(whole[:, ::-1]) if view.flip else whole
        cv2.warpAffine(whole, view.affine(), (view.side, view.side), out, cv2.INTER_LINEAR)
    return result


def as_input(video: Tensor) -> Tensor:
    """Videos of `warped`, uint8 or float32 (N, T, H, W, 3), as the network's input.

    float32 (N, 3, T, H, W), RGB from 0 to 1: the published network takes no mean and no deviation.
    """
    return video.permute(0, 4, 1, 2, 3).to(torch.float32) / 255
