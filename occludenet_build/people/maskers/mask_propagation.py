"""Mask propagation: a backend masks every k-th frame (keyframe), optical flow the frames between.

    key                 key
     |--> --> -->            forward: the mask of the frame before, warped
          <-- <-- <-- |      backward: the mask of the frame after, warped
     a   a+1 a+2 a+3  b      where the two differ, the nearer keyframe decides

The flow is dense (OpenCV's DIS) and computed in a window around the actor's boxes from one keyframe
to the next, at a bounded size, so cost and memory do not depend on the picture's size. A run of
frames (no gap, one track) begins and ends with a keyframe. Nothing is propagated across a keyframe
without a mask.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np

from occludenet_build.media.imaging import boxes
from occludenet_build.people.maskers.interface import BoxedClip, BoxedFrame, MaskedFrame, Masker

_SIDE = 320
"""Longest side of the window in which flow is computed, pixels."""
_LEAST_SIDE = 64
"""Least side of the window, pixels; shorter ones are enlarged, as DIS needs some pixels."""
_MARGIN = 0.15
"""Margin of the window on each side, share of the smallest box around the actor's boxes."""
_BOX_MARGIN = 0.1
"""Margin by which a mask may leave its box, share of the sides: boxes are not exact."""


class KeyframeMasker:
    """A masker that runs another one on every `every`-th frame and propagates its masks."""

    def __init__(self, masker: Masker, every: int) -> None:
        self._masker, self._every = masker, every

    def masks(self, clip: BoxedClip) -> Iterator[MaskedFrame]:
        """Yields (frame number, mask bool (H, W)) of the frames with a mask."""
        cv2.setNumThreads(1)  # DIS divides the picture into as many stripes as there are threads
        keyframe_clip = _KeyframeClip(clip.path, clip.boxes, clip.frame_count, clip.tracks)
        keyframe_clip.todo.extend(_stretches(clip, self._every))
        known: dict[int, np.ndarray] = {}
        for number, mask in self._masker.masks(keyframe_clip):
            known[number] = mask
            yield from _finished(keyframe_clip, number, known)
        yield from _finished(keyframe_clip, clip.frame_count, known)


def keyframes(run: Sequence[int], every: int) -> list[int]:
    """Every `every`-th frame of a run, and its last.

    >>> keyframes(range(10, 17), 4)
    [10, 14, 16]
    """
    return [*run[:-1:every], run[-1]]


@dataclass(frozen=True)
class _Window:
    """The rectangle of the picture in which flow is computed."""

    rect: tuple[int, int, int, int]
    """x1 y1 x2 y2, pixels of the picture."""
    size: tuple[int, int]
    """Width and height of the scaled window, pixels."""
    shape: tuple[int, int]
    """Height and width of the picture, pixels."""

    @staticmethod
    def around(hull: np.ndarray, shape: tuple[int, int]) -> _Window | None:
        """The window of boxes float32 (N, 4), None where they lie outside the picture (H, W)."""
        whole = np.concatenate([hull[:, :2].min(axis=0), hull[:, 2:].max(axis=0)])[None]
        rect = boxes.clipped(boxes.expanded(whole, _MARGIN), shape[1], shape[0])[0]
        x1, y1, x2, y2 = (int(v) for v in (*np.floor(rect[:2]), *np.ceil(rect[2:])))
        if x2 <= x1 or y2 <= y1:
            return None
        scale = min(1.0, _SIDE / max(x2 - x1, y2 - y1))
        sides = (max(_LEAST_SIDE, round(side * scale)) for side in (x2 - x1, y2 - y1))
        return _Window((x1, y1, x2, y2), tuple(sides), shape)  # type: ignore[arg-type]

    def scaled(self, picture: np.ndarray) -> np.ndarray:
        """The window of a picture (H, W, 3) or mask (H, W), scaled to `size`."""
        x1, y1, x2, y2 = self.rect
        return cv2.resize(picture[y1:y2, x1:x2], self.size, interpolation=cv2.INTER_AREA)

    def placed(self, soft: np.ndarray, box: np.ndarray) -> np.ndarray:
        """A soft mask float32 (h, w) of the window as bool (H, W), cut to the grown box (4,)."""
        x1, y1, x2, y2 = self.rect
        large = cv2.resize(soft, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)
        full = np.zeros(self.shape, bool)
        full[y1:y2, x1:x2] = large > 0.5
        left, top, right, bottom = (
            int(v) for v in np.rint(boxes.expanded(box[None], _BOX_MARGIN)[0])
        )
        inside = np.zeros(self.shape, bool)
        inside[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
        return full & inside


@dataclass
class _Stretch:
    """The frames from one keyframe to the next, or one keyframe (`first` equals `last`)."""

    first: int
    last: int
    window: _Window | None = None
    grey: dict[int, np.ndarray] = field(default_factory=dict)
    """Frame -> its scaled window, uint8 (h, w)."""

    def keep(self, number: int, rgb: np.ndarray, clip: BoxedClip) -> None:
        """Keep the window of a frame uint8 (H, W, 3) that belongs to this stretch."""
        if self.first == self.last or not self.first <= number <= self.last:
            return
        if number == self.first:
            hull = np.stack([clip.boxes[n] for n in range(self.first, self.last + 1)])
            self.window = _Window.around(hull, rgb.shape[:2])
        if self.window is not None:
            small = self.window.scaled(rgb)
            self.grey[number] = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)


