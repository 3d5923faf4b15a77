"""What can be said of an instance before its photo is opened: its row, and its mask if wanted."""

from __future__ import annotations

from operator import ge, le
from typing import Any

import numpy as np

from occludenet_build.coco.photo import Instance, Mask, Photo
from occludenet_build.coco.shape import shape_of
from occludenet_build.config import Gates, Occluders
from occludenet_build.core.errors import ItemError

Row = dict[str, Any]

SKIPPED = (
    "crowd", "too_small", "touches_border", "has_holes", "fragmented", "too_thin", "blurred",
    "near_duplicate",
)  # fmt: skip
"""Reasons of what is sound and not wanted; for all others a row failed."""

_SHAPE_GATES = (
    ("fragmented", "largest_part", ge),
    ("has_holes", "holes", le),
    ("too_thin", "thickness", ge),
    ("touches_border", "border", le),
)
"""Reason, measure and setting, and what passes."""


def look(instance: Instance, photo: Photo, settings: Occluders) -> tuple[Row, np.ndarray | None]:
    """The row of an instance, and its mask, bool (H, W), if nothing speaks against it so far."""
    row = _origin(photo, instance)
    try:
        if instance.crowd:
            raise ItemError("crowd")
        mask = Mask(instance, photo)
        row["pixels"] = mask.pixels
        check_size(mask.pixels, settings)
        painted = mask.paint()
        row.update(vars(shape_of(painted)))
        check_shape(row, settings.gates)
    except ItemError as error:
        refuse(row, error)
        return row, None
    return row, painted


def _origin(photo: Photo, instance: Instance) -> Row:
    return {
        "category": instance.category,
        "origin": "coco",
        "source": photo.file_name,
        "coco_image": photo.image,
        "coco_annotation": instance.annotation,
        "licence": photo.licence,
        "licence_url": photo.licence_url,
        "origin_url": photo.flickr_url or photo.coco_url,
    }


def refuse(row: Row, error: ItemError) -> None:
    status = "skipped" if error.reason in SKIPPED else "failed"
    row.update(status=status, reason=error.reason, detail=error.detail or None)


def check_size(pixels: int, settings: Occluders) -> None:
    if pixels < settings.min_pixels:
        raise ItemError("too_small", f"{pixels} of {settings.min_pixels} px")


def check_shape(row: Row, gates: Gates) -> None:
    """Raise ItemError for the first gate that the measures in a row do not pass."""
    for reason, name, passes in _SHAPE_GATES:
        if gates.apply and not passes(row[name], getattr(gates, name)):
            raise ItemError(reason, f"{name} {row[name]:.3g}, the gate {getattr(gates, name):g}")
