"""Groups of finished clips: what a kill can lose, and what is on the disk before a row says so."""

from __future__ import annotations

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from occludenet_build.core import commits, files, journal, ledger, tables
from occludenet_build.core.commits import Commits
from occludenet_build.core.tables import column

ROWS = pa.schema([*ledger.STATUS, column("file", "string", "")])
DETAIL = pa.schema([column("clip", "string", ""), column("n", "int64", "")])


@pytest.fixture(autouse=True)
def usual_bound():
    yield
    commits.bound_loss(32, 10.0)


@pytest.fixture
def store(tmp_path):
    with ledger.locked_ledger(tmp_path / "store", ROWS, DETAIL) as opened:
        yield opened


def result(clip: str, key: str = "1", seconds: float | None = 1.0) -> ledger.ClipResult:
    row = {"clip": clip, "status": "ok", "reason": None, "key": key, "seconds": seconds}
    detail = tables.from_rows([{"clip": clip, "n": n} for n in range(len(clip))], DETAIL)
    return ledger.ClipResult(row | {"file": f"{clip}.mp4"}, detail)


def committed(store) -> list[str]:
    return [row["clip"] for row in journal.peek(store.store, 99)[1]]


def test_a_group_is_full_by_its_clips_or_by_its_work(store):
    commits.bound_loss(3, 10.0)
    seen = []
    with Commits() as group:
        for clip, seconds in (("a", 1), ("b", None), ("c", 1), ("d", 6), ("e", 5), ("f", 0)):
            group.add([(store, result(clip, seconds=seconds))])
            seen.append("".join(committed(store)))
    assert seen == ["", "", "abc", "abc", "abcde", "abcde"]
    assert "".join(committed(store)) == "abcdef"
    assert len(journal.entries(store.store / "journal")) == 3
    assert journal.peek(store.store, 0) == (6, [])


def test_what_is_finished_is_committed_where_the_work_stops(store):
    def make(clips):
        yield result("a")
        raise RuntimeError("power failure")

    with pytest.raises(RuntimeError, match="power"):
        ledger.work_through(store, {"a": "1", "b": "1"}, make)
    assert committed(store) == ["a"]


def test_files_are_on_the_disk_before_a_row_names_them(store, tmp_path, monkeypatch):
    calls: list[str] = []
    sync, replace = files._sync, os.replace
    monkeypatch.setattr(files, "_sync", lambda p: (calls.append(f"sync {p.name}"), sync(p)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append(f"name {b.name}"), replace(a, b)))
    made = [tmp_path / "clips" / f"{clip}.mp4" for clip in "ab"]
    with Commits() as group:
        for path in made:
            with files.replacing(path, leave=True) as temporary:
                temporary.write_text(path.stem)
            group.add([(store, result(path.stem))], [path])
        assert not any(path.exists() for path in made)
    assert sorted(calls[:2]) == ["sync .a.part.mp4", "sync .b.part.mp4"]
    assert calls[2:5] == ["name a.mp4", "name b.mp4", "sync clips"]  # the folder once
    assert calls[5:] == [*("sync .000001-2.part.parquet", "name 000001-2.parquet", "sync journal")]
    assert [path.read_text() for path in made] == ["a", "b"]


def test_a_group_whose_files_cannot_be_written_leaves_nothing(store, tmp_path):
    made = [tmp_path / f"{clip}.mp4" for clip in "ab"]
    group = Commits()
    with files.replacing(made[0], leave=True) as temporary:
        temporary.write_text("a")
    group.add([(store, result("a")), (store, result("b"))], made)  # b has no file
    with pytest.raises(OSError):
        group.commit()
    group.commit()
    assert committed(store) == []
    assert {path.name for path in tmp_path.iterdir()} == {"store"}


def test_the_last_row_of_a_clip_counts(tmp_path):
    for key in ("1", "2"):
        with ledger.locked_ledger(tmp_path / "s", ROWS, DETAIL) as opened:
            opened.commit(result("a", key), result("bb", "1"))
    with ledger.locked_ledger(tmp_path / "s", ROWS, DETAIL) as opened:
        assert len(opened.interrupted_rows()) == 4
        assert opened.finished("a", "1") is None and opened.finished("a", "2")
        table = opened.close(["a", "bb"])
    assert table["key"].to_pylist() == ["2", "1"]
    with ledger.locked_ledger(tmp_path / "s", ROWS, DETAIL) as opened:
        assert tables.ClipGroups(opened.detail_path).read("bb")["n"].to_pylist() == [0, 1]


def test_the_journal_of_an_earlier_version_is_read(tmp_path):
    """One file per clip, named by a hash, with the row as metadata."""
    folder = tmp_path / "s/journal"
    folder.mkdir(parents=True)
    for one in (result("a"), result("", "1"), result("ccc")):
        note = {"row": json.dumps(one.row)}
        name = f"{files.short_hash(one.row['clip'])}.parquet"
        pq.write_table(one.detail.replace_schema_metadata(note), folder / name)
    assert journal.peek(tmp_path / "s", 2)[0] == 3
    with ledger.locked_ledger(tmp_path / "s", ROWS, DETAIL) as opened:
        opened.commit(result("a", "2"))
        assert opened.finished("ccc", "1") and opened.finished("a", "2")
        opened.close(["", "a", "ccc"])
    groups = tables.ClipGroups(tmp_path / "s/detail.parquet")
    assert groups.clips == ["a", "ccc"] and len(groups.read("ccc")) == 3
