"""Tables: what their digest depends on, and how many are open at once."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from support.build import write_groups

from occludenet_build.core.build import OpenFiles
from occludenet_build.core.tables import column, from_rows, table_digest

SCHEMA = pa.schema([column("clip", "string", "id"), column("x1", "float32", "left edge, pixels")])
ROWS = [{"clip": "a", "x1": 1.0}, {"clip": "b", "x1": None}, {"clip": "c", "x1": 2.5}]


def test_meanings_chunks_and_metadata_do_not_count():
    table = from_rows(ROWS, SCHEMA)
    reworded = pa.schema([column("clip", "string", "name"), column("x1", "float32", "left")])
    chunks = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    noted = table.replace_schema_metadata({"version": "2"})
    for same in (from_rows(ROWS, reworded), chunks, noted):
        assert table_digest(same) == table_digest(table)


@pytest.mark.parametrize(
    "other",
    [
        from_rows([*ROWS[:2], {"clip": "c", "x1": 2.6}], SCHEMA),
        from_rows(ROWS[::-1], SCHEMA),
        from_rows(ROWS[:2], SCHEMA),
        from_rows(ROWS, SCHEMA).rename_columns(["clip", "x2"]),
        from_rows(ROWS, SCHEMA).cast(pa.schema([("clip", "string"), ("x1", "float64")])),
    ],
    ids=["a value", "the order", "a row less", "a name", "a type"],
)
def test_values_order_names_and_types_count(other):
    assert table_digest(other) != table_digest(from_rows(ROWS, SCHEMA))


def test_few_detail_tables_stay_open(tmp_path):
    """A build has thousands; a process may have 1,024 files open."""
    for name in "abcd":
        (tmp_path / name).mkdir()
        write_groups(tmp_path / name / "detail.parquet", [from_rows(ROWS[:1], SCHEMA)], SCHEMA)
    files = OpenFiles(most=2)
    for name in "abcda":
        assert files[tmp_path / name / "detail.parquet"].read("a").num_rows == 1
    descriptors = [path for path in Path("/proc/self/fd").iterdir() if path.exists()]
    assert sum(tmp_path in path.resolve().parents for path in descriptors) == 2
    files.close()
