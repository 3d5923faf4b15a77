"""Reading selected frames of a video, by number or at regular times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from occludenet_build.core.errors import ItemError
from occludenet_build.media.video.seek import UncertainFrames, from_keyframes
from occludenet_build.media.video.source import VideoSource, display_of, open_video, to_rgb


def sample_frames(
    path: Path | str, numbers: Sequence[int] | None = None, short_side: int | None = None
) -> np.ndarray:
    """Read the frames with these numbers, in this order: uint8 (T, H, W, 3), RGB.

    `numbers`: frame numbers in display order, from 0, repeats allowed; None: all frames. Frames
    are rotated for display and scaled so that the shorter side has `short_side` pixels. If the
    packets identify the frames (module `seek`), only the frames needed for decoding the requested
    ones are decoded, else all up to the last one. Raises ItemError: the reasons of opening a video,
    `corrupt` if a needed packet does not decode, and `truncated` if the video ends before a
    requested frame.
    """
    converter = VideoReformatter()
    pictures = {
        number: resize_short_side(to_rgb(frame, converter), short_side)
        for number, frame in _requested(path, numbers)
    }
    return _stacked(pictures, numbers)


def sample_frames_twice(
    path: Path | str,
    numbers: Sequence[int] | None,
    short_side: int | None,
    look: Callable[[int, av.VideoFrame], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Like `sample_frames`, and the same frames as returned by `look`: twice uint8 (T, H, W, 3),
    RGB.

    The video is decoded once. `look`: (number, frame) -> displayed frame, uint8 (H, W, 3).
    """
    converter = VideoReformatter()
    plain, other = {}, {}
    for number, frame in _requested(path, numbers):
        plain[number] = resize_short_side(to_rgb(frame, converter), short_side)
        other[number] = resize_short_side(look(number, frame), short_side)
    return _stacked(plain, numbers), _stacked(other, numbers)


def picture_size(path: Path | str) -> tuple[int, int]:
    """Height and width of a video's displayed frames, pixels, by its first frame.

    Raises ItemError: the reasons of opening a video, and `truncated` if it has no frame.
    """
    with open_video(path) as source:
        for frame in source:
            width, height = display_of(frame).size
            return height, width
    raise ItemError("truncated", "it has no frame")


def _requested(
    path: Path | str, numbers: Sequence[int] | None
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield the frames with these numbers, None: all. If a frame comes twice, the second counts."""
    if numbers:
        try:
            with open_video(path) as source:
                yield from from_keyframes(source, set(numbers))
            return
        except UncertainFrames:
            pass  # decode from the beginning
    selected = None if numbers is None else set(numbers)
    last = None if selected is None else max(selected)
    with open_video(path) as source:
        for number, frame in enumerate(source):
            if selected is None or number in selected:
                yield number, frame
            if number == last:
                break
        if source.decode_errors:
            raise ItemError("corrupt", source.first_error)


def at_even_times(
    source: VideoSource, per_second: Fraction | int
) -> Iterator[tuple[int, Fraction, av.VideoFrame]]:
    """Yield (number, seconds from the first frame, frame) at regular times.

    For k = 0, 1, ... this is the first frame at or after k / per_second seconds.
    """
    zero, due = None, 0
    for number, frame in enumerate(source):
        assert frame.pts is not None  # VideoSource sets a pts for every frame
        zero = frame.pts if zero is None else zero
        seconds = (frame.pts - zero) * source.time_base
        if seconds * per_second >= due:
            due = int(seconds * per_second) + 1
            yield number, seconds, frame


def _stacked(pictures: dict[int, np.ndarray], numbers: Sequence[int] | None) -> np.ndarray:
    order = sorted(pictures) if numbers is None else numbers
    missing = [number for number in order if number not in pictures]
    if missing:
        raise ItemError("truncated", f"frame {min(missing)} is requested, the video ends before it")
    if not order:
        raise ItemError("zero_frames")
    if len({pictures[number].shape for number in order}) > 1:
        raise ItemError("corrupt", "the frame size changes")
    return np.stack([pictures[number] for number in order])


def resize_short_side(picture: np.ndarray, short_side: int | None) -> np.ndarray:
    """Resize a frame, uint8 (H, W, 3), to a shorter side of `short_side` pixels; None: unchanged.

    The aspect ratio is kept.
    """
    height, width = picture.shape[:2]
    if short_side is None or min(height, width) == short_side:
        return picture
    factor = short_side / min(height, width)
    size = (max(short_side, round(width * factor)), max(short_side, round(height * factor)))
    # For reduction, only the area filter averages all pixels; other filters alias.
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(picture, size, interpolation=method)


def small_grey(frame: av.VideoFrame, width: int, height: int) -> np.ndarray:
    """A frame reduced to width x height pixels before it is turned for display: uint8, grey.

    Each pixel is the mean of a block: (height, width), or (width, height) if it is turned by 90
    degrees.
    """
    small = frame.reformat(width, height, "gray", interpolation="AREA", threads=1)
    return display_of(frame).upright(small.to_ndarray())


def thumbnails_at(
    path: Path | str, per_second: Fraction, side: int, threads: int = 1
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (k, grey thumbnail) of the first frame at or after k / per_second seconds.

    Thumbnails are uint8 (S, S), S = `side`, rotated for display and stretched to a square, so that
    copies with another aspect ratio look equal. Times count from the first frame. A k without a
    frame before the next time is skipped. Raises ItemError: the reasons of opening a video,
    corrupt, zero_frames.
    """
    with open_video(path, threads) as source:
        for _, seconds, frame in at_even_times(source, per_second):
            yield int(seconds * per_second), small_grey(frame, side, side)
        if source.decode_errors:
            raise ItemError("corrupt", source.first_error)
        if not source.frame_count:
            raise ItemError("zero_frames", source.first_error)
