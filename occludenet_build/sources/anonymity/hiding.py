"""Hides heads or faces in the frames of a clip, before they are encoded.

A place is hidden in the planes of the frame, in the pixel format that is encoded, so that all other
samples stay as they were decoded. The place is averaged in a few cells across, whatever its size,
and the cells are blurred into each other: of a face of 20 or of 500 pixels the same 5 x 5 means are
left. A head that is missed in a frame is hidden by its places in the frames around (hold_frames).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

from occludenet_build.config.anonymity import Anonymity
from occludenet_build.core.errors import ItemError
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.media.video import planes
from occludenet_build.media.video.cut import Timed
from occludenet_build.media.video.source import Display, display_of, open_video
from occludenet_build.sources.anonymity import heads
from occludenet_build.sources.anonymity.finders import BATCH, BoxFinder, NetworkFinder

_BLUR = 0.5
"""Sigma of the blur between cells, in cells."""


@dataclass
class Hiding:
    """A `media.video.cut.FrameChange`: gives the frames of a clip with heads or faces hidden.

    After a pass, the counts are those of its frames.
    """

    recording: Path
    settings: Anonymity
    finder: NetworkFinder | BoxFinder
    frames: int = field(default=0, init=False)
    bare: int = field(default=0, init=False)
    """Frames in which nothing was hidden."""
    regions: int = field(default=0, init=False)
    """Places that were hidden, over all frames."""

    def __call__(self, frames: Iterator[Timed]) -> Iterator[Timed]:
        """Yield the frames with new ones in place of those that change; (pts, frame) each."""
        self.frames = self.bare = self.regions = 0
        display = _display(self.recording)
        reach = self.settings.hold_frames
        window: deque[tuple[int, av.VideoFrame, np.ndarray]] = deque()
        due = 0  # position in the window of the next frame that is given out
        for item in self._found(frames, display):
            window.append(item)
            if len(window) - due > reach:
                yield self._hidden(window, due, display)
                due += 1
                if due > reach:
                    window.popleft()
                    due -= 1
        for position in range(due, len(window)):
            yield self._hidden(window, position, display)

    def refuse(self) -> None:
        """Raises ItemError not_anonymised if too many frames have nothing hidden."""
        share = self.bare / self.frames if self.frames else 1.0
        if share > self.settings.max_bare:
            raise ItemError(
                "not_anonymised",
                f"nothing was found and hidden in {self.bare} of {self.frames} frames, wanted at "
                f"most {self.settings.max_bare:.0%} (recordings.anonymity.max_bare)",
            )

    def _found(
        self, frames: Iterator[Timed], display: Display
    ) -> Iterator[tuple[int, av.VideoFrame, np.ndarray]]:
        """Yield (pts, frame, regions float32 (N, 4) in displayed pixels)."""
        if isinstance(self.finder, BoxFinder):
            numbers = _numbers(self.recording)
            for pts, frame in frames:
                yield pts, frame, self._grown(self.finder.at(numbers[pts]), display)
            return
        while batch := list(islice(frames, BATCH)):
            found = self.finder.regions([_rgb(frame, display) for _, frame in batch])
            for (pts, frame), regions in zip(batch, found, strict=True):
                yield pts, frame, self._grown(regions, display)

    def _grown(self, regions: np.ndarray, display: Display) -> np.ndarray:
        return heads.grown(regions, self.settings.grow, display.size)

    def _hidden(
        self, window: deque[tuple[int, av.VideoFrame, np.ndarray]], at: int, display: Display
    ) -> Timed:
        """The frame at a position of the window, with the places of its neighbours hidden."""
        around = [regions for _, _, regions in window]
        places = held(around, at, self.settings.hold_frames)
        pts, frame, _ = window[at]
        self.frames += 1
        self.regions += len(places)
        if not len(places):
            self.bare += 1
            return pts, frame
        return pts, hidden_frame(frame, places, display, self.settings.cells)


def held(around: Sequence[np.ndarray], at: int, reach: int) -> np.ndarray:
    """The regions float32 (N, 4) of frame `at`, with those of heads that it lacks, float32 (M, 4).

    around: the regions of the frames before, at and after it. A region of a frame up to `reach`
    away is of a head that this frame has too if it overlaps one of the next frame in its direction,
    and that one likewise; else the head is missed here, and the region is added.
    """
    own = around[at]
    places = [own]
    for step in (-1, 1):
        known = own
        for other in range(at + step, at + step * (reach + 1), step):
            if not 0 <= other < len(around):
                break
            regions = around[other]
            is_known = (geometry.intersection(regions, known) > 0).any(axis=1)
            places.append(regions[~is_known])
            # A head that is missed in the next frame too is still where it was last seen.
            gone = ~(geometry.intersection(known, regions) > 0).any(axis=1)
            known = np.concatenate([regions, known[gone]])
    return np.concatenate(places)


def hidden_frame(
    frame: av.VideoFrame, places: np.ndarray, display: Display, cells: int
) -> av.VideoFrame:
    """A new frame with places float32 (N, 4), x1 y1 x2 y2 in displayed pixels, hidden.

    All samples outside of the places, widened to whole chroma samples, are those of `frame`.
    """
    layout = planes.layout_of(frame)
    made = planes.new_frame(frame)
    made.pts, made.time_base, made.duration = frame.pts, frame.time_base, frame.duration
    before, after = (planes.plane_arrays(one, layout) for one in (frame, made))
    for old, new in zip(before, after, strict=True):
        new[:] = old
    for place in places:
        x, y, w, h = _coded(place, display)
        for number, samples in enumerate(after):
            sub_x, sub_y = (layout.sub_x, layout.sub_y) if number else (0, 0)
            left, top = x >> sub_x, y >> sub_y
            right, bottom = -(-(x + w) >> sub_x), -(-(y + h) >> sub_y)
            part = samples[top:bottom, left:right]
            part[:] = blurred(part, cells)
    return made


def _coded(place: np.ndarray, display: Display) -> tuple[int, int, int, int]:
    """Left, top, width and height of a place, widened to even coded pixels inside the frame."""
    x1, y1 = np.floor(place[:2]).astype(int).tolist()
    x2, y2 = np.ceil(place[2:]).astype(int).tolist()
    x, y, w, h = display.rect_to_coded(x1, y1, x2 - x1, y2 - y1)
    left, top = max(x - x % 2, 0), max(y - y % 2, 0)
    right = min(x + w + (x + w) % 2, display.coded_width)
    bottom = min(y + h + (y + h) % 2, display.coded_height)
    return left, top, right - left, bottom - top


def blurred(samples: np.ndarray, cells: int) -> np.ndarray:
    """Samples uint8 or uint16 (H, W) as at most `cells` means across the longer side, blurred.

    The result depends on nothing outside of `samples`.

    >>> blurred(np.uint8([[0, 0, 9, 9], [0, 0, 9, 9]]), 1).tolist()
    [[5, 5, 5, 5], [5, 5, 5, 5]]
    """
    height, width = samples.shape
    side = max(height, width) / cells
    grid = max(1, min(width, round(width / side))), max(1, min(height, round(height / side)))
    means = cv2.resize(samples, grid, interpolation=cv2.INTER_AREA)
    large = cv2.resize(means, (width, height), interpolation=cv2.INTER_NEAREST)
    if side <= 1:
        return large
    return cv2.GaussianBlur(large, (0, 0), _BLUR * side, borderType=cv2.BORDER_REPLICATE)


def _display(path: Path) -> Display:
    """The geometry of a recording: frames in another pixel format have lost their rotation."""
    with open_video(path) as source:
        for frame in source:
            return display_of(frame)
    raise ItemError("zero_frames")


def _numbers(path: Path) -> dict[int, int]:
    """pts -> number of the frame in the recording."""
    with open_video(path) as source:
        # VideoSource sets a pts for every frame
        return {frame.pts or 0: number for number, frame in enumerate(source)}


def _rgb(frame: av.VideoFrame, display: Display) -> np.ndarray:
    """The displayed picture of a coded frame, uint8 (H, W, 3)."""
    coded = frame.reformat(format="rgb24", threads=1).to_ndarray()
    return np.ascontiguousarray(display.upright(coded))
