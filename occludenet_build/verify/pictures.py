"""Decoded pictures: does a file hold what its row says, how alike are two files?

Two streams are read side by side, a frame of each in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from occludenet_build.core.errors import ItemError
from occludenet_build.core.video.source import Source, display_of, reading, to_rgb

Frame = Any
"""A decoded frame; only core.video knows the type."""


def fault(path: Path, frames: int | None) -> str | None:
    """What is wrong with a file that should decode to so many frames; None if nothing is."""
    try:
        with reading(path) as source:
            count = sum(1 for _ in source)
    except ItemError as error:
        return f"does not open: {error}"
    if source.decode_errors:
        return f"does not decode: {source.first_error}"
    if frames is not None and count != frames:
        return f"{count} frames decode, the row says {frames}"
    return None


@dataclass
class Likeness:
    """How alike two videos are, frame by frame; `mismatch` is the first other time or size."""

    frames: tuple[int, int] = (0, 0)
    mismatch: str | None = None
    identical: bool = True
    psnr_db: float = math.inf
    worst_frame: int = 0

    def see(self, number: int, here: Frame, there: Frame, times: list[Fraction]) -> None:
        if times[0] != times[1]:
            shown = " and ".join(f"{float(time):.6f} s" for time in times)
            self._note(f"frame {number} is shown at {shown}")
        if _same(here, there):
            return
        self.identical = False
        pictures = to_rgb(here), to_rgb(there)
        if pictures[0].shape != pictures[1].shape:
            shown = " and ".join(f"{p.shape[1]}x{p.shape[0]}" for p in pictures)
            self._note(f"frame {number} measures {shown}")
            return
        value = psnr(*pictures)
        if value < self.psnr_db:
            self.psnr_db, self.worst_frame = value, number

    def _note(self, text: str) -> None:
        self.mismatch = self.mismatch or text


def compare(here: Path, there: Path) -> Likeness:
    """Decode two files whole. Raises ItemError, with the path, where one does not decode."""
    likeness = Likeness()
    with ExitStack() as stack:
        sources = [_opened(stack, path) for path in (here, there)]
        for number, (one, two) in enumerate(zip_longest(*sources)):
            if one is not None and two is not None:
                pair = zip((one, two), sources, strict=True)
                times = [(frame.pts or 0) * source.time_base for frame, source in pair]
                likeness.see(number, one, two, times)
        for source, path in zip(sources, (here, there), strict=True):
            if source.decode_errors:
                raise ItemError("corrupt", f"{path}: {source.first_error}")
    likeness.frames = sources[0].frame_count, sources[1].frame_count
    return likeness


def _opened(stack: ExitStack, path: Path) -> Source:
    try:
        return stack.enter_context(reading(path))
    except ItemError as error:
        raise ItemError(error.reason, f"{path}: {error.detail}") from error


def _same(here: Frame, there: Frame) -> bool:
    """Whether two frames mean the same picture, sample by sample."""
    return _tags(here) == _tags(there) and all(
        np.array_equal(a, b) for a, b in zip(_planes(here), _planes(there), strict=True)
    )


def _tags(frame: Frame) -> tuple[object, ...]:
    return frame.format.name, display_of(frame), frame.colorspace, frame.color_range


def _planes(frame: Frame) -> Iterator[np.ndarray]:
    """The samples of each plane as bytes (H, bytes of a row), without the padding of the rows."""
    for number, plane in enumerate(frame.planes):
        parts = [part for part in frame.format.components if part.plane == number]
        row = plane.width * sum((part.bits + 7) // 8 for part in parts)
        yield np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, :row]


def psnr(here: np.ndarray, there: np.ndarray) -> float:
    """Of two pictures, uint8 (H, W, 3), over all samples, in dB; infinite if they are equal.

    >>> round(psnr(np.zeros((2, 2, 3), np.uint8), np.ones((2, 2, 3), np.uint8)), 2)
    48.13
    """
    return math.inf if np.array_equal(here, there) else cv2.PSNR(here, there)
