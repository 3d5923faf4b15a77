"""Which photos of COCO a bank needs, from the instances file alone: what acquire has to fetch."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import msgspec

from occludenet_build.coco.filters import look
from occludenet_build.coco.instances import photos
from occludenet_build.coco.photo import Instance
from occludenet_build.config import Occluders


@dataclass(frozen=True)
class WantedImage:
    """A photo that holds at least one instance that is large enough and passes the mask's gates."""

    image: int
    file_name: str | None
    width: int | None
    height: int | None
    coco_url: str | None
    flickr_url: str | None
    licence: str | None
    licence_url: str | None
    instances: dict[str, int]
    """category -> instances that are cut out unless they are blurred or a duplicate."""


def wanted_images(instances: Path, settings: Occluders) -> list[WantedImage]:
    """By id. The stage occluders opens these photos and no others: nothing else need be there.

    Raises UserError for a file that is no COCO instances, or lacks a wanted category.
    """
    found = []
    for photo in photos(instances, settings.categories):
        counts: dict[str, int] = defaultdict(int)
        for instance in photo.instances:
            if not _may_hold(instance, settings.min_pixels):
                continue
            if look(instance, photo, settings)[1] is not None:
                counts[instance.category] += 1
        if counts:
            shared = {name: getattr(photo, name) for name in _FROM_PHOTO}
            found.append(WantedImage(instances=dict(counts), **shared))
    return found


def _may_hold(instance: Instance, pixels: int) -> bool:
    """False if the polygons' bounding boxes are smaller: nine of ten, for a tenth of the time."""
    try:
        polygons = msgspec.json.decode(instance.segmentation, type=list[list[float]])
    except msgspec.MsgspecError:
        return True
    return sum(map(_bound, polygons)) >= pixels


def _bound(polygon: list[float]) -> float:
    """Pixels that a polygon has at most."""
    x, y = polygon[::2], polygon[1::2]
    return (max(x) - min(x) + 2) * (max(y) - min(y) + 2) if y else 0.0


_FROM_PHOTO = (
    "image", "file_name", "width", "height", "coco_url", "flickr_url", "licence", "licence_url",
)  # fmt: skip
