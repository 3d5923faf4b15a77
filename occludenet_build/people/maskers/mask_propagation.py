"""Masks at keyframes, and by optical flow in the frames between.

    key                 key
     |--> --> -->            forward: each frame takes the mask along from the one before
          <-- <-- <-- |      backward: from the one after
     a   a+1 a+2 a+3  b      where the two differ the nearer key decides

Flow is dense (OpenCV's DIS), in a window around the actor's boxes from key to key, at a bounded
size: cost and memory do not grow with the picture. A run (no gap, one track) begins and ends with
a key. Nothing is carried past a key in which the backend found nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np

from occludenet_build.media.imaging import boxes
from occludenet_build.people.maskers.interface import BoxedFrame, Clip, MaskedFrame, Masker

_SIDE = 320
"""Longer side of the window in which flow is computed, pixels."""
_LEAST_SIDE = 64
"""Shorter sides are stretched to this: DIS needs some pixels."""
_MARGIN = 0.15
"""Share of the boxes' hull that the window adds on each side."""
_ROOM = 0.1
"""A mask may leave the box of its frame by this share: the box is no tighter than its detector."""


class Between:
    """A masker that asks another one in every `every`-th frame of a run."""

    def __init__(self, masker: Masker, every: int) -> None:
        self._masker, self._every = masker, every

    def masks(self, clip: Clip) -> Iterator[MaskedFrame]:
        cv2.setNumThreads(1)  # DIS works in as many stripes as there are threads
        watched = _Watched(clip.path, clip.boxes, clip.frame_count, clip.tracks)
        watched.todo.extend(_stretches(clip, self._every))
        known: dict[int, np.ndarray] = {}
        for number, mask in self._masker.masks(watched):
            known[number] = mask
            yield from _finished(watched, number, known)
        yield from _finished(watched, clip.frame_count, known)


def keyframes(run: Sequence[int], every: int) -> list[int]:
    """Every so-many-th frame of a run, and its last.

    >>> keyframes(range(10, 17), 4)
    [10, 14, 16]
    """
    return [*run[:-1:every], run[-1]]


@dataclass(frozen=True)
class _Window:
    """A rectangle of the picture, and the size (w, h) in which flow is computed there.

    rect: x1 y1 x2 y2, pixels; shape: (H, W) of the picture.
    """

    rect: tuple[int, int, int, int]
    size: tuple[int, int]
    shape: tuple[int, int]

    @staticmethod
    def around(hull: np.ndarray, shape: tuple[int, int]) -> _Window | None:
        """The window of boxes (N, 4), None where they lie outside of the picture."""
        whole = np.concatenate([hull[:, :2].min(axis=0), hull[:, 2:].max(axis=0)])[None]
        rect = boxes.clipped(boxes.grown(whole, _MARGIN), shape[1], shape[0])[0]
        x1, y1, x2, y2 = (int(v) for v in (*np.floor(rect[:2]), *np.ceil(rect[2:])))
        if x2 <= x1 or y2 <= y1:
            return None
        scale = min(1.0, _SIDE / max(x2 - x1, y2 - y1))
        sides = (max(_LEAST_SIDE, round(side * scale)) for side in (x2 - x1, y2 - y1))
        return _Window((x1, y1, x2, y2), tuple(sides), shape)  # type: ignore[arg-type]

    def scaled(self, picture: np.ndarray) -> np.ndarray:
        x1, y1, x2, y2 = self.rect
        return cv2.resize(picture[y1:y2, x1:x2], self.size, interpolation=cv2.INTER_AREA)

    def placed(self, soft: np.ndarray, box: np.ndarray) -> np.ndarray:
        """A soft mask float32 (h, w) of the window as bool (H, W), within the box and its room."""
        x1, y1, x2, y2 = self.rect
        large = cv2.resize(soft, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)
        full = np.zeros(self.shape, bool)
        full[y1:y2, x1:x2] = large > 0.5
        left, top, right, bottom = (int(v) for v in np.rint(boxes.grown(box[None], _ROOM)[0]))
        inside = np.zeros(self.shape, bool)
        inside[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
        return full & inside


@dataclass
class _Stretch:
    """The frames from one key to the next, or one key (`first` is `last`)."""

    first: int
    last: int
    window: _Window | None = None
    grey: dict[int, np.ndarray] = field(default_factory=dict)
    """The frames' windows, uint8 (h, w)."""

    def see(self, number: int, rgb: np.ndarray, clip: Clip) -> None:
        """Keep the window of a frame, if it is one of these."""
        if self.first == self.last or not self.first <= number <= self.last:
            return
        if number == self.first:
            hull = np.stack([clip.boxes[n] for n in range(self.first, self.last + 1)])
            self.window = _Window.around(hull, rgb.shape[:2])
        if self.window is not None:
            small = self.window.scaled(rgb)
            self.grey[number] = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)


