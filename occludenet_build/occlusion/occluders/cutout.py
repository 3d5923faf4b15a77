"""One photo: its instances looked at, the wanted ones cut out and written.

How soft the edges inside an object are, from one picture and without knowing its contrast.

An edge of spread s (the sigma of a Gaussian) that is blurred once more by 1 px keeps s / sqrt(s^2 +
1) of its gradient. The ratio of the two gradients therefore gives s, whatever the contrast (Zhuo &
Sim, Defocus map estimation from a single image, 2011). It is taken on the object's strongest edges
and divided by the object's size: what is soft over 2 px is blurred when it is 200 px wide, and
sharp when it is 2,000 px wide and shown smaller.

Measured on 25 sharp COCO objects, JPEG at quality 85: they have 0.5 to 0.7 px, and blurred by 1.5,
2 and 3 px they measure 1.7, 2.2 and 3.1 px.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from occludenet_build.config.occlusion import Occluders
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import write_bytes_if_changed
from occludenet_build.media.imaging.image_io import check_stated, opened
from occludenet_build.occlusion.occluders.edge_refinement import refined, release_crop, rgba
from occludenet_build.occlusion.occluders.near_duplicates import perceptual_hash
from occludenet_build.sources.coco.photo import Instance, Photo, candidates
from occludenet_build.sources.coco.selection import Row, look, refuse

_STRONGEST = 0.05
"""Share of the object's pixels that count as its edges."""
_LEAST_GRADIENT = 2.0
"""Grey levels per pixel: below there is noise and nothing to judge."""
_LEAST_EDGES = 20
_REBLUR_PX = 1.0
_MARGIN = 7
"""So many pixels at the outline are left out, in all: there the background begins."""
_LEAST_SIZE_PX = 30_000**0.5
"""A smaller object counts as so large: its pixels, not its blur, are what is coarse."""


def blur_of(rgb: np.ndarray, mask: np.ndarray) -> float | None:
    """Spread of the edges over the size of the object; None if there is no edge to judge by.

    `rgb` uint8 (H, W, 3) and `mask` bool (H, W), of the photo or of any part that holds the object.
    """
    spread = _edge_spread_px(rgb, mask)
    size = max(float(np.count_nonzero(mask)) ** 0.5, _LEAST_SIZE_PX)
    return None if spread is None else spread / size


def _edge_spread_px(rgb: np.ndarray, mask: np.ndarray) -> float | None:
    kernel = np.ones((_MARGIN, _MARGIN), np.uint8)
    inner = cv2.erode(np.ascontiguousarray(mask).view(np.uint8), kernel).astype(bool)
    if not inner.any():
        return None
    grey = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY).astype(np.float32)
    gradient = _gradient(grey)
    least = max(float(np.quantile(gradient[inner], 1 - _STRONGEST)), _LEAST_GRADIENT)
    edges = inner & (gradient >= least)
    if np.count_nonzero(edges) < _LEAST_EDGES:
        return None
    reblurred = _gradient(cv2.GaussianBlur(grey, (0, 0), _REBLUR_PX))
    ratio = np.maximum(gradient[edges] / np.maximum(reblurred[edges], 1e-3), 1.0001)
    return float(np.median(_REBLUR_PX / np.sqrt(ratio**2 - 1)))


def _gradient(grey: np.ndarray) -> np.ndarray:
    """float32 (H, W), grey levels per pixel."""
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)
    return cv2.magnitude(across, down)


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
