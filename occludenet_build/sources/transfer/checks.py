"""Checks of a downloaded file, before it gets its name."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import sha256_file
from occludenet_build.media.video.probe import skim
from occludenet_build.sources.transfer import archives
from occludenet_build.sources.transfer.download import Download

_SMALL_JSON = 1 << 24
_PICTURES = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


def verify_file(download: Download, path: Path) -> tuple[int, str]:
    """Check a file against its Download and return (bytes, sha256).

    Raises ItemError: missing, empty_file, wrong_length, wrong_hash, or what its check raises.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ItemError("missing", error.strerror or str(error)) from error
    if download.size is not None and size != download.size:
        raise ItemError("wrong_length", f"wanted {download.size} bytes, got {size}")
    if size == 0 and download.size is None:
        raise ItemError("empty_file")
    sha256 = sha256_file(path)
    if download.sha256 is not None and sha256 != download.sha256.lower():
        raise ItemError("wrong_hash", f"wanted {download.sha256}, got {sha256}")
    FILE_CHECKS[download.check](path)
    return size, sha256


def _anything(path: Path) -> None:
    pass


def _video(path: Path) -> None:
    """Check that a video has all its packets and that its first frame decodes.

    `index` decodes the other frames.
    """
    try:
        skim(path)
    except ItemError as error:
        raise ItemError(error.reason, _with_beginning(error.detail, path)) from error


def _image(path: Path) -> None:
    """Check that an image decodes completely."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_PICTURES) as picture:
                picture.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ItemError("too_large", str(error)) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        detail = "unknown format" if isinstance(error, UnidentifiedImageError) else str(error)
        raise ItemError("not_an_image", _with_beginning(detail, path)) from error


def _json(path: Path) -> None:
    """Parse a small JSON file; check the first and last character of a large one."""
    try:
        if path.stat().st_size <= _SMALL_JSON:
            json.loads(path.read_bytes())
            return
    except (ValueError, RecursionError) as error:
        raise ItemError("not_json", _with_beginning(str(error), path)) from error
    with open(path, "rb") as stream:
        first = stream.read(100).lstrip()[:1]
        stream.seek(-100, 2)
        last = stream.read().rstrip()[-1:]
    if first + last not in (b"{}", b"[]"):
        raise ItemError("not_json", _with_beginning("it is truncated or not JSON", path))


def _archive(path: Path) -> None:
    try:
        archives.check_archive(path)
    except ItemError as error:
        raise ItemError(error.reason, _with_beginning(error.detail, path)) from error


def _with_beginning(detail: str, path: Path) -> str:
    """Append the beginning of the file, which is often an HTML page with an error message."""
    with open(path, "rb") as stream:
        begins = stream.read(40)
    return f"{detail}; it begins with {begins.decode('latin-1')!a}"


FILE_CHECKS: dict[str, Callable[[Path], None]] = {
    "any": _anything,
    "video": _video,
    "image": _image,
    "json": _json,
    "archive": _archive,
}
"""Name -> function(path) that raises ItemError for a file of another kind."""
