"""Where crops lie: those of the test, and those of the CNN study in training.

The training crops are action-recognition-pytorch's augmentors v1 and v2 (Apache-2.0; v1 is the
multi-scale crop of TSN). Their draws come from torch's global generator.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms import v2

Place = tuple[float, float, bool]
"""Top and left edge of a crop as shares, in [0, 1], of the ranges that they can move in; whether
the crop is mirrored."""

_ALONG = (0, 2, 4)
"""Quarters of the longer side's range: three crops."""
_CORNERS = ((0, 0), (0, 4), (4, 0), (4, 4))
"""(rows, columns), in quarters of the ranges."""
_CENTRE = (2, 2)
_EDGES = ((2, 0), (2, 4), (4, 2), (0, 2))
"""Middles of the four edges."""
_INNER = ((1, 1), (1, 3), (3, 1), (3, 3))
TRAINING_PLACES = (*_CORNERS, _CENTRE, *_EDGES, *_INNER)
"""The 13 places of `multi_scale_crop`."""

SCALES = (1.0, 0.875, 0.75, 0.66)
"""Sides of the crops of `multi_scale_crop`, as shares of the shorter side."""
_SNAP = 3
"""A side that is nearer to the wanted size than this, in pixels, becomes the wanted size."""


def crop_places(
    crops: int, height: int, width: int, size: int, places: str = "even"
) -> list[Place]:
    """The test crops of a picture of this height and width, in pixels.

    1: the centre; 3: along the longer side; 5: the corners and the centre; 10: these, each followed
    by its mirror image. `places`: evaluate.crop_places.

    >>> crop_places(3, 256, 455, 256)
    [(0.5, 0.0, False), (0.5, 0.5, False), (0.5, 1.0, False)]
    >>> [round(left * (455 - 256)) for _, left, _ in crop_places(3, 256, 455, 256, "quarters")]
    [0, 98, 196]
    """
    if crops == 1:
        return [(0.5, 0.5, False)]
    if crops == 3:
        found = [(2, step) if width >= height else (step, 2) for step in _ALONG]
    else:
        found = [*_CORNERS, _CENTRE]
    mirrored = (False, True) if crops == 10 else (False,)
    share = _quarters if places == "quarters" else _even
    return [
        (share(row, height - size), share(column, width - size), flip)
        for row, column in found
        for flip in mirrored
    ]


def _even(quarters: int, room: int) -> float:
    return quarters / 4


def _quarters(quarters: int, room: int) -> float:
    """Steps are whole pixels, so up to 3 pixels remain on the right and below."""
    return quarters * (room // 4) / room if room else 0.0


def crop_sides(height: int, width: int, size: int) -> list[tuple[int, int]]:
    """(height, width) of the crops of `multi_scale_crop`, in pixels, all equally probable.

    Two scales of a pair are at most one step apart.

    >>> crop_sides(256, 340, 224)[:4]
    [(256, 256), (256, 224), (224, 256), (224, 224)]
    >>> len(crop_sides(256, 340, 224)), crop_sides(256, 340, 190)[-1]
    (10, (168, 168))
    """
    sides = [int(min(height, width) * scale) for scale in SCALES]
    sides = [size if abs(side - size) < _SNAP else side for side in sides]
    every = range(len(sides))
    return [(sides[row], sides[col]) for row in every for col in every if abs(row - col) <= 1]


def multi_scale_crop(stack: Tensor, size: int) -> Tensor:
    """One of `crop_sides` at one of TRAINING_PLACES, both drawn, resized bilinearly to `size`.

    `stack`: uint8 or float32 (N, C, H, W), H and W at least `size`; returns (N, C, size, size) of
    the same dtype.
    """
    height, width = stack.shape[-2:]
    pairs = crop_sides(height, width, size)
    tall, wide = pairs[int(torch.randint(len(pairs), ()))]
    rows, columns = TRAINING_PLACES[int(torch.randint(len(TRAINING_PLACES), ()))]
    top, left = rows * ((height - tall) // 4), columns * ((width - wide) // 4)
    return v2.functional.resize(
        stack[..., top : top + tall, left : left + wide], [size, size], antialias=True
    )


def jittered_crop(stack: Tensor, size: int, short_sides: Sequence[int]) -> Tensor:
    """A crop of `size` at a drawn place of the pictures at a drawn scale.

    The short side is a whole number of pixels between the smallest and the largest of
    `short_sides`, both included. `stack`: uint8 or float32 (N, C, H, W); returns
    (N, C, size, size) of the same dtype.
    """
    short = int(torch.randint(min(short_sides), max(short_sides) + 1, ()))
    scaled = v2.functional.resize(stack, [short], antialias=True)
    height, width = scaled.shape[-2:]
    top = int(torch.randint(height - size + 1, ()))
    left = int(torch.randint(width - size + 1, ()))
    return scaled[..., top : top + size, left : left + size]
