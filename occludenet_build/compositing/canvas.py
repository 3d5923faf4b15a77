"""One frame whose pixels may be changed: pasted on, encoded, and put back for the next scale."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from occludenet_build.compositing.cutout import Patch, PlanePatch
from occludenet_build.core.video.planes import Layout, in_format, layout_of, new_frame, views


class Canvas:
    """A scratch frame in the working format of a clip.

    `frame` is what goes to an encoder, `planes` are its Y, U, V as arrays (H, W).
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

    @contextmanager
    def pasted(self, patch: Patch, x: int, y: int) -> Iterator[None]:
        """The occluder with its first luma pixel at (x, y) of the coded picture, for a while."""
        saved = []
        shifts = ((0, 0), *[(self.layout.sub_x, self.layout.sub_y)] * 2)
        for plane, part, (sub_x, sub_y) in zip(self.planes, patch.planes, shifts, strict=True):
            region = _lay(plane, part, x >> sub_x, y >> sub_y)
            if region is not None:
                saved.append(region)
        yield
        for target, before in saved:
            target[:] = before


def _lay(
    plane: np.ndarray, part: PlanePatch, x: int, y: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Blend a patch into a plane; return the place and what was there, None if it is outside."""
    height, width = plane.shape
    left, top = max(x, 0), max(y, 0)
    right = min(x + part.add.shape[1], width)
    bottom = min(y + part.add.shape[0], height)
    if left >= right or top >= bottom:
        return None
    inside = slice(top - y, bottom - y), slice(left - x, right - x)
    target = plane[top:bottom, left:right]
    before = target.copy()
    blended = before * part.keep[inside]
    blended += part.add[inside]
    blended += 0.5  # casting cuts off
    np.copyto(target, blended, casting="unsafe")
    return target, before
