"""Opening a picture that nobody vouches for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from occludenet_build.core.errors import ItemError

MAX_PIXELS = 2**26
"""What is, or is stated as, larger is an error: the picture and its masks would fill the memory."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
"""Formats that are decoded here: others may start programs."""


@contextmanager
def opened(path: Path, formats: tuple[str, ...] = FORMATS) -> Iterator[Image.Image]:
    """A picture of which the header is read; decode it inside the block.

    Raises ItemError image_unreadable, for what its decoding raises too.
    """
    try:
        with Image.open(path, formats=formats) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ItemError("image_unreadable", f"{shown(image.size)} is too large")
            yield image
    # SyntaxError and ValueError are what Pillow raises for broken chunks
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ItemError("image_unreadable", str(error)[:200]) from error


def check_stated(image: Image.Image, stated: tuple[int | None, int | None]) -> None:
    """Raises ItemError image_unreadable unless the stored pixels, not turned by EXIF, are (width,
    height) as stated: annotations are on them."""
    if image.size != stated:
        raise ItemError("image_unreadable", f"{shown(image.size)}, stated as {shown(stated)}")


def shown(size: tuple[int | None, int | None]) -> str:
    """`<width>x<height>`, pixels, for messages."""
    return f"{size[0]}x{size[1]}"
