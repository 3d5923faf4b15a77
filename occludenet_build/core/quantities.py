"""Amounts as people read them, and the space that files take. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path

BLOCK = 4096
"""Block size of file systems, in bytes: a small file occupies a whole block."""


def byte_text(number: float | None) -> str:
    """Format a number of bytes; `?` for None.

    >>> byte_text(None), byte_text(512), byte_text(1536), byte_text(3 * 2**30)
    ('?', '0.5 KiB', '1.5 KiB', '3.0 GiB')
    """
    return _text(number, {"TiB": 2**40, "GiB": 2**30, "MiB": 2**20, "KiB": 2**10})


def duration(seconds: float | None) -> str:
    """Format a duration in seconds; `?` for None.

    >>> duration(None), duration(4.24), duration(300), duration(90_000)
    ('?', '4.2 s', '5.0 min', '25.0 h')
    """
    return _text(seconds, {"h": 3600, "min": 60, "s": 1})


def _text(number: float | None, units: dict[str, int]) -> str:
    """Format a number in the largest unit that it reaches, or in the last one."""
    if number is None:
        return "?"
    unit = next((name for name, length in units.items() if number >= length), [*units][-1])
    return f"{number / units[unit]:,.1f} {unit}"


def size(path: Path | str) -> int:
    """Bytes that a file or folder occupies, in whole blocks; links do not count.

    Files that vanish while it counts, as in a running build, do not count either.
    """
    path = Path(path)
    if path.is_file():
        return _occupied(path.stat().st_size)
    total, folders = 0, [os.fspath(path)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        total += _occupied(entry.stat(follow_symlinks=False).st_size)
        except OSError:
            continue
    return total


def _occupied(length: int) -> int:
    return -(-length // BLOCK) * BLOCK
