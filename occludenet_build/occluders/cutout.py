"""One photo: its instances looked at, the wanted ones cut out and written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from occludenet_build.coco.filters import Row, look, refuse
from occludenet_build.coco.image_io import check_stated, opened
from occludenet_build.coco.photo import Instance, Photo, candidates
from occludenet_build.config import Occluders
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import write_bytes_if_changed
from occludenet_build.occluders.blur import blur_of
from occludenet_build.occluders.edge_refinement import refined, release_crop, rgba
from occludenet_build.occluders.near_duplicates import perceptual_hash


@dataclass(frozen=True)
class Job:
    """A photo with where it lies, where its cut-outs go, the stage's settings and its split."""

    photo: Photo
    images: Path
    out: Path
    settings: Occluders
    split: str


def cut(job: Job) -> list[Row]:
    """A table row per instance of the photo; the PNGs of those that are ok are written."""
    rows, wanted = [], []
    for instance in job.photo.instances:
        row, mask = look(instance, job.photo, job.settings)
        rows.append(row)
        if mask is not None:
            wanted.append((row, instance, mask))
    if wanted:
        _cut_all(job, wanted)
    return rows


def _cut_all(job: Job, wanted: list[tuple[Row, Instance, np.ndarray]]) -> None:
    try:
        rgb = read_photo(job.images, job.photo)
    except ItemError as error:
        for row, _, _ in wanted:
            refuse(row, error)
        return
    taken: set[str] = set()
    for row, instance, mask in wanted:
        try:
            row.update(_cut_one(rgb, mask, instance, row, job, taken))
        except ItemError as error:
            refuse(row, error)


def read_photo(folder: Path, photo: Photo) -> np.ndarray:
    """The stored pixels, uint8 (H, W, 3), RGB, not turned by EXIF: annotations are on them.

    Raises ItemError: image_missing, image_unreadable.
    """
    path = next((p for n in candidates(photo) if (p := folder / n).is_file()), None)
    if path is None:
        raise ItemError("image_missing", f"{photo.file_name}")
    with opened(path) as image:
        check_stated(image, (photo.width, photo.height))
        return np.array(image.convert("RGB"))


def _cut_one(
    rgb: np.ndarray, mask: np.ndarray, instance: Instance, row: Row, job: Job, taken: set[str]
) -> dict[str, Any]:
    """Write one PNG; what its row says of it. Its name is the polygon's, refined or not."""
    settings = job.settings
    crop = release_crop(mask, instance.box_xywh())
    better, overlap = refined(rgb, mask, settings.refine)
    row |= {"refined": overlap, "blur": blur_of(rgb, better)}
    check_blur(row, settings)
    name = next(n for n in names(row, _percent(mask, crop)) if n not in taken)
    taken.add(name)
    if better is not mask:
        crop = release_crop(better, None)
    return {
        "occluder": name,
        "perceptual_hash": perceptual_hash(rgb, better),
        **written(rgba(rgb, better, crop, settings.feather), row["category"], name, job.out),
        "status": "ok",
        "split": job.split,
    }


def check_blur(row: Row, settings: Occluders) -> None:
    """Raises ItemError, blurred, where the gate is on and the row is above it."""
    limit = settings.gates.blur
    if settings.gates.apply and row["blur"] is not None and row["blur"] > limit:
        raise ItemError("blurred", f"blur {row['blur']:.3g}, the gate {limit:g}")


def _percent(mask: np.ndarray, crop: tuple[int, int, int, int]) -> float:
    x1, y1, x2, y2 = crop
    return 100 * float(mask[y1:y2, x1:x2].mean())


def written(picture: np.ndarray, category: str, name: str, out: Path) -> dict[str, Any]:
    """Write a cut-out, uint8 (H, W, 4) RGBA; the columns that its file fills."""
    content = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA))[1].tobytes()
    file = f"png/{category}/{name}"
    write_bytes_if_changed(out / file, content)
    height, width = picture.shape[:2]
    return {
        "file": file,
        "width": width,
        "height": height,
        "pixel_ratio": 100 * float((picture[..., 3] >= 128).mean()),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def names(row: Row, percent: float) -> Iterator[str]:
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
