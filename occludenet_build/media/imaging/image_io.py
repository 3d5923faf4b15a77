"""Opening of untrusted image files, with limits on format and size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
