"""Small grey pictures of a video at even times: enough to recognise it, and quick to take."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from occludenet_build.core.errors import ItemError
from occludenet_build.core.video.sample import at_even_times
from occludenet_build.core.video.source import display_of, reading


def glances(
    path: Path | str, per_second: Fraction, side: int, threads: int = 1
) -> Iterator[tuple[int, np.ndarray]]:
    """(k, picture uint8 (side, side)) of the first frame at or after k / per_second seconds.

    Times count from the first frame. Pictures are upright; their sides are made equal, so that a
    copy of another shape looks the same. A time without a frame before the next one has no picture.
    Raises ItemError: what `reading` raises, corrupt.
    """
    with reading(path, threads) as source:
        for _, seconds, frame in at_even_times(source, per_second):
            small = frame.reformat(side, side, "gray", interpolation="AREA", threads=1)
            yield int(seconds * per_second), display_of(frame).upright(small.to_ndarray())
        if source.decode_errors:
            raise ItemError("corrupt", source.first_error)
        if not source.frame_count:
            raise ItemError("zero_frames", source.first_error)
