"""Checks that compared outputs have the same content."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from occludenet_build.media.video.source import open_video

_BLOCK = 16  # pixels
_MAX_DIFFERENCE = 8.0  # levels, of the mean luma of a block: two encodes differ by 1 to 3


def same_bytes(ours: Sequence[Path], theirs: Sequence[Path]) -> None:
    """Raises RuntimeError where a file differs from its counterpart."""
    for file, other in zip(ours, theirs, strict=True):
        if file.read_bytes() != other.read_bytes():
            raise RuntimeError(f"{file} and {other} differ")


def same_to_a_player(ours: Sequence[Path], theirs: Sequence[Path], source: Path) -> None:
    """Check frame times and block means of luma, which encoder losses hardly change.

    Raises RuntimeError where the times are not those of `source` or a picture differs.
    """
    times = list(_block_means(source))
    for file, other in zip(ours, theirs, strict=True):
        means, expected = _block_means(file), _block_means(other)
        if not list(means) == list(expected) == times:
            raise RuntimeError(f"{file}: frames or times are not the source's")
        for moment in times:
            if np.abs(means[moment] - expected[moment]).max() > _MAX_DIFFERENCE:
                raise RuntimeError(f"{file}: at {float(moment):.3f} s the picture differs")


def _block_means(path: Path) -> dict[Fraction, np.ndarray]:
    """Time, seconds -> mean luma of every block, in display order."""
    with open_video(path) as source:
        return {frame.pts * source.time_base: _blocks(frame) for frame in source}


def _blocks(frame: av.VideoFrame) -> np.ndarray:
    """Mean luma of every block, float32 (H / 16, W / 16)."""
    luma = frame.to_ndarray()[: frame.height].astype(np.float32)
    size = frame.width // _BLOCK, frame.height // _BLOCK
    return cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
