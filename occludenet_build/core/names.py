"""Names that come from outside: what an archive, a list or a server calls a file.

A name is a relative path with `/`. `inside` is the one way from such a name to a place on disk.
Standard library only.
"""

from __future__ import annotations

import re
from pathlib import Path

from occludenet_build.core.errors import ItemError

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
