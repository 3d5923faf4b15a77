"""A COCO photo with its instances, and the mask of an instance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import msgspec
import numpy as np
from pycocotools import mask as rle

from occludenet_build.core import names
from occludenet_build.core.errors import ItemError
from occludenet_build.media.imaging.image_io import MAX_PIXELS

_FARTHEST = 1e9
"""Pixels: numbers of a stated box beyond it are no pixels of any photo."""


def is_storable(number: int) -> bool:
    """Whether an id fits into the 64 bits of a table's column."""
    return -(2**63) <= number < 2**63


@dataclass(frozen=True)
class Instance:
    """One annotation: id, category name, crowd flag; segmentation and box as JSON bytes."""

    annotation: int
    category: str
    crowd: bool
    segmentation: bytes
    box: bytes

    def box_xywh(self) -> tuple[float, float, float, float] | None:
        """The stated box (x, y, width, height) in pixels; None if it is malformed.

        Raises ItemError bad_mask where its numbers are no pixels, such as 1e308.
        """
        try:
            box = msgspec.json.decode(self.box, type=tuple[float, float, float, float])
        except msgspec.MsgspecError:
            return None
        if any(abs(number) > _FARTHEST for number in box):
            shown = ", ".join(f"{number:g}" for number in box)
            raise ItemError("bad_mask", f"the stated box, {shown}, is far outside the photo")
        return box


@dataclass(frozen=True)
class Photo:
    """One image of the file with its selected instances; width and height in pixels, or None."""

    image: int
    file_name: str | None
    width: int | None
    height: int | None
    licence: str | None
    licence_url: str | None
    flickr_url: str | None
    coco_url: str | None
    instances: tuple[Instance, ...]
    problem: str | None = None
    """Why the photo cannot be told; None if it can."""


def candidate_file_names(photo: Photo) -> Iterator[str]:
    """Names that a photo may have in the folder: as stated, without folder, in COCO's subsets.

    The folders of a name from Windows end in backslashes. Of a name that leaves the folder, such as
    C:\\photos\\x.png or /home/me/x.png, only the last part counts. Raises ItemError image_missing
    for a name that is empty.
    """
    stated = _with_slashes(photo)
    plain = stated.rsplit("/", 1)[-1]
    try:
        plain = names.safe_name(plain)
    except ItemError as error:
        detail = f"the file name leaves the folder, or is none: {error.detail}"
        raise ItemError("image_missing", detail) from error
    name = plain if leaves_folder(photo) else names.safe_name(stated)
    yield from dict.fromkeys([name, plain, f"train2017/{plain}", f"val2017/{plain}"])


def leaves_folder(photo: Photo) -> bool:
    """Whether a photo's stated name is absolute, or leads out of the folder of photos."""
    try:
        names.safe_name(_with_slashes(photo))
    except ItemError:
        return True
    return False


def _with_slashes(photo: Photo) -> str:
    return (photo.file_name or "").strip().replace("\\", "/")


class InstanceMask:
    """The mask of an instance.

    `pixels` is its area. Polygons are rasterised only by `paint`: most are too small to be used.
    """

    def __init__(self, instance: Instance, photo: Photo) -> None:
        """Decode the mask. Raises ItemError bad_mask where it is malformed or empty."""
        height, width = photo.height, photo.width
        if not height or not width or min(height, width) < 1 or height * width > MAX_PIXELS:
            raise ItemError("bad_mask", f"the photo's stated size is {width}x{height}")
        try:
            segmentation = msgspec.json.decode(instance.segmentation or b"null")
            self._code = _run_lengths(segmentation, height, width)
            self._painted = None if isinstance(segmentation, list) else rle.decode(self._code)
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise ItemError("bad_mask", str(error)[:200]) from error
        counted = rle.area(self._code) if self._painted is None else self._painted.sum()
        self.pixels = int(counted)
        if not self.pixels:
            raise ItemError("bad_mask", "no pixel")

    def paint(self) -> np.ndarray:
        """The mask as an array: bool, (H, W), the size of the photo."""
        painted = rle.decode(self._code) if self._painted is None else self._painted
        # pycocotools returns columns; OpenCV transposes them faster than numpy.
        return cv2.transpose(np.ascontiguousarray(painted.T)).reshape(painted.shape).view(bool)


def _run_lengths(segmentation: Any, height: int, width: int) -> Any:
    """Any of COCO's three formats as run lengths, after checks that the C code does not make."""
    if isinstance(segmentation, dict):
        return _from_runs(segmentation, height, width)
    if not segmentation:
        raise ValueError("no polygon")
    corners = [_corners(polygon, 2 * max(height, width)) for polygon in segmentation]
    return rle.merge(rle.frPyObjects(corners, height, width))


def _from_runs(segmentation: dict[str, Any], height: int, width: int) -> Any:
    if list(segmentation["size"]) != [height, width]:
        raise ValueError(f"a mask of {segmentation['size']} on a photo {[height, width]}")
    counts = segmentation["counts"]
    if not isinstance(counts, list):
        return segmentation
    if any(not isinstance(n, int) or n < 0 for n in counts) or sum(counts) != height * width:
        raise ValueError("run lengths do not cover the photo")
    return rle.frPyObjects(segmentation, height, width)


def _corners(polygon: Any, limit: int) -> list[float]:
    """The coordinates x, y, x, y, ... of a polygon, after checks."""
    if any(isinstance(value, str) for value in polygon):
        raise ValueError("a polygon with text in place of a number")
    numbers = np.asarray(polygon, dtype=np.float64)
    # pycocotools takes four numbers for a box.
    if numbers.ndim != 1 or numbers.size < 6 or numbers.size % 2:
        raise ValueError("a polygon has 6 or more numbers, x y of every corner")
    if not np.isfinite(numbers).all() or (np.abs(numbers) > limit).any():
        raise ValueError("a polygon's corner is far outside the photo")
    return numbers.tolist()