def _stretches(clip: Clip, every: int) -> Iterator[_Stretch]:
    for run in clip.runs():
        keys = keyframes(run, every)
        yield _Stretch(keys[0], keys[0])
        for one, other in pairwise(keys):
            if other > one + 1:
                yield _Stretch(one, other)
            yield _Stretch(other, other)


@dataclass(frozen=True)
class _Watched(Clip):
    """A clip that shows a backend its keys only, and keeps windows of the frames between."""

    todo: deque[_Stretch] = field(default_factory=deque)

    def frames(self) -> Iterator[BoxedFrame]:
        keys = {stretch.first for stretch in self.todo}
        for number, rgb, box in super().frames():
            for stretch in self.todo:  # what is finished is gone: only the backend's batch is left
                if stretch.first > number:
                    break
                stretch.see(number, rgb, self)
            if number in keys:
                yield number, rgb, box


def _finished(clip: _Watched, reached: int, known: dict[int, np.ndarray]) -> Iterator[MaskedFrame]:
    """The masks of all stretches up to the frame `reached`; `known`: those of the keys."""
    while clip.todo and clip.todo[0].last <= reached:
        stretch = clip.todo.popleft()
        for number in [number for number in known if number < stretch.first]:
            del known[number]
        if stretch.first < stretch.last:
            yield from _between(stretch, known, clip)
        elif stretch.first in known:
            yield stretch.first, known[stretch.first]


def _between(stretch: _Stretch, known: dict[int, np.ndarray], clip: Clip) -> Iterator[MaskedFrame]:
    """Both keys' masks taken along, the nearer one deciding; one where the other has none."""
    window, inner = stretch.window, range(stretch.first + 1, stretch.last)
    if window is None:
        return
    forward = _carried(stretch, known.get(stretch.first), inner, -1)
    backward = _carried(stretch, known.get(stretch.last), inner[::-1], 1)
    for number in inner:
        share = (number - stretch.first) / (stretch.last - stretch.first)
        parts = [(1 - share, forward.get(number)), (share, backward.get(number))]
        there = [(weight, soft) for weight, soft in parts if soft is not None]
        if there:
            total = sum(weight for weight, _ in there)
            both = np.stack([soft * np.float32(weight / total) for weight, soft in there])
            mask = window.placed(both.sum(axis=0), clip.boxes[number])
            if mask.any():
                yield number, mask


def _carried(
    stretch: _Stretch, mask: np.ndarray | None, order: Sequence[int], step: int
) -> dict[int, np.ndarray]:
    """Frame -> soft mask float32 (h, w), taken along from a key; `step`: where the frame before
    in this order lies."""
    if mask is None or stretch.window is None:
        return {}
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    soft = stretch.window.scaled(mask.astype(np.float32))
    rows, columns = np.mgrid[0 : soft.shape[0], 0 : soft.shape[1]].astype(np.float32)
    found = {}
    for number in order:
        # for each pixel of this frame, where it was in the other
        moved = flow.calc(stretch.grey[number], stretch.grey[number + step], None)  # type: ignore[call-overload]
        at = columns + moved[..., 0], rows + moved[..., 1]
        soft = found[number] = cv2.remap(soft, *at, cv2.INTER_LINEAR, borderValue=0)
    return found
