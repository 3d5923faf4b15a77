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
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.config.anonymity import Anonymity
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import size_and_mtime
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.media.video.blurring import hidden_frame
from occludenet_build.media.video.cut import Timed
from occludenet_build.media.video.source import Display, display_of, open_video, to_rgb
from occludenet_build.sources.anonymity import heads
from occludenet_build.sources.anonymity.finders import BATCH, BoxFinder, NetworkFinder

_SAME = 0.3
"""Least IoU of the regions of one head in two frames that follow each other. A head that moves more
than half its width from frame to frame is hidden where it was and will be, too."""


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
        window: deque[tuple[int, Any, np.ndarray]] = deque()
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
        """Raises ItemError not_anonymised if too many frames have nothing hidden.

        Also, whatever max_bare allows, for a recording of which the user's file has no box.
        """
        if isinstance(self.finder, BoxFinder) and not self.finder.boxes:
            text = f"{self.recording.name} has no box in recordings.anonymity.boxes"
            raise ItemError("not_anonymised", text)
        share = self.bare / self.frames if self.frames else 1.0
        if share > self.settings.max_bare:
            raise ItemError(
                "not_anonymised",
                f"nothing was found and hidden in {self.bare} of {self.frames} frames, wanted at "
                f"most {self.settings.max_bare:.0%} (recordings.anonymity.max_bare)",
            )

    def _found(
        self, frames: Iterator[Timed], display: Display
    ) -> Iterator[tuple[int, Any, np.ndarray]]:
        """Yield (pts, frame, regions float32 (N, 4) in displayed pixels)."""
        if isinstance(self.finder, BoxFinder):
            numbers = _numbers(self.recording, size_and_mtime(self.recording))
            for pts, frame in frames:
                yield pts, frame, self._grown(self.finder.at(numbers[pts]), display)
            return
        while batch := list(islice(frames, BATCH)):
            found = self.finder.regions([to_rgb(frame, display=display) for _, frame in batch])
            for (pts, frame), regions in zip(batch, found, strict=True):
                yield pts, frame, self._grown(regions, display)

    def _grown(self, regions: np.ndarray, display: Display) -> np.ndarray:
        return heads.grown(regions, self.settings.grow, display.size)

    def _hidden(
        self, window: deque[tuple[int, Any, np.ndarray]], at: int, display: Display
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
    away is of a head that this frame has too if it lies like one of the next frame in its direction
    (_SAME), and that one likewise; else the head is missed here, and the region is added. A region
    stands for one head only: of two heads that touch, one does not hide that the other is missed.
    """
    own = around[at]
    places = [own]
    for step in (-1, 1):
        known = own
        for other in range(at + step, at + step * (reach + 1), step):
            if not 0 <= other < len(around):
                break
            regions = around[other]
            is_known, gone = _same_heads(regions, known)
            places.append(regions[~is_known])
            # A head that is missed in the next frame too is still where it was last seen.
            known = np.concatenate([regions, known[gone]])
    return np.concatenate(places)


def _same_heads(regions: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair regions float32 (N, 4) with known ones (M, 4), those that lie most alike first.

    Returns which regions have a partner, bool (N,), and which known ones have none, bool (M,).
    """
    overlaps = geometry.iou(regions, known)
    is_known, gone = np.zeros(len(regions), np.bool_), np.ones(len(known), np.bool_)
    while overlaps.size and overlaps.max() >= _SAME:
        region, other = np.unravel_index(overlaps.argmax(), overlaps.shape)
        is_known[region], gone[other] = True, False
        overlaps[region], overlaps[:, other] = 0, 0
    return is_known, gone


def _display(path: Path) -> Display:
    """The geometry of a recording: frames in another pixel format have lost their rotation."""
    with open_video(path) as source:
        for frame in source:
            return display_of(frame)
    raise ItemError("zero_frames")


@lru_cache(maxsize=1)
def _numbers(path: Path, version: str) -> dict[int, int]:
    """pts -> number of the frame in the recording; `version`: its size and time of change.

    The clips of a recording follow each other: a long one is not decoded again for each of them.
    """
    with open_video(path) as source:
        # VideoSource sets a pts for every frame
        return {frame.pts or 0: number for number, frame in enumerate(source)}
