"""Opening of untrusted image files, with limits on format and size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from occludenet_build.core.errors import ItemError, as_item_error, is_outage

MAX_PIXELS = 2**26
"""Maximum number of pixels of an image; larger images and their masks would exhaust memory."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
"""Formats that are decoded; decoders of other formats may start external programs."""


@contextmanager
def open_image(path: Path, formats: tuple[str, ...] = FORMATS) -> Iterator[Image.Image]:
    """Open an image and read its header; decode it inside the block.

    Raises ItemError image_unreadable, also for errors while decoding inside the block; unreachable
    and no_permission where the file cannot be read.
    """
    try:
        with Image.open(path, formats=formats) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ItemError("image_unreadable", f"{_size_text(image.size)} is too large")
            yield image
    # Pillow raises SyntaxError and ValueError for broken chunks.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if is_outage(error) or isinstance(error, PermissionError):
            raise as_item_error(error) from error
        raise ItemError("image_unreadable", str(error)[:200]) from error


_STRIP = 512
"""Rows that are converted at a time."""
_DEPTHS = (8, 10, 12, 14, 16)
"""Bits of the levels that cameras write."""


def rgb_of(image: Image.Image) -> np.ndarray:
    """The pixels of an open image: RGB uint8 (H, W, 3).

    Levels of more than 8 bits are scaled: whole numbers by the least of 8, 10, 12, 14 and 16 bits
    that holds the largest of them, floating-point numbers up to 1 by 255, larger ones like whole
    numbers. Raises ItemError image_unreadable where they are negative, not finite, or beyond 16
    bits.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        return np.repeat(_eight_bits(np.asarray(image))[..., None], 3, axis=2)
    rgb = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _STRIP):  # one copy of a large image at a time
        bottom = min(top + _STRIP, image.height)
        rgb[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)).convert("RGB"))
    return rgb


def _eight_bits(levels: np.ndarray) -> np.ndarray:
    """uint8 (H, W) of the levels (H, W) of a deep image."""
    low, high = float(levels.min()), float(levels.max())
    if not (np.isfinite(low) and np.isfinite(high) and low >= 0 and high < 2 ** _DEPTHS[-1]):
        text = f"levels from {low:g} to {high:g}; wanted 0 to 65535, or 0 to 1"
        raise ItemError("image_unreadable", text)
    if levels.dtype.kind == "f" and high <= 1:
        white = 1.0
    else:
        white = next(2.0**bits - 1 for bits in _DEPTHS if high < 2**bits)
    return np.round(levels.astype(np.float32) * (255 / white)).astype(np.uint8)


def check_stated(image: Image.Image, stated: tuple[int | None, int | None]) -> None:
    """Check that an image has the stated (width, height), in stored pixels without EXIF rotation.

    Annotations refer to the stored pixels. Raises ItemError image_unreadable for another size.
    """
    if image.size != stated:
        raise ItemError(
            "image_unreadable", f"{_size_text(image.size)}, stated as {_size_text(stated)}"
        )


def _size_text(size: tuple[int | None, int | None]) -> str:
    """`<width>x<height>` in pixels, for messages."""
    return f"{size[0]}x{size[1]}"
