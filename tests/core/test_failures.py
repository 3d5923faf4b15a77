"""What a job does about items that failed: attempts, defects, outages, damaged tables."""

from __future__ import annotations

import errno
import os
import pickle

import pyarrow as pa
import pytest

from occludenet_build.config import Failures
from occludenet_build.config.failures import OutageShares
from occludenet_build.core import errors, failures, ledger, tables
from occludenet_build.core.build import DetailStore, read_json
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.failures import attempts, check_items
from occludenet_build.core.tables import column

ROWS = pa.schema([*ledger.STATUS])
DETAIL = pa.schema([column("clip", "string", ""), column("n", "int64", "")])


def rows(*reasons: str | None) -> list[dict]:
    return [{"clip": f"c{n}", "reason": r, "detail": "why"} for n, r in enumerate(reasons)]


def own_defect() -> None:
    tables.from_rows([None], ROWS)  # type: ignore[list-item]


def of_library() -> None:
    pa.table({"a": [1]}).column("b")  # KeyError, raised inside of pyarrow


@pytest.mark.parametrize(
    ("error", "reason", "detail"),
    [
        (ItemError("corrupt", "as told"), "corrupt", "as told"),
        (OSError(errno.EIO, "Input/output error", "a.mp4"), "unreachable", "a.mp4"),
        (OSError(errno.ESTALE, "Stale file handle"), "unreachable", "Stale file handle"),
        (FileNotFoundError(errno.ENOENT, "No such file", "b.mp4"), "missing", "b.mp4"),
        (PermissionError(errno.EACCES, "Permission denied"), "no_permission", "denied"),
        (MemoryError(), "out_of_memory", "no message"),
        (ValueError("first line\nsecond"), "internal", "ValueError: first line ("),
        (ZeroDivisionError("division by zero"), "internal", "ZeroDivisionError"),
    ],
)
def test_any_exception_becomes_a_reason(error, reason, detail):
    def work():
        raise error

    row = ledger.attempt({"clip": "a", "key": "k"}, work).row
    assert (row["status"], row["reason"]) == ("failed", reason)
    assert detail in row["detail"] and "second" not in row["detail"]
    assert reason in errors.REASONS


@pytest.mark.parametrize(("work", "reason"), [(own_defect, "defect"), (of_library, "internal")])
def test_an_error_of_this_program_is_told_from_one_of_a_library(work, reason):
    row = ledger.attempt({"clip": "a", "key": "k"}, work).row
    assert row["reason"] == reason
    if reason == "defect":
        assert "occludenet_build/core/tables.py:" in row["detail"]


@pytest.mark.parametrize(
    "error", [UserError("x"), OSError(errno.ENOSPC, "No space left"), ImportError("torch")]
)
def test_what_concerns_the_whole_job_ends_it(error):
    def work():
        raise error

    with pytest.raises(type(error)):
        ledger.attempt({"clip": "a", "key": "k"}, work)


def test_an_item_error_passes_between_processes():
    copy = pickle.loads(pickle.dumps(ItemError("corrupt", "why")))
    assert (copy.reason, copy.detail) == ("corrupt", "why")


SHARE = Failures(outage_share=OutageShares(detect=0.5))


@pytest.mark.parametrize(
    ("found", "settings", "said", "again"),
    [
        (rows(None, "corrupt", "no_actor"), Failures(), None, 0),
        (rows(None, None, None, None, "missing"), Failures(), None, 1),
        (rows(None, "missing", "unreachable"), Failures(), "2 of 3 failed for reasons", 1),
        (rows(None, "missing", "corrupt"), SHARE, None, 1),
        (rows(None, None, None, None, "defect"), Failures(), "defect of this program, first c4", 1),
        (rows(None, None, None, None, "defect"), Failures(defects="go on"), None, 1),
        (rows("missing"), Failures(), None, 1),
        (rows(None, "missing"), Failures(), None, 1),
        (rows(None, "internal", "internal", "too_slow"), Failures(), None, 1),
        (rows("internal", "internal"), Failures(), "2 of 2 failed", 1),
    ],
)
def test_outages_and_defects(tmp_path, found, settings, said, again):
    table = tmp_path / "detect/003.parquet"
    if said is None:
        check_items("detect", found, table, settings)
    else:
        with pytest.raises(UserError, match=said):
            check_items("detect", found, table, settings)
    assert attempts(table) == again
    assert attempts(tmp_path / "detect/004.parquet") == 0


