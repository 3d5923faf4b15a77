"""Whether what is compared is comparable. Raises RuntimeError where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from occludenet_build.media.video.source import reading

_BLOCK = 16  # pixels
_UNLIKE = 8.0  # levels of luma in the mean of a block: two encodes differ by 1 to 3


def same_bytes(ours: Sequence[Path], theirs: Sequence[Path]) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        if mine.read_bytes() != other.read_bytes():
            raise RuntimeError(f"{mine} and {other} differ")


def same_to_a_player(ours: Sequence[Path], theirs: Sequence[Path], source: Path) -> None:
    """As many frames, at the source's times, that show the same but for the encoder's losses."""
    times = list(_shown(source))
    for mine, other in zip(ours, theirs, strict=True):
        shown, wanted = _shown(mine), _shown(other)
        if not list(shown) == list(wanted) == times:
            raise RuntimeError(f"{mine}: frames or times are not the source's")
        for moment in times:
            if np.abs(shown[moment] - wanted[moment]).max() > _UNLIKE:
                raise RuntimeError(f"{mine}: at {float(moment):.3f} s it shows something else")


def _shown(path: Path) -> dict[Fraction, np.ndarray]:
    """Time -> what is seen then, in order."""
    with reading(path) as source:
        return {frame.pts * source.time_base: _blocks(frame) for frame in source}


def _blocks(frame: av.VideoFrame) -> np.ndarray:
    """Mean luma of every block: float32."""
    luma = frame.to_ndarray()[: frame.height].astype(np.float32)
    size = frame.width // _BLOCK, frame.height // _BLOCK
    return cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
