"""Journal of a ledger: the clips that a run has finished, in files that are written atomically.

    journal/<number>-<clips>.parquet    a group of clips, numbered in the order of writing
    journal/<hash>.parquet              one clip, as earlier versions wrote it

The rows are JSON in the metadata of a file; its row groups are the detail rows, one group per clip.
A file that does not read is said and removed: its clips are computed again. Of several rows of a
clip the last one counts.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from occludenet_build.core import tables
from occludenet_build.core.files import replacing
from occludenet_build.core.tables import column

Row = dict[str, Any]
_NUMBERED = re.compile(r"(\d{6,})-(\d+)\.parquet")


@dataclass(frozen=True)
class ClipResult:
    """A finished clip: its manifest row, with the columns ledger.STATUS, and its detail rows."""

    row: Row
    detail: pa.Table | None = None


class Journal:
    """The journal in a folder; only one process may write it.

    `rows`: clip -> its last row. `before`: all rows that earlier runs wrote, in their order.
    """

    def __init__(self, folder: Path, detail: pa.Schema | None) -> None:
        """Create the folder and read what is there; `detail`: None if clips have no detail rows."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._schema = detail or pa.schema([column("clip", "string", "")])
        self._files: dict[str, Path] = {}
        self._groups: tuple[Path, tables.ClipGroups] | None = None
        self._written = 0
        self.rows: dict[str, Row] = {}
        self.before: list[Row] = []
        for path in entries(folder):
            self._note(path, found := read_entry(path))
            self.before += found

    def _note(self, path: Path, rows: Sequence[Row]) -> None:
        numbered = _NUMBERED.fullmatch(path.name)
        self._written = int(numbered[1]) if numbered else self._written
        for row in rows:
            self.rows[row["clip"]], self._files[row["clip"]] = row, path

    def add(self, results: Sequence[ClipResult]) -> None:
        """Write finished clips as one file."""
        path = self.folder / f"{self._written + 1:06d}-{len(results)}.parquet"
        rows = [result.row for result in results]
        schema = self._schema.with_metadata({"rows": json.dumps(rows)})
        with (
            replacing(path) as temporary,
            pq.ParquetWriter(temporary, schema, write_page_checksum=True) as writer,
        ):
            for result in results:
                if result.detail is not None and len(result.detail):
                    detail = tables.in_schema(result.detail, schema)
                    writer.write_table(detail, row_group_size=len(detail))
        self._note(path, rows)

    def detail(self, clip: str) -> pa.Table | None:
        """The detail rows of a clip of `rows`; None if it has none."""
        path = self._files[clip]
        if self._groups is None or self._groups[0] != path:
            self._close()
            self._groups = path, tables.ClipGroups(path)
        return self._groups[1].read(clip)

    def remove(self) -> None:
        """Remove the journal, the oldest file first: what is left by a kill is the newest."""
        self._close()
        for path in entries(self.folder):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.folder)

    def _close(self) -> None:
        if self._groups is not None:
            self._groups[1].close()


def entries(folder: Path) -> list[Path]:
    """The files of a journal in the order of writing; those of earlier versions are the first."""
    try:
        with os.scandir(folder) as found:
            names = [one.name for one in found if one.name[0] != "."]
    except OSError:
        return []
    return [folder / name for name in sorted(names, key=_order) if name.endswith(".parquet")]


def _order(name: str) -> tuple[int, str]:
    numbered = _NUMBERED.fullmatch(name)
    return int(numbered[1]) if numbered else 0, name


def read_entry(path: Path) -> list[Row]:
    """The rows of a file of a journal; empty if the file is damaged, then it is removed."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            file.read()
            return _rows_in(file.schema_arrow)
    except (*tables.UNREADABLE, ValueError, KeyError, TypeError) as error:
        log_damage(path, error)
        path.unlink(missing_ok=True)
        return []


def _rows_in(schema: pa.Schema) -> list[Row]:
    """The rows in the metadata of a file. Raises KeyError, TypeError or ValueError without any."""
    if b"rows" in schema.metadata:
        return json.loads(schema.metadata[b"rows"])
    return [json.loads(schema.metadata[b"row"])]


def peek(store: Path, most: int) -> tuple[int, list[Row]]:
    """The number of clips in the journal of a store, and the rows of at most `most` of them.

    For looking at a job in progress: nothing is locked, written or removed, and files that vanish
    or do not read are passed over.
    """
    paths = entries(store / "journal")
    numbered = (_NUMBERED.fullmatch(path.name) for path in paths)
    count = sum(int(found[2]) if found else 1 for found in numbered)
    rows: list[Row] = []
    for found in _readable(paths) if most else ():
        rows += found
        if len(rows) >= most:
            break
    return count, rows[:most]


def _readable(paths: list[Path]) -> Iterator[list[Row]]:
    for path in paths:
        try:
            yield _rows_in(pq.read_schema(path))
        except (*tables.UNREADABLE, ValueError, KeyError, TypeError):
            continue


def log_damage(path: Path, error: object) -> None:
    """Say that a file of a store does not read."""
    text = str(error).splitlines()[0] if str(error) else repr(error)
    logging.warning("%s does not read (%s): its clips are made again", path, text)
