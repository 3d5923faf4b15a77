"""Names that come from outside: what an archive, a list, a server or a user calls a file.

A name is a relative path with `/`. `inside` is the one way from such a name to a place on disk.
Standard library only.

What names of video files end with. Whether one is a video, `probe` tells.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import short_hash

LONGEST_PART = 240
"""Bytes of a file's name: file systems take 255, and temporary names are a little longer."""
LONGEST = 1000
"""Bytes of a whole name; systems take about 4,000 with the folder before it."""
DEEPEST = 32
"""Folders in folders."""


def clean(name: str) -> str:
    """The name without `.` parts and doubled slashes.

    Raises ItemError: unsafe_path for what is absolute or climbs, unsafe_name for what is empty, too
    long, or holds backslashes or characters that do not print.
    """
    shown = ascii(name[:120])
    if not name.isprintable() or "\\" in name:
        raise ItemError("unsafe_name", f"control characters or backslashes in {shown}")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise ItemError("unsafe_path", f"{shown} is absolute")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ItemError("unsafe_path", f"{shown} climbs out of the folder")
    if not parts:
        raise ItemError("unsafe_name", f"{shown} names nothing")
    if len(parts) > DEEPEST or len(name.encode()) > LONGEST:
        raise ItemError("unsafe_name", f"{shown}... is too long or too deep")
    if any(len(part.encode()) > LONGEST_PART for part in parts):
        raise ItemError("unsafe_name", f"a part of {shown}... is too long")
    return "/".join(parts)


def inside(folder: Path, name: str) -> Path:
    """Where a file of that name stands below `folder`, links in the folder followed.

    Raises ItemError: what `clean` raises, and unsafe_link where a link of the folder leads out.
    """
    path = folder / clean(name)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ItemError("unsafe_link", f"a link in {folder} leads {name[:120]!a} out of it")
    return path


def below(folder: Path) -> Iterator[PurePosixPath]:
    """The files in a folder, however deep, relative to it, but for what begins with a dot."""
    for parent, subfolders, names in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield PurePosixPath((Path(parent) / name).relative_to(folder).as_posix())


def shortened(text: str, longest: int, origin: str | None = None) -> str:
    """A text of at most `longest` bytes; where it is longer its end becomes a hash of it, or of
    what it comes from."""
    if len(text.encode()) <= longest:
        return text
    short = text.encode()[: longest - 7].decode("utf-8", "ignore")
    return f"{short}-{short_hash(text if origin is None else origin)[:6]}"


def told_apart(names: Sequence[str], origins: Sequence[Sequence[str]]) -> list[str]:
    """The names; those that two have, on any file system, with a hash of where each comes from."""
    often = Counter(name.casefold() for name in names)
    return [
        name if often[name.casefold()] == 1 else f"{name}-{short_hash(*origin)[:6]}"
        for name, origin in zip(names, origins, strict=True)
    ]


SUFFIXES = frozenset(
    {
        *(".3gp", ".asf", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
        *(".nut", ".ogv", ".ts", ".webm", ".wmv"),
    }
)
