"""Clips as they are read here: frames in the working format, masks, plates, emptied backgrounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.core.errors import ItemError
from occludenet_build.media.imaging import masks as rle
from occludenet_build.media.video.encoder import SOFTWARE, pixel_formats
from occludenet_build.media.video.planes import in_format, plane_arrays, working_format
from occludenet_build.media.video.source import Display, VideoSource, display_of, open_video
from occludenet_build.occlusion.counterfactual import Eraser, Erasure, median_frames
from occludenet_build.occlusion.frame_buffer import FrameBuffer

_ONLY_FRAME = 0.04
"""Seconds that the frame of a clip with a single frame lasts."""


@dataclass(frozen=True)
class Footage:
    """A clip and the masks of its actor."""

    clip: str
    path: Path
    sha256: str
    """Hash of the file in the tables."""
    frames: int
    masks: Mapping[int, bytes]
    """Frame -> the actor's mask, COCO RLE counts of the displayed picture."""


class Reel:
    """One pass over an open clip: `next_frame` loads the frames one by one into `buffer`.

    `pts`: of the frames so far, in ticks of the source's time base.
    """

    def __init__(self, source: VideoSource, codec: str, pix_fmt: str = "source") -> None:
        source.audio = []  # the outputs have no sound
        self.source, self.pts = source, list[int]()
        self._frames = iter(source)
        first = next(self._frames, None)
        if first is None:
            raise ItemError("zero_frames", source.first_error)
        self._waiting: Any = first
        self.display: Display = display_of(first)
        self.buffer = FrameBuffer(first, working_format(first, pixel_formats(codec), pix_fmt))
        self.layout = self.buffer.layout

    def next_frame(self) -> int | None:
        """Load the next frame; its number, or None at the end."""
        frame = self._waiting if self._waiting is not None else next(self._frames, None)
        self._waiting = None
        if frame is None:
            return None
        self.buffer.load(frame)
        assert frame.pts is not None  # VideoSource sets a pts for every frame
        self.pts.append(frame.pts)
        return len(self.pts) - 1

    def seconds(self) -> float:
        """The time of the frame in the buffer, counted from the first frame."""
        return float((self.pts[-1] - self.pts[0]) * self.source.time_base)

    def rgb(self) -> np.ndarray:
        """The displayed picture in the buffer, uint8 (H, W, 3), RGB."""
        coded = self.buffer.frame.to_ndarray(format="rgb24", threads=1)
        return np.ascontiguousarray(self.display.upright(coded))

    def mask(self, counts: bytes | None) -> np.ndarray:
        """A mask of the displayed picture, bool (H, W); nothing without RLE counts.

        Raises ItemError corrupt for a mask of another size.
        """
        width, height = self.display.size
        if counts is None:
            return np.zeros((height, width), bool)
        try:
            return rle.decode(counts, height, width)
        except (ValueError, RuntimeError) as error:
            raise ItemError("corrupt", f"a mask does not fit {width}x{height}") from error


def eraser_of(reel: Reel, footage: Footage, erasure: Erasure) -> Eraser:
    """The eraser of a clip; the fill `median` reads the clip in a pass of its own."""
    eraser = Eraser(erasure, footage.masks, reel.layout, reel.display)
    if erasure.fill == "median":
        sampled, name = median_frames(footage.frames), reel.buffer.frame.format.name
        with open_video(footage.path) as frames:
            for number, frame in enumerate(frames):
                if number in sampled:
                    planes = plane_arrays(in_format(frame, name), reel.layout)
                    eraser.add_to_median(number, planes)
    return eraser


def read_plate(footage: Footage, dilate: int) -> np.ndarray:
    """The temporal median of a clip without its actor, uint8 (H, W, 3), RGB, displayed.

    `dilate`: dilation of the masks, pixels.
    """
    with open_video(footage.path) as source:
        reel = Reel(source, SOFTWARE)
        plate = eraser_of(reel, footage, Erasure("median", dilate)).plate()
        if plate is None:
            raise ItemError("zero_frames", source.first_error)
        for plane, median in zip(reel.buffer.planes, plate, strict=True):
            np.copyto(plane, median)
        return reel.rgb()


def emptied_frames(
    footage: Footage, erasure: Erasure, fit: Callable[[np.ndarray], np.ndarray]
) -> Iterator[tuple[float, Callable[[], np.ndarray]]]:
    """The frames of a clip without its actor, without end: it begins again.

    `fit`: displayed picture, uint8 (H, W, 3), RGB -> the picture that is given. Yields the time of
    each frame, seconds from the first, and a function that gives its picture; call it, if at all,
    before the next frame, so that only frames that are used are erased.
    """
    erasure, begin = replace(erasure, clip=footage.clip), 0.0
    while True:
        with open_video(footage.path) as source:
            reel = Reel(source, SOFTWARE)
            eraser = eraser_of(reel, footage, erasure)

            def picture(reel: Reel = reel, eraser: Eraser = eraser) -> np.ndarray:
                eraser.erase(len(reel.pts) - 1, reel.buffer.planes)
                return fit(reel.rgb())

            last = gap = 0.0
            while reel.next_frame() is not None:
                last, gap = reel.seconds(), reel.seconds() - last
                yield begin + last, picture
        begin += last + (gap or _ONLY_FRAME)
