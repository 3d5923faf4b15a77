"""Parquet tables: atomic writes with equal bytes for equal rows, and access by clip.

A table is declared as a pyarrow schema whose fields carry their meaning; `column` creates a field.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from occludenet_build.core.errors import UserError
from occludenet_build.core.failures import damaged_file
from occludenet_build.core.files import replacing, write_bytes_if_changed

UNREADABLE = (pa.ArrowException, OSError)
"""What pyarrow raises for a Parquet file that is damaged."""


@cache
def without_pandas() -> None:
    """Let pyarrow find no pandas at its first conversion of a list, which imports it otherwise.

    That costs each process 0.2 s of CPU. For the processes of stages that use no pandas: from then
    on `pyarrow.array` takes a Series for a plain list, whose NaN are not null, until pyarrow needs
    pandas for something else and looks for it again.
    """
    if "pandas" not in sys.modules:
        sys.meta_path.insert(0, _NoPandas)  # type: ignore[arg-type]
        try:
            pa.array([0])
        finally:
            sys.meta_path.remove(_NoPandas)  # type: ignore[arg-type]


class _NoPandas:
    """A finder that refuses pandas and leaves all other modules to the finders after it."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name=name)


def column(name: str, dtype: pa.DataType | str, meaning: str) -> pa.Field:
    """A column of a schema; `meaning`, including the unit, is stored in the file's metadata."""
    kind = pa.type_for_alias(dtype) if isinstance(dtype, str) else dtype
    return pa.field(name, kind, metadata={"meaning": meaning})


def in_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the types and the metadata of `schema`, whose columns it has."""
    if table.schema.equals(schema, check_metadata=True):
        return table
    if table.schema.equals(schema):  # a cast imports pyarrow.compute, 0.1 s of CPU
        return pa.table(table.columns, schema=schema)
    return table.cast(schema)


def from_rows(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Convert rows to a table; missing columns become null.

    Raises ValueError for a column that is not in the schema.
    """
    rows = list(rows)
    unknown = {key for row in rows for key in row} - set(schema.names)
    if unknown:
        raise ValueError(f"columns {sorted(unknown)} are not in the schema {schema.names}")
    return pa.table(
        {f.name: pa.array([r.get(f.name) for r in rows], f.type) for f in schema}, schema=schema
    )


def write_table(table: pa.Table, path: Path | str) -> None:
    """Write a Parquet file atomically."""
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def write_if_changed(table: pa.Table, path: Path | str) -> bool:
    """Write a Parquet file atomically unless it has the same bytes; return whether it was written.

    An untouched file does not rerun the stages that read it.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return write_bytes_if_changed(path, sink.getvalue().to_pybytes())


def table_digest(table: pa.Table) -> str:
    """Hash of the values of a table, 32 hex digits.

    It does not depend on chunks, metadata or compression, nor on the meanings of the columns: the
    hashes of detail rows are parts of ledger keys, and a corrected sentence remakes nothing.
    """
    sink = pa.BufferOutputStream()
    names_and_types = pa.schema([(f.name, f.type) for f in table.schema])
    plain = pa.table(table.combine_chunks().columns, schema=names_and_types)
    with pa.ipc.new_stream(sink, plain.schema) as writer:
        writer.write_table(plain)
    return hashlib.blake2b(sink.getvalue(), digest_size=16).hexdigest()


def read_table(path: Path | str, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file, or only the named columns.

    Raises UserError if the file is missing or is not Parquet; then the next start of the workflow
    makes it again, if it is a table of a build.
    """
    with _reading(path):
        return read_file(path, columns)


@contextmanager
def _reading(path: Path | str) -> Iterator[None]:
    """Raise UserError where a table is missing, or is not Parquet."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(
            f"wanted the table {path}, it is missing; run the stage that writes it"
        ) from error
    except UNREADABLE as error:
        raise damaged_file(path, error, "a Parquet table") from error


def read_file(path: Path | str, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file, or only the named columns; raises UNREADABLE if that is not possible.

    As pyarrow.parquet.read_table, which imports pyarrow.dataset for folders of files.
    """
    with pq.ParquetFile(path) as file:
        missing = set(columns or ()) - set(file.schema_arrow.names)
        if missing:
            raise pa.ArrowInvalid(f"no columns {sorted(missing)}")
        table = file.read(columns)
    return table if columns is None else table.select(columns)


def fraction_text(value: Fraction) -> str:
    """An exact number as text, for a column: numerator/denominator."""
    return f"{value.numerator}/{value.denominator}"


def read_rows(path: Path | str, columns: Collection[str] | None = None) -> list[dict[str, Any]]:
    """Read a Parquet file as a list of rows, column -> value.

    `columns`: read only these, as far as the file has them; a row of 40 columns takes 3 kB. Raises
    UserError as `read_table` does.
    """
    if columns is None:
        return read_table(path).to_pylist()
    with _reading(path):
        names = pq.read_schema(path).names
    return read_table(path, [name for name in names if name in columns]).to_pylist()


def by_shard(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Shard -> its rows, by the column `shard`."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["shard"], []).append(row)
    return found


def row_group_parts(path: Path | str, groups: int = 512) -> Iterator[pa.Table]:
    """The rows of a file with a row group per clip, as tables of at most `groups` row groups.

    Read at once, each row group would keep blocks of memory of its own: 20 kB for 40 rows. Raises
    UserError as `read_table` does.
    """
    with _reading(path), pq.ParquetFile(path) as file:
        numbers = range(file.num_row_groups)
        for part in (numbers[at : at + groups] for at in numbers[::groups]):
            yield file.read_row_groups(list(part)).combine_chunks()


class ClipGroups:
    """Reader of a file in which each row group holds the rows of one clip.

    Only the row groups of requested clips are read. A missing file has no clips.
    """

    def __init__(self, path: Path | str) -> None:
        self._file = None
        if Path(path).exists():
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
        self._groups: dict[str, int] = {}
        if self._file is not None:
            at = self._file.schema_arrow.get_field_index("clip")
            metadata = self._file.metadata
            for number in range(metadata.num_row_groups):
                group = metadata.row_group(number)
                if group.num_rows:
                    self._groups[group.column(at).statistics.max] = number

    @property
    def clips(self) -> list[str]:
        """The clips in the file, in its order."""
        return list(self._groups)

    def read(self, clip: str, columns: list[str] | None = None) -> pa.Table | None:
        """The rows of a clip, or only the named columns; None if it has none."""
        if self._file is None or clip not in self._groups:
            return None
        # few rows: threads would cost more than they save
        return self._file.read_row_group(self._groups[clip], columns, use_threads=False)

    def damaged(self) -> set[str]:
        """The clips whose rows do not read; reads the whole file."""
        return {clip for clip in self._groups if not self._reads(clip)}

    def _reads(self, clip: str) -> bool:
        try:
            self.read(clip)
        except UNREADABLE:
            return False
        return True

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
