"""The user's masks of objects that stay in place: <folder>/<camera>/<object>.png."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.occlusion.measure.scene import resized

_OPAQUE = 127
"""Alpha, or brightness without alpha, above which a pixel shows the object."""
_SHAPE = 0.01
"""Tolerance of the ratio of the sides."""


def object_files(folder: Path | None, camera: str) -> dict[str, Path]:
    """Name of the object -> its mask, for a camera; empty without a folder or masks of it."""
    if folder is None:
        return {}
    return {path.stem: path for path in sorted((folder / camera).glob("*.png"))}


def digest(files: dict[str, Path]) -> str:
    """What identifies the masks in ledger keys."""
    return " ".join(f"{name}={sha256_file(path)}" for name, path in files.items())


def read_objects(files: dict[str, Path], size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Name -> mask bool (H, W) of the picture, `size` (H, W).

    Raises UserError for a file that is no picture, of another shape, or without an object.
    """
    return {name: _read(path, size) for name, path in files.items()}


def _read(path: Path, size: tuple[int, int]) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise UserError(f"measure.occluders: wanted a PNG, {path} does not decode; replace it")
    height, width = picture.shape[:2]
    if abs(width * size[0] / (height * size[1]) - 1) > _SHAPE:
        raise UserError(
            f"measure.occluders: wanted a mask of the shape of the clips, {size[1]}x{size[0]}, got "
            f"{width}x{height}: {path}; draw it on a picture of that camera"
        )
    channels = picture.reshape(height, width, -1)
    has_alpha = channels.shape[2] in (2, 4)
    shown = channels[..., -1] if has_alpha else channels.max(axis=2)
    if shown.dtype == np.uint16:
        shown = np.asarray(shown, np.uint16) >> 8
    mask = shown > _OPAQUE
    if not mask.any():
        raise UserError(f"measure.occluders: wanted an object in {path}, it shows none; remove it")
    return resized(mask, size)
