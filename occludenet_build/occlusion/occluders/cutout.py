"""Cut-outs of one COCO photo, and the measure of their blur.

Blur is the spread s of the edges inside an object (the sigma of a Gaussian), measured on one
picture without knowledge of its contrast. An edge that is blurred again by 1 px keeps s / sqrt(s^2
+ 1) of its gradient, so the ratio of the two gradients gives s (Zhuo & Sim, Defocus map estimation
from a single image, 2011). It is measured on the object's strongest edges and divided by the
object's size: a spread of 2 px is blurred for an object of 200 px, and sharp for one of 2,000 px
that is shown smaller.

25 sharp COCO objects, JPEG at quality 85, have spreads of 0.5 to 0.7 px; blurred by 1.5, 2 and 3 px
they measure 1.7, 2.2 and 3.1 px.
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
from occludenet_build.core.errors import ItemError, as_item_error
from occludenet_build.core.files import write_bytes_if_changed
from occludenet_build.media.imaging.image_io import check_stated, open_image, rgb_of
from occludenet_build.media.imaging.masks import box_of
from occludenet_build.occlusion.occluders.edge_refinement import (
    cutout_rgba,
    refine_mask,
    release_crop,
)
from occludenet_build.occlusion.occluders.near_duplicates import perceptual_hash
from occludenet_build.sources.coco.photo import Instance, Photo, candidate_file_names, leaves_folder
from occludenet_build.sources.coco.selection import (
    Row,
    examine_instance,
    origin_row,
    set_refusal,
)

_STRONGEST = 0.05
"""Share of the object's pixels that count as edges."""
_MIN_GRADIENT = 2.0
"""Grey levels per pixel; gradients below it are noise."""
_MIN_EDGES = 20
"""Pixels; with fewer edge pixels there is no measurement."""
_REBLUR_PX = 1.0
_MARGIN = 7
"""Side of the erosion kernel, pixels: excludes the outline, where background is mixed in."""
_AROUND_PX = 16
"""What is farther from the object than this has no influence on its edges."""
_LARGE_PHOTO = 2**22
"""Pixels; the blur of larger photos is measured on the part with the object. It differs from that
on the whole photo by rounding only; COCO's own photos have at most 640x640."""
_MIN_SIZE_PX = 30_000**0.5
"""Smaller objects count as this large: their limit is the resolution, not blur."""


@dataclass(frozen=True)
class PhotoJob:
    """A photo with its split, the folders of photos and of the bank, the stage's settings."""

    photo: Photo
    images: Path
    out: Path
    settings: Occluders
    split: str


def cut_photo(job: PhotoJob) -> list[Row]:
    """Write the PNGs of a photo's usable instances; return a table row per instance."""
    rows: list[Row] = []
    pixels, used = _Pixels(job), set[str]()
    for instance in job.photo.instances:
        # One mask at a time: those of a large photo are as large as its pixels.
        row, mask = examine_instance(instance, job.photo, job.settings)
        rows.append(row)
        if mask is None:
            continue
        try:
            row.update(_cut_one(pixels.read(), mask, instance, row, job, used))
        except Exception as error:
            set_refusal(row, as_item_error(error))
    return rows


class _Pixels:
    """The pixels of a photo, read once, and only if an instance is to be cut out."""

    def __init__(self, job: PhotoJob) -> None:
        self._job = job
        self._rgb: np.ndarray | None = None
        self._error: ItemError | None = None

    def read(self) -> np.ndarray:
        """RGB uint8 (H, W, 3). Raises the error of `read_photo`, each time."""
        if self._error is not None:
            raise self._error
        if self._rgb is None:
            try:
                self._rgb = read_photo(self._job.images, self._job.photo)
            except Exception as error:
                self._error = as_item_error(error)
                raise self._error from error
        return self._rgb


def lost_photo(job: PhotoJob, error: ItemError) -> list[Row]:
    """The rows of a photo whose worker had to be ended or died."""
    rows = [origin_row(job.photo, instance) for instance in job.photo.instances]
    for row in rows:
        set_refusal(row, error)
    return rows


def read_photo(folder: Path, photo: Photo) -> np.ndarray:
    """The stored pixels, RGB uint8 (H, W, 3), without EXIF rotation, as annotations refer to them.

    Raises ItemError: image_missing, image_unreadable; unreachable where the folder is away.
    """
    path = next((p for n in candidate_file_names(photo) if (p := folder / n).is_file()), None)
    if path is None and not folder.is_dir():
        raise ItemError("unreachable", f"the folder {folder} is away")
    if path is None:
        tried = ", ".join(map(ascii, candidate_file_names(photo)))
        shown = ascii(photo.file_name)[1:-1][:200]
        left = ", which leaves the folder" if leaves_folder(photo) else ""
        raise ItemError("image_missing", f"{shown}{left}: none of {tried} in {folder}")
    with open_image(path) as image:
        check_stated(image, (photo.width, photo.height))
        return rgb_of(image)


