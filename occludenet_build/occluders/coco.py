"""COCO's instances file: read, checked, and narrowed to the wanted categories."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as rle
from pycocotools.coco import COCO

from occludenet_build.core.errors import ItemError, UserError

_MAX_PIXELS = 2**26
"""A picture stated as larger is an error in the file: its masks would fill the memory."""


@dataclass(frozen=True)
class Instance:
    """One annotation: its id, category name, crowd flag and segmentation as in the file."""

    annotation: int
    category: str
    crowd: bool
    segmentation: Any


@dataclass(frozen=True)
class Photo:
    """One image of the file with its wanted instances; width and height in pixels, or None."""

    image: int
    file_name: str | None
    width: int | None
    height: int | None
    licence: str | None
    licence_url: str | None
    origin_url: str | None
    instances: tuple[Instance, ...]


def photos(path: Path, categories: tuple[str, ...]) -> list[Photo]:
    """Every image that holds a wanted instance, by id."""
    coco = _index(path)
    numbers = _category_numbers(coco, categories, path)
    licences = {entry.get("id"): entry for entry in coco.dataset.get("licenses") or ()}
    held: dict[int, list[Instance]] = {}
    for entry in coco.dataset["annotations"]:
        if entry["category_id"] in numbers:
            held.setdefault(entry["image_id"], []).append(_instance(entry, numbers))
    return [
        _photo(image, coco.imgs.get(image, {}), licences, held[image]) for image in sorted(held)
    ]


def _index(path: Path) -> COCO:
    """pycocotools' index over a file that was checked to have COCO's form."""
    try:
        with open(path, "rb") as stream:
            dataset = json.load(stream)
    except (OSError, ValueError) as error:
        raise UserError(f"occluders: wanted COCO instances, {path}: {error}") from error
    _check_form(dataset, path)
    coco = COCO()
    coco.dataset = dataset
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        coco.createIndex()
    return coco


def _check_form(dataset: Any, path: Path) -> None:
    """Stop where a list or a key that this room needs is not there."""
    needed: dict[str, dict[str, type]] = {
        "images": {"id": int},
        "annotations": {"id": int, "image_id": int, "category_id": int},
        "categories": {"id": int, "name": str},
    }
    for part, keys in needed.items():
        entries = dataset.get(part) if isinstance(dataset, dict) else None
        if not isinstance(entries, list):
            raise UserError(f"occluders: wanted COCO instances, {path} has no list {part!r}")
        for entry in entries:
            if not isinstance(entry, dict) or not all(_is(entry, k, t) for k, t in keys.items()):
                shown = ", ".join(f"{key} ({kind.__name__})" for key, kind in keys.items())
                raise UserError(
                    f"occluders: {path}: wanted {shown} in every entry of {part!r}, "
                    f"got {json.dumps(entry)[:80]}"
                )


def _is(entry: dict[str, Any], key: str, kind: type) -> bool:
    value = entry.get(key)
    return isinstance(value, kind) and not isinstance(value, bool)


def _category_numbers(coco: COCO, names: tuple[str, ...], path: Path) -> dict[int, str]:
    there = {entry["name"]: entry["id"] for entry in coco.dataset["categories"]}
    for name in names:
        if name not in there:
            raise UserError(
                f"occluders.categories: wanted categories of {path}, got {name!r}; "
                f"it has {', '.join(sorted(there))}"
            )
        # The name becomes a folder.
        if name != Path(name).name or name.startswith("."):
            raise UserError(f"occluders.categories: {name!r} cannot be a folder's name")
    return {there[name]: name for name in names}


def _instance(entry: dict[str, Any], numbers: dict[int, str]) -> Instance:
    crowd = bool(entry.get("iscrowd", 0))
    category = numbers[entry["category_id"]]
    return Instance(entry["id"], category, crowd, entry.get("segmentation"))


def _photo(
    image: int, entry: dict[str, Any], licences: dict[Any, Any], instances: list[Instance]
) -> Photo:
    licence = licences.get(entry.get("license")) or {}
    return Photo(
        image=image,
        file_name=entry["file_name"] if _is(entry, "file_name", str) else None,
        width=entry["width"] if _is(entry, "width", int) else None,
        height=entry["height"] if _is(entry, "height", int) else None,
        licence=licence.get("name"),
        # COCO's own file escapes the slashes twice.
        licence_url=(licence.get("url") or "").replace("\\/", "/") or None,
        origin_url=entry.get("flickr_url") or entry.get("coco_url"),
        instances=tuple(sorted(instances, key=lambda i: i.annotation)),
    )


def candidates(photo: Photo) -> Iterator[str]:
    """Names under which a photo may lie in the folder: as stated, plain, by COCO's subsets."""
    name = (photo.file_name or "").strip()
    if not name or name.startswith("/") or ".." in name.split("/") or "\0" in name:
        raise ItemError("image_missing", f"the file name {photo.file_name!r} leaves the folder")
    plain = name.rsplit("/", 1)[-1]
    yield from dict.fromkeys([name, plain, f"train2017/{plain}", f"val2017/{plain}"])


def mask_of(instance: Instance, photo: Photo) -> np.ndarray:
    """The mask of an instance, bool (H, W) of the photo. Raises ItemError bad_mask."""
    height, width = photo.height, photo.width
    if not height or not width or min(height, width) < 1 or height * width > _MAX_PIXELS:
        raise ItemError("bad_mask", f"the photo's stated size is {width}x{height}")
    try:
        code = _code(instance.segmentation, height, width)
        mask = rle.decode(code).view(bool)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ItemError("bad_mask", str(error)[:200]) from error
    if not mask.any():
        raise ItemError("bad_mask", "no pixel")
    return mask


def _code(segmentation: Any, height: int, width: int) -> Any:
    """Any of COCO's three forms as run lengths, checked first: the C code trusts its input."""
    if isinstance(segmentation, dict):
        if list(segmentation["size"]) != [height, width]:
            raise ValueError(f"a mask of {segmentation['size']} on a photo {[height, width]}")
        counts = segmentation["counts"]
        if not isinstance(counts, list):
            return segmentation
        if any(not isinstance(n, int) or n < 0 for n in counts) or sum(counts) != height * width:
            raise ValueError("run lengths do not cover the photo")
        return rle.frPyObjects(segmentation, height, width)
    if not segmentation:
        raise ValueError("no polygon")
    polygons = [np.asarray(polygon, dtype=np.float64) for polygon in segmentation]
    limit = 2 * max(height, width)
    for polygon in polygons:
        # Four numbers would be taken for a box.
        if polygon.ndim != 1 or polygon.size < 6 or polygon.size % 2:
            raise ValueError("a polygon has 6 or more numbers, x y of every corner")
        if not np.isfinite(polygon).all() or (np.abs(polygon) > limit).any():
            raise ValueError("a polygon's corner is far outside the photo")
    corners = [polygon.tolist() for polygon in polygons]
    return rle.merge(rle.frPyObjects(corners, height, width))
