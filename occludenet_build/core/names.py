"""File names from untrusted sources: archives, lists, servers and users.

A name is a relative path with `/`. `safe_path` is the only function that turns such a name into a
path on disk. This module uses the standard library only.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.files import short_hash

LONGEST_PART = 240
"""Maximum length of a file name, in bytes: file systems allow 255, and temporary names are
longer."""
LONGEST = 1000
"""Maximum length of a relative path, in bytes; systems allow about 4,000 for the absolute path."""
DEEPEST = 32
"""Maximum number of parts of a relative path."""

VIDEO_SUFFIXES = frozenset(
    {
        *(".3gp", ".asf", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
        *(".nut", ".ogv", ".ts", ".webm", ".wmv"),
    }
)
"""Suffixes of video files, in lower case. media.video.probe tells whether a file is a video."""


def safe_name(name: str) -> str:
    """Normalize a name: remove `.` parts and repeated slashes.

    Raises ItemError: unsafe_path for an absolute path or one with `..`, unsafe_name for a name that
    is empty, too long, or contains backslashes or non-printable characters.
    """
    shown = ascii(name[:120])
    if not name.isprintable() or "\\" in name:
        raise ItemError("unsafe_name", f"control characters or backslashes in {shown}")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise ItemError("unsafe_path", f"{shown} is absolute")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ItemError("unsafe_path", f"{shown} leaves the folder")
    if not parts:
        raise ItemError("unsafe_name", f"{shown} names nothing")
    if len(parts) > DEEPEST or len(name.encode()) > LONGEST:
        raise ItemError("unsafe_name", f"{shown}... is too long or too deep")
    if any(len(part.encode()) > LONGEST_PART for part in parts):
        raise ItemError("unsafe_name", f"a part of {shown}... is too long")
    return "/".join(parts)


def safe_path(folder: Path, name: str) -> Path:
    """Path of the file with this name below `folder`.

    Raises ItemError: the reasons of `safe_name`, and unsafe_link if a link in the folder leads out
    of it.
    """
    path = folder / safe_name(name)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ItemError("unsafe_link", f"a link in {folder} leads {name[:120]!a} out of it")
    return path


def files_below(folder: Path) -> Iterator[PurePosixPath]:
    """Yield the relative paths of all files below a folder, without hidden files and folders."""
    for parent, subfolders, names in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield PurePosixPath((Path(parent) / name).relative_to(folder).as_posix())


def listing(folder: Path | str) -> list[PurePosixPath]:
    """The sorted relative paths of `files_below`. Raises UserError if there is no such folder."""
    if not Path(folder).is_dir():
        raise UserError(f"wanted a folder of files, {folder} is not one")
    return sorted(files_below(Path(folder)))


def listing_digest(folder: Path | str) -> str:
    """A digest of the names and sizes of the files below a folder."""
    root = Path(folder)
    return short_hash(*(f"{path} {(root / path).stat().st_size}" for path in listing(root)))


def shortened(text: str, longest: int, origin: str | None = None) -> str:
    """Shorten a text to `longest` bytes.

    Its end is replaced by a hash of `origin`, or of the text itself.
    """
    if len(text.encode()) <= longest:
        return text
    short = text.encode()[: longest - 7].decode("utf-8", "ignore")
    return f"{short}-{short_hash(text if origin is None else origin)[:6]}"


def disambiguate(names: Sequence[str], origins: Sequence[Sequence[str]]) -> list[str]:
    """Make names unique, ignoring case: duplicates get a hash of their origin as a suffix."""
    counts = Counter(name.casefold() for name in names)
    return [
        name if counts[name.casefold()] == 1 else f"{name}-{short_hash(*origin)[:6]}"
        for name, origin in zip(names, origins, strict=True)
    ]