def _cut_one(
    rgb: np.ndarray, mask: np.ndarray, instance: Instance, row: Row, job: PhotoJob, used: set[str]
) -> dict[str, Any]:
    """Write one PNG; return its columns. The name is that of the unrefined polygon."""
    settings = job.settings
    crop = release_crop(mask, instance.box_xywh())
    outline, overlap = refine_mask(rgb, mask, settings.refine)
    row |= {"refined": overlap, "blur": blur_of(rgb, outline)}
    check_blur(row, settings)
    name = next(n for n in cutout_names(row, _percent(mask, crop)) if n not in used)
    used.add(name)
    if outline is not mask:
        crop = release_crop(outline, None)
    return {
        "occluder": name,
        "perceptual_hash": perceptual_hash(rgb, outline),
        **write_cutout(
            cutout_rgba(rgb, outline, crop, settings.feather), row["category"], name, job.out
        ),
        "status": "ok",
        "split": job.split,
    }


def check_blur(row: Row, settings: Occluders) -> None:
    """Raises ItemError, blurred, where the gate is on and the row's blur exceeds it."""
    limit = settings.gates.blur
    if settings.gates.apply and row["blur"] is not None and row["blur"] > limit:
        raise ItemError("blurred", f"blur {row['blur']:.3g}, the gate {limit:g}")


def _percent(mask: np.ndarray, crop: tuple[int, int, int, int]) -> float:
    x1, y1, x2, y2 = crop
    return 100 * float(mask[y1:y2, x1:x2].mean())


def write_cutout(picture: np.ndarray, category: str, name: str, out: Path) -> dict[str, Any]:
    """Write a cut-out, RGBA uint8 (H, W, 4), into the bank; return the columns of its file."""
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


def cutout_names(row: Row, percent: float) -> Iterator[str]:
    """Possible file names: the release's name, then the same with _2, _3, ...

    >>> next(cutout_names({"category": "dog", "coco_image": 42, "pixels": 31000}, 61.5))
    '0031000_dog_000000000042_61.50.png'
    >>> next(cutout_names({"category": "backpack", "coco_image": 42, "pixels": 31000}, 61.5))
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


def blur_of(rgb: np.ndarray, mask: np.ndarray) -> float | None:
    """Spread of the edges / size of the object, without unit; None without an edge.

    `rgb` uint8 (H, W, 3) and `mask` bool (H, W) cover the photo or any part with the whole object.
    """
    spread = _edge_spread_px(rgb, mask)
    size = max(float(np.count_nonzero(mask)) ** 0.5, _MIN_SIZE_PX)
    return None if spread is None else spread / size


def _edge_spread_px(rgb: np.ndarray, mask: np.ndarray) -> float | None:
    if mask.size > _LARGE_PHOTO:  # half a dozen arrays of float32 as large as the photo
        rgb, mask = _around(rgb, mask)
    kernel = np.ones((_MARGIN, _MARGIN), np.uint8)
    inner = cv2.erode(np.ascontiguousarray(mask).view(np.uint8), kernel).astype(bool)
    if not inner.any():
        return None
    grey = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY).astype(np.float32)
    gradient = _gradient(grey)
    least = max(float(np.quantile(gradient[inner], 1 - _STRONGEST)), _MIN_GRADIENT)
    edges = inner & (gradient >= least)
    if np.count_nonzero(edges) < _MIN_EDGES:
        return None
    reblurred = _gradient(cv2.GaussianBlur(grey, (0, 0), _REBLUR_PX))
    ratio = np.maximum(gradient[edges] / np.maximum(reblurred[edges], 1e-3), 1.0001)
    return float(np.median(_REBLUR_PX / np.sqrt(ratio**2 - 1)))


def _around(rgb: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The parts of photo and mask that contain the object."""
    x1, y1, x2, y2 = box_of(mask) or (0, 0, 0, 0)
    rows = slice(max(0, y1 - _AROUND_PX), y2 + _AROUND_PX)
    columns = slice(max(0, x1 - _AROUND_PX), x2 + _AROUND_PX)
    return rgb[rows, columns], mask[rows, columns]


def _gradient(grey: np.ndarray) -> np.ndarray:
    """float32 (H, W), grey levels per pixel."""
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)
    return cv2.magnitude(across, down)
