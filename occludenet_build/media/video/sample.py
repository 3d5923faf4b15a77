"""Chosen frames of a video as pictures of one size: what training and evaluation look at.

Small grey pictures of a video at even times: enough to recognise it, and quick to take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from occludenet_build.core.errors import ItemError
from occludenet_build.media.video.seek import Unsure, from_keyframes
from occludenet_build.media.video.source import Source, display_of, reading, to_rgb


def sample(
    path: Path | str, numbers: Sequence[int] | None = None, short_side: int | None = None
) -> np.ndarray:
    """The frames with these numbers, in this order, repeats allowed: uint8 (T, H, W, 3), RGB.

    Numbers count as in `source.reading`; None stands for every frame. Pictures are upright, and
    scaled so that the shorter side is `short_side` pixels. Decodes what the wanted frames are made
    from, where the packets tell which they are (`seek`), else all up to the last of them. Raises
    ItemError: what `reading` raises, `corrupt` where a packet that was needed does not decode, or
    the numbers could shift by one, `truncated` where the video ends before a wanted frame.
    """
    converter = VideoReformatter()
    pictures = {
        number: scaled(to_rgb(frame, converter), short_side)
        for number, frame in _wanted(path, numbers)
    }
    return _stacked(pictures, numbers)


def sample_twice(
    path: Path | str,
    numbers: Sequence[int] | None,
    short_side: int | None,
    look: Callable[[int, av.VideoFrame], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """What `sample` gives, and the same frames as `look` shows them, from one decode.

    look: (number, frame) -> the displayed picture, uint8 (H, W, 3).
    """
    converter = VideoReformatter()
    plain, other = {}, {}
    for number, frame in _wanted(path, numbers):
        plain[number] = scaled(to_rgb(frame, converter), short_side)
        other[number] = scaled(look(number, frame), short_side)
    return _stacked(plain, numbers), _stacked(other, numbers)


def _wanted(path: Path | str, numbers: Sequence[int] | None) -> Iterator[tuple[int, av.VideoFrame]]:
    """The frames with these numbers, None: all. A frame may come twice: the later one counts."""
    if numbers:
        try:
            with reading(path) as source:
                yield from from_keyframes(source, set(numbers))
            return
        except Unsure:
            pass  # then from the beginning
    wanted = None if numbers is None else set(numbers)
    last = None if wanted is None else max(wanted)
    with reading(path) as source:
        for number, frame in enumerate(source):
            if wanted is None or number in wanted:
                yield number, frame
            if number == last:
                break
        if source.decode_errors:
            raise ItemError("corrupt", source.first_error)


def at_even_times(
    source: Source, per_second: Fraction | int
) -> Iterator[tuple[int, Fraction, av.VideoFrame]]:
    """(number, seconds from the first frame, frame): the first at or after each k / per_second."""
    zero, due = None, 0
    for number, frame in enumerate(source):
        assert frame.pts is not None  # the source sees to it
        zero = frame.pts if zero is None else zero
        seconds = (frame.pts - zero) * source.time_base
        if seconds * per_second >= due:
            due = int(seconds * per_second) + 1
            yield number, seconds, frame


def _stacked(pictures: dict[int, np.ndarray], numbers: Sequence[int] | None) -> np.ndarray:
    order = sorted(pictures) if numbers is None else numbers
    missing = [number for number in order if number not in pictures]
    if missing:
        raise ItemError("truncated", f"frame {min(missing)} is wanted, the video ends before it")
    if not order:
        raise ItemError("zero_frames")
    if len({pictures[number].shape for number in order}) > 1:
        raise ItemError("corrupt", "the picture changes its size")
    return np.stack([pictures[number] for number in order])


def scaled(picture: np.ndarray, short_side: int | None) -> np.ndarray:
    """(H, W, 3) with its shorter side at `short_side` pixels, aspect kept; None: as it is."""
    height, width = picture.shape[:2]
    if short_side is None or min(height, width) == short_side:
        return picture
    factor = short_side / min(height, width)
    size = (max(short_side, round(width * factor)), max(short_side, round(height * factor)))
    # Only the area filter averages all pixels when it shrinks; the others alias.
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(picture, size, interpolation=method)


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