def _stretches(clip: BoxedClip, every: int) -> Iterator[_Stretch]:
    for run in clip.runs():
        keys = keyframes(run, every)
        yield _Stretch(keys[0], keys[0])
        for key, following in pairwise(keys):
            if following > key + 1:
                yield _Stretch(key, following)
            yield _Stretch(following, following)


@dataclass(frozen=True)
class _KeyframeClip(BoxedClip):
    """A clip that gives a backend its keyframes only, and keeps windows of the frames between."""

    todo: deque[_Stretch] = field(default_factory=deque)

    def frames(self) -> Iterator[BoxedFrame]:
        keys = {stretch.first for stretch in self.todo}
        for number, rgb, box in super().frames():
            for stretch in self.todo:  # finished ones are removed: these span the backend's batch
                if stretch.first > number:
                    break
                stretch.keep(number, rgb, self)
            if number in keys:
                yield number, rgb, box


def _finished(
    clip: _KeyframeClip, reached: int, known: dict[int, np.ndarray]
) -> Iterator[MaskedFrame]:
    """Yields the masks of all stretches up to frame `reached`; `known`: keyframe -> mask."""
    while clip.todo and clip.todo[0].last <= reached:
        stretch = clip.todo.popleft()
        for number in [number for number in known if number < stretch.first]:
            del known[number]
        if stretch.first < stretch.last:
            yield from _between(stretch, known, clip)
        elif stretch.first in known:
            yield stretch.first, known[stretch.first]


def _between(
    stretch: _Stretch, known: dict[int, np.ndarray], clip: BoxedClip
) -> Iterator[MaskedFrame]:
    """Yields masks between two keyframes: both propagated and weighted by nearness, or the one."""
    window, inner = stretch.window, range(stretch.first + 1, stretch.last)
    if window is None:
        return
    forward = _propagated(stretch, known.get(stretch.first), inner, -1)
    backward = _propagated(stretch, known.get(stretch.last), inner[::-1], 1)
    for number in inner:
        share = (number - stretch.first) / (stretch.last - stretch.first)
        parts = [(1 - share, forward.get(number)), (share, backward.get(number))]
        present = [(weight, soft) for weight, soft in parts if soft is not None]
        if present:
            total = sum(weight for weight, _ in present)
            both = np.stack([soft * np.float32(weight / total) for weight, soft in present])
            mask = window.placed(both.sum(axis=0), clip.boxes[number])
            if mask.any():
                yield number, mask


def _propagated(
    stretch: _Stretch, mask: np.ndarray | None, order: Sequence[int], step: int
) -> dict[int, np.ndarray]:
    """Frame -> soft mask float32 (h, w), propagated from a keyframe's mask bool (H, W).

    order: the frames, away from the keyframe; step: -1 or 1, towards the keyframe.
    """
    if mask is None or stretch.window is None:
        return {}
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    soft = stretch.window.scaled(mask.astype(np.float32))
    rows, columns = np.mgrid[0 : soft.shape[0], 0 : soft.shape[1]].astype(np.float32)
    propagated = {}
    for number in order:
        # For each pixel of this frame, its position in the neighbour.
        moved = flow.calc(stretch.grey[number], stretch.grey[number + step], None)  # type: ignore[call-overload]
        at = columns + moved[..., 0], rows + moved[..., 1]
        soft = propagated[number] = cv2.remap(soft, *at, cv2.INTER_LINEAR, borderValue=0)
    return propagated
