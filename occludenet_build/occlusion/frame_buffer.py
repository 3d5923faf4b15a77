"""A frame that patches are pasted on and removed from again, between encodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from occludenet_build.core.errors import ItemError
from occludenet_build.media.video.fields import field_order_of, with_fields
from occludenet_build.media.video.planes import (
    Layout,
    in_format,
    layout_of,
    new_frame,
    plane_arrays,
)
from occludenet_build.occlusion.patches import Patch, PlanePatch


class Change(NamedTuple):
    """The samples (h, w) of a plane that a patch changes, in the plane's dtype.

    `region` is a view into the plane; `before` and `after` are copies of its samples without and
    with the patch.
    """

    region: np.ndarray
    before: np.ndarray
    after: np.ndarray


class FrameBuffer:
    """A writable frame in the working format of a clip.

    `frame` is passed to the encoders; `planes` are views of its Y, U and V planes, uint8 or uint16
    (H, W); chroma planes are smaller where the format subsamples them.
    """

    def __init__(self, first, working_format: str) -> None:
        self._format = working_format
        converted = in_format(first, working_format)
        self.layout: Layout = layout_of(converted)
        self.frame = with_fields(new_frame(converted), field_order_of(first))
        self.planes = plane_arrays(self.frame, self.layout)

    def load(self, frame) -> None:
        """Copy the pixels of a decoded frame into the buffer.

        Raises ItemError unreadable for a frame of another size.
        """
        if (frame.width, frame.height) != (self.frame.width, self.frame.height):
            raise ItemError("unreadable", f"frame size changes to {frame.width}x{frame.height}")
        source = plane_arrays(in_format(frame, self._format), self.layout)
        for plane, other in zip(self.planes, source, strict=True):
            np.copyto(plane, other)

    def copy(self, other: FrameBuffer) -> None:
        """Copy the pixels of another buffer of the same clip into this one."""
        for plane, source in zip(self.planes, other.planes, strict=True):
            np.copyto(plane, source)

    def blend(self, patch: Patch, x: int, y: int) -> list[Change]:
        """The changes that paste a patch with its first luma pixel at (x, y) of the coded picture.

        The frame is unchanged until `apply`. Callers blend all scales of a frame in a row: calls
        right after an encode are slow, since the encode has evicted the processor's caches.
        """
        placed = _on_planes(self.planes, self.layout, patch, x, y)
        changes = [_blend(*one) for one in placed]
        return [change for change in changes if change is not None]

    def apply(self, changes: list[Change]) -> None:
        """Write the samples with the patch into the frame."""
        for region, _, after in changes:
            region[:] = after

    def restore(self, changes: list[Change]) -> None:
        """Write the samples without the patch into the frame; undoes `apply`."""
        for region, before, _ in changes:
            region[:] = before


def paste(planes: Sequence[np.ndarray], layout: Layout, patch: Patch, x: int, y: int) -> None:
    """Paste a patch with its first pixel at (x, y) on planes, uint8 or uint16 (H, W), for good.

    The samples are those of `FrameBuffer.blend`; nothing is kept to undo it. RGB frames (H, W, 3)
    are one plane.
    """
    for plane, part, left, top in _on_planes(planes, layout, patch, x, y):
        found = _overlap(plane, part, left, top)
        if found is not None:
            region, inside = found
            blended = region * part.keep[inside]
            blended += part.add[inside]
            region[:] = blended  # truncates as a cast does


def _on_planes(
    planes: Sequence[np.ndarray], layout: Layout, patch: Patch, x: int, y: int
) -> Iterator[tuple[np.ndarray, PlanePatch, int, int]]:
    """Each plane with its part of the patch, and the position of that part in the plane."""
    for plane, part, (sub_x, sub_y) in zip(planes, patch.planes, layout.shifts, strict=True):
        yield plane, part, x >> sub_x, y >> sub_y


def _overlap(
    plane: np.ndarray, part: PlanePatch, x: int, y: int
) -> tuple[np.ndarray, tuple[slice, ...]] | None:
    """The samples (h, w) of a plane under a patch at (x, y), a view, and the patch's over them.

    None if the patch is outside the plane.
    """
    height, width = plane.shape[:2]
    tall, wide = part.add.shape[:2]
    if 0 <= x <= width - wide and 0 <= y <= height - tall:  # as most are
        return plane[y : y + tall, x : x + wide], ()
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + wide, width), min(y + tall, height)
    if left >= right or top >= bottom:
        return None
    return plane[top:bottom, left:right], (slice(top - y, bottom - y), slice(left - x, right - x))


def _blend(plane: np.ndarray, part: PlanePatch, x: int, y: int) -> Change | None:
    """The change of one plane by a patch at (x, y); None if the patch is outside the plane."""
    found = _overlap(plane, part, x, y)
    if found is None:
        return None
    region, inside = found
    before = region.copy()
    blended = before * part.keep[inside]
    blended += part.add[inside]
    return Change(region, before, blended.astype(plane.dtype))
