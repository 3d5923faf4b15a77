"""Check that the tables, notes, stores and models of a build read to their end.

Nothing is asked for here: core.tables would ask the workflow to make a damaged table again, which
is for `--remake` to decide.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from occludenet_build.core import tables
from occludenet_build.core.failures import WRITTEN_WITH
from occludenet_build.core.pool import in_processes
from occludenet_build.stages import TABLES
from occludenet_build.tools.verify import Finding

_STORED = ("*/store/*/detail.parquet", "*/store/*/rows.parquet")
"""Tables of the ledgers, of which those of all stages are checked."""


def check_tables(root: Path, threads: int) -> Iterator[Finding]:
    """Yield a finding for each table, note and model of a build that does not read."""
    patterns = dict.fromkeys((*TABLES.values(), *WRITTEN_WITH, *_STORED))
    paths = {path for pattern in patterns for path in root.glob(pattern)}
    visible = sorted(path for path in paths if path.is_file() and path.name[0] != ".")
    for path, fault in in_processes(_checked, visible, threads):
        if fault is not None:
            name = path.relative_to(root).as_posix()
            yield Finding("build", "broken", fault, file=name)


def _checked(path: Path) -> tuple[Path, str | None]:
    return path, _fault(path)


def _fault(path: Path) -> str | None:
    """Why a file does not read; None if it does, or if nothing is known about its kind."""
    try:
        if path.suffix == ".parquet":
            _read_whole(path)
        elif path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix == ".pt":
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
            return f"does not read: {damaged}" if damaged else None
    except (*tables.UNREADABLE, ValueError, zipfile.BadZipFile) as error:
        return f"does not read: {(str(error).splitlines() or [type(error).__name__])[0]}"
    return None


def _read_whole(path: Path) -> None:
    """Read all rows of a Parquet file, a row group at a time."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for group in range(file.metadata.num_row_groups):
            file.read_row_group(group)
