"""The files that the rows of a manifest name: whether they are there, and which no row names."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa


def remove_stale(
    before: Iterable[dict[str, Any]], now: pa.Table, root: Path, columns: Iterable[str]
) -> None:
    """Delete files of an earlier run that no row names any more."""
    kept = {name for row in now.to_pylist() for name in files_of(row, columns)}
    stale = {name for row in before for name in files_of(row, columns)} - kept
    for name in sorted(stale):
        (root / name).unlink(missing_ok=True)
    if stale:
        logging.info("removed %d files that belong to no clip any more", len(stale))


def files_of(row: dict[str, Any], columns: Iterable[str]) -> list[str]:
    """The files that a manifest row names, in columns of one file or of a list."""
    names: list[str] = []
    for column in columns:
        value = row.get(column)
        names += value if isinstance(value, list) else [value] if value else []
    return names


def intact(root: Path, row: dict[str, Any], columns: Iterable[str]) -> bool:
    """Whether all files of a finished clip are still there."""
    return all((root / name).is_file() for name in files_of(row, columns))
