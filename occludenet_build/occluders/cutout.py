"""One photo: its instances checked, the large ones cut out and written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import write_bytes_if_changed
from occludenet_build.core.masks import box_of
from occludenet_build.occluders.coco import Instance, Photo, candidates, mask_of

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
"""Formats that are decoded here: others may start programs."""


@dataclass(frozen=True)
class Job:
    """A photo with where it lies, where its cut-outs go, the least size and its split."""

    photo: Photo
    images: Path
    out: Path
    min_pixels: int
    split: str


def cut(job: Job) -> list[dict[str, Any]]:
    """A table row per instance of the photo; the PNGs of those that are ok are written."""
    rows, masks = [], []
    for instance in job.photo.instances:
        row = _origin(job.photo, instance)
        rows.append(row)
        masks.append(_looked_at(row, instance, job))
    if any(mask is not None for mask in masks):
        _cut_all(job, rows, masks)
    return rows


def _origin(photo: Photo, instance: Instance) -> dict[str, Any]:
    return {
        "category": instance.category,
        "coco_image": photo.image,
        "coco_annotation": instance.annotation,
        "licence": photo.licence,
        "licence_url": photo.licence_url,
        "origin_url": photo.origin_url,
    }


def _refuse(row: dict[str, Any], error: ItemError) -> None:
    status = "skipped" if error.reason in ("crowd", "too_small") else "failed"
    row.update(status=status, reason=error.reason, detail=error.detail or None)


def _looked_at(row: dict[str, Any], instance: Instance, job: Job) -> np.ndarray | None:
    """The mask if the instance is wanted, else None and the reason in its row."""
    try:
        if instance.crowd:
            raise ItemError("crowd")
        mask = mask_of(instance, job.photo)
        row["pixels"] = int(np.count_nonzero(mask))
        if row["pixels"] < job.min_pixels:
            raise ItemError("too_small", f"{row['pixels']} of {job.min_pixels} px")
    except ItemError as error:
        _refuse(row, error)
        return None
    return mask


def _cut_all(job: Job, rows: list[dict[str, Any]], masks: list[np.ndarray | None]) -> None:
    try:
        rgb = read_photo(job.images, job.photo)
    except ItemError as error:
        for row in rows:
            if "status" not in row:
                _refuse(row, error)
        return
    taken: set[str] = set()
    for row, mask in zip(rows, masks, strict=True):
        if mask is not None:
            row.update(_written(rgb, mask, row, job, taken))


def read_photo(folder: Path, photo: Photo) -> np.ndarray:
    """The stored pixels, uint8 (H, W, 3), RGB, not turned by EXIF: annotations are on them."""
    path = next((p for n in candidates(photo) if (p := folder / n).is_file()), None)
    if path is None:
        raise ItemError("image_missing", f"{photo.file_name}")
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.size != (photo.width, photo.height):
                stated = f"{photo.width}x{photo.height}"
                raise ItemError(
                    "image_unreadable", f"{image.width}x{image.height}, stated as {stated}"
                )
            return np.array(image.convert("RGB"))
    # SyntaxError and ValueError are what Pillow raises for broken chunks
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ItemError("image_unreadable", str(error)[:200]) from error


def rgba(rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The cut-out, uint8 (h, w, 4): tight, alpha 0 or 255, black where transparent."""
    x1, y1, x2, y2 = box_of(mask) or (0, 0, 0, 0)
    alpha = mask[y1:y2, x1:x2, None]
    return np.concatenate([rgb[y1:y2, x1:x2] * alpha, alpha * np.uint8(255)], axis=2)


def _written(
    rgb: np.ndarray, mask: np.ndarray, row: dict[str, Any], job: Job, taken: set[str]
) -> dict[str, Any]:
    """Write one PNG; what its row says of it."""
    picture = rgba(rgb, mask)
    height, width = picture.shape[:2]
    percent = 100 * row["pixels"] / (height * width)
    name = next(n for n in names(row, percent) if n not in taken)
    taken.add(name)
    content = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA))[1].tobytes()
    file = f"png/{row['category']}/{name}"
    write_bytes_if_changed(job.out / file, content)
    return {
        "occluder": name,
        "status": "ok",
        "split": job.split,
        "file": file,
        "width": width,
        "height": height,
        "pixel_ratio": percent,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def names(row: dict[str, Any], percent: float) -> Iterator[str]:
    """The release's name, then the same with _2, _3, ...

    >>> next(names({"category": "dog", "coco_image": 42, "pixels": 31000}, 61.5))
    '0031000_dog_000000000042_61.50.png'
    >>> next(names({"category": "backpack", "coco_image": 42, "pixels": 31000}, 61.5))
    '000000000042_0031000_61.50.png'
    """
    image, pixels = f"{row['coco_image']:012d}", f"{row['pixels']:07d}"
    parts = (pixels, "dog", image) if row["category"] == "dog" else (image, pixels)
    stem = "_".join([*parts, f"{percent:.2f}"])
    yield f"{stem}.png"
    number = 2
    while True:
        yield f"{stem}_{number}.png"
        number += 1
