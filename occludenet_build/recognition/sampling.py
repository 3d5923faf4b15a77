"""Which frames, which crop, mirrored or not: for training by chance, for evaluation evenly."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from occludenet_build.core.seeds import rng


@dataclass(frozen=True)
class Draw:
    """How one clip is seen; its counterfactual is seen in the same way.

    `frames` numbers of the clip; `top`, `left` in [0, 1]: the crop's place within its room to
    move; `flip`: mirrored.
    """

    frames: tuple[int, ...]
    top: float = 0.5
    left: float = 0.5
    flip: bool = False


def draw(
    seed: int, file: str, epoch: int, count: int, frames: int, flip: bool, stride: int = 0
) -> Draw:
    """The training view of a clip of `count` frames: of nothing but these arguments.

    `stride` 0 draws one frame of each of `frames` equal segments; else where the first lies, and
    the others follow it.
    """
    random = rng(seed, file, "draw", str(epoch))
    if stride:
        start = int(random.integers(0, room(count, frames, stride) + 1))
        chosen = dense(count, frames, stride, start)
    else:
        chosen = tuple(int(random.integers(low, high)) for low, high in segments(count, frames))
    top, left, coin = (float(value) for value in random.random(3))
    return Draw(chosen, top, left, flip and coin < 0.5)


def segments(count: int, parts: int) -> list[tuple[int, int]]:
    """`parts` equal half-open pieces of 0..count; where frames are too few, they repeat.

    >>> segments(8, 3)
    [(0, 2), (2, 5), (5, 8)]
    >>> segments(2, 3)
    [(0, 1), (0, 1), (1, 2)]
    """
    edges = [part * count // parts for part in range(parts + 1)]
    return [(low, max(high, low + 1)) for low, high in pairwise(edges)]


def room(count: int, frames: int, stride: int) -> int:
    """How far `frames` frames, `stride` apart, can be moved within a clip of `count`."""
    return max(count - ((frames - 1) * stride + 1), 0)


def dense(count: int, frames: int, stride: int, start: int) -> tuple[int, ...]:
    """Frames `stride` apart; a clip that is too short begins again, so that something moves.

    >>> dense(20, 4, 2, 5), dense(5, 4, 2, 0)
    ((5, 7, 9, 11), (0, 2, 4, 1))
    """
    return tuple((start + number * stride) % count for number in range(frames))


def views(count: int, frames: int, number: int, stride: int = 0) -> list[tuple[int, ...]]:
    """`number` even samplings of a clip: with `stride` 0 each has another offset within the
    segments, else they begin from the first place to the last (one: in the middle), as mmaction2's.

    >>> views(8, 4, 1)
    [(1, 3, 5, 7)]
    >>> views(8, 4, 2)
    [(0, 2, 4, 6), (1, 3, 5, 7)]
    >>> views(16, 4, 2, stride=2)
    [(0, 2, 4, 6), (9, 11, 13, 15)]
    """
    if stride:
        last = room(count, frames, stride)
        starts = [round(last * view / (number - 1)) for view in range(number)] if number > 1 else []
        return [dense(count, frames, stride, start) for start in starts or [last // 2]]
    # (segment + (view + 1/2) / number) * count / frames, in whole numbers
    return [
        tuple(
            ((2 * number * segment + 2 * view + 1) * count) // (2 * number * frames)
            for segment in range(frames)
        )
        for view in range(number)
    ]


def crop_places(crops: int, height: int, width: int) -> list[tuple[float, float]]:
    """(top, left) of the test crops: the centre, or start, centre and end of the longer side."""
    if crops == 1:
        return [(0.5, 0.5)]
    steps = [step / (crops - 1) for step in range(crops)]
    return [(0.5, s) if width >= height else (s, 0.5) for s in steps]


def cropped(pictures: np.ndarray, size: int, top: float, left: float, flip: bool) -> np.ndarray:
    """uint8 (T, H, W, 3) -> (T, size, size, 3), contiguous. H and W are at least `size`."""
    height, width = pictures.shape[1:3]
    y, x = round(top * (height - size)), round(left * (width - size))
    window = pictures[:, y : y + size, x : x + size]
    return np.ascontiguousarray(window[:, :, ::-1] if flip else window)
