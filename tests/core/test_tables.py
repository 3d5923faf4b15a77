"""Tables: what their digest depends on, and how many are open at once."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from support.build import write_groups

from occludenet_build.core.build import OpenFiles
from occludenet_build.core.errors import UserError
from occludenet_build.core.tables import (
    by_shard,
    column,
    from_rows,
    read_rows,
    row_group_parts,
    table_digest,
    write_table,
)

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


def test_only_the_named_columns_that_the_file_has(tmp_path):
    write_table(from_rows(ROWS, SCHEMA), tmp_path / "a.parquet")
    assert read_rows(tmp_path / "a.parquet", ["clip", "of a later version"]) == [
        {"clip": name} for name in "abc"
    ]
    (tmp_path / "bad.parquet").write_text("no table")
    for name, said in (("bad", "does not read"), ("none", "it is missing")):
        with pytest.raises(UserError, match=said):
            read_rows(tmp_path / f"{name}.parquet", ["clip"])


def test_row_groups_are_read_in_parts(tmp_path):
    path = tmp_path / "detail.parquet"
    write_groups(path, [from_rows([row], SCHEMA) for row in ROWS], SCHEMA)
    parts = list(row_group_parts(path, groups=2))
    assert [len(part) for part in parts] == [2, 1]
    assert pa.concat_tables(parts).to_pylist() == ROWS
    path.write_text("no table")
    for where, said in ((path, "does not read"), (tmp_path / "none.parquet", "it is missing")):
        with pytest.raises(UserError, match=said):
            list(row_group_parts(where))


def test_rows_by_shard_keep_their_order():
    rows = [{"clip": clip, "shard": shard} for clip, shard in (("a", "1"), ("b", "0"), ("c", "1"))]
    assert by_shard(rows) == {"1": [rows[0], rows[2]], "0": [rows[1]]}