def test_what_no_longer_holds_is_looked_at_again(tmp_path):
    (tmp_path / "index").mkdir()
    (tmp_path / "index/videos.parquet").touch()
    found = rows(None, None, None, None, "source_changed", None, None, "occluder_changed")
    check_items("composite", found, tmp_path / "composite/000.parquet", Failures())
    asked = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("retry/*")}
    assert asked == {"composite/retry/000", "index/retry/videos"}


def filled(build) -> tables.Path:
    """A stage detect with one finished shard; returns its manifest."""
    manifest = build / "detect/000.parquet"
    keys = {"a": "1", "b": "1", "c": "1"}

    def make(clips):
        for clip in clips:
            made.append(clip)
            row = {"clip": clip, "status": "ok", "key": "1", "reason": None, "detail": None}
            yield ledger.ClipResult(row | {"seconds": 1.0}, detail_of(clip))

    made: list[str] = []
    with ledger.locked_ledger(build / "detect/store/000", ROWS, DETAIL) as opened:
        ledger.work_through(opened, keys, make)
        opened.close(list(keys), manifest)
    filled.made = made  # type: ignore[attr-defined]
    return manifest


def detail_of(clip: str) -> pa.Table:
    return tables.from_rows([{"clip": clip, "n": n} for n in range(2000)], DETAIL)


def overwrite(path, at: float, length: int = 40) -> None:
    with open(path, "r+b") as stream:
        stream.seek(int(at * path.stat().st_size))
        stream.write(os.urandom(length))


DAMAGES = {
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "start": lambda path: overwrite(path, 0.05),
    "middle": lambda path: overwrite(path, 0.4),
    "end": lambda path: overwrite(path, 0.97),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", ["rows.parquet", "detail.parquet"])
def test_a_damaged_store_is_made_again(tmp_path, file, damage, caplog):
    manifest = filled(tmp_path)
    before = manifest.read_bytes()
    DAMAGES[damage](tmp_path / "detect/store/000" / file)
    assert filled(tmp_path).read_bytes() == before
    with DetailStore(tmp_path / "detect/store") as store:
        for clip in "abc":
            rows = store.rows(clip, "000")
            assert rows is not None and rows["n"].to_pylist() == list(range(2000))
    if filled.made:  # bytes that no reader looks at may be anything
        assert "does not read" in caplog.text


@pytest.mark.parametrize("damage", ["cut", "empty", "middle"])
def test_a_damaged_journal_entry_is_made_again(tmp_path, damage, caplog):
    row = {"clip": "a", "status": "ok", "key": "1", "reason": None, "detail": None, "seconds": 1.0}
    with ledger.locked_ledger(tmp_path / "detect/store/000", ROWS, DETAIL) as opened:
        opened.commit(ledger.ClipResult(row, detail_of("a")))
    (entry,) = (tmp_path / "detect/store/000/journal").iterdir()
    DAMAGES[damage](entry)
    filled(tmp_path)
    assert filled.made == ["a", "b", "c"]
    assert "does not read" in caplog.text


@pytest.mark.parametrize(
    ("damaged", "asks_for"),
    [
        ("detect/000.parquet", "detect/000"),
        ("index/shards/001.parquet", "index/videos"),
        ("select/shards/001.parquet", "select/clips"),
        ("composite/store/002/detail.parquet", "composite/002"),
        ("annotate/frames/001.parquet", "annotate/clips"),
        ("counterfactual/001.parquet", "composite/001"),
        ("counterfactual/store/001/detail.parquet", "composite/001"),
        ("acquire/coco.json", "acquire/coco"),
        ("acquire/weights/detect.json", "acquire/weights/detect"),
        ("elsewhere/mine.parquet", None),
        ("elsewhere/mine.json", None),
    ],
)
def test_a_damaged_table_of_a_build_is_asked_for_again(tmp_path, damaged, asks_for):
    path = tmp_path / damaged
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(UserError, match="does not read"):
        (read_json if path.suffix == ".json" else tables.read_rows)(path)
    asked = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("retry/*")}
    folder, _, name = (asks_for or "/").rpartition("/")
    assert asked == ({f"{folder}/retry/{name}"} if asks_for else set())


def test_a_damaged_store_of_another_stage_is_one_line(tmp_path):
    manifest = filled(tmp_path)
    overwrite(tmp_path / "detect/store/000/detail.parquet", 0.4)
    with DetailStore(tmp_path / "detect/store") as store:
        with pytest.raises(UserError, match="start the same command again"):
            [store.rows(clip, "000") for clip in "abc"]
    assert failures.attempts(manifest) == 1
