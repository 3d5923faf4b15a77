"""One frame whose pixels may be changed: pasted on, encoded, and put back for the next scale."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from occludenet_build.compositing.patches import Patch, PlanePatch
from occludenet_build.core.video.planes import Layout, in_format, layout_of, new_frame, views


class Change(NamedTuple):
    """Samples (h, w) of a plane that an occluder changes, in the plane's dtype.

    `region` is a view into the plane; `before` and `after` are copies of its samples without and
    with the occluder.
    """

    region: np.ndarray
    before: np.ndarray
    after: np.ndarray


class FrameBuffer:
    """A scratch frame in the working format of a clip.

    `frame` is what goes to an encoder; `planes` are its Y, U and V, uint8 or uint16 (H, W), views
    into the frame; chroma planes are smaller where the format subsamples them.
    """

    def __init__(self, first, working_format: str) -> None:
        self._format = working_format
        converted = in_format(first, working_format)
        self.layout: Layout = layout_of(converted)
        self.frame = new_frame(converted)
        self.planes = views(self.frame, self.layout)

    def load(self, frame) -> None:
        """Copy the pixels of a decoded frame."""
        source = views(in_format(frame, self._format), self.layout)
        for mine, theirs in zip(self.planes, source, strict=True):
            np.copyto(mine, theirs)

    def copy(self, other: FrameBuffer) -> None:
        """Copy the pixels of another frame buffer of the same clip."""
        for mine, theirs in zip(self.planes, other.planes, strict=True):
            np.copyto(mine, theirs)

    def blended(self, patch: Patch, x: int, y: int) -> list[Change]:
        """The changes that paste a patch with its first luma pixel at (x, y) of the coded picture.

        The frame itself stays as it is until `show`.

        All scales of a frame are blended in a row: after an encode every call here is slow, as
        the processor's caches are full of something else.
        """
        shifts = ((0, 0), *[(self.layout.sub_x, self.layout.sub_y)] * 2)
        changes = [
            _blend(plane, part, x >> sub_x, y >> sub_y)
            for plane, part, (sub_x, sub_y) in zip(self.planes, patch.planes, shifts, strict=True)
        ]
        return [change for change in changes if change is not None]

    def show(self, changes: list[Change]) -> None:
        """Write the occluder's samples into the frame."""
        for region, _, after in changes:
            region[:] = after

    def hide(self, changes: list[Change]) -> None:
        """Put back the samples that the frame had before `show`."""
        for region, before, _ in changes:
            region[:] = before


def _blend(plane: np.ndarray, part: PlanePatch, x: int, y: int) -> Change | None:
    """A patch pasted on a plane at (x, y); None if it is outside."""
    height, width = plane.shape
    left, top = max(x, 0), max(y, 0)
    right = min(x + part.add.shape[1], width)
    bottom = min(y + part.add.shape[0], height)
    if left >= right or top >= bottom:
        return None
    inside = slice(top - y, bottom - y), slice(left - x, right - x)
    region = plane[top:bottom, left:right]
    before = region.copy()
    blended = before * part.keep[inside]
    blended += part.add[inside]
    return Change(region, before, blended.astype(plane.dtype))
