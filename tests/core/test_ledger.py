"""The ledger: finished clips are not computed again, whatever interrupts a run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occludenet_build.core import ledger, tables
from occludenet_build.core.tables import column

ROWS = pa.schema([*ledger.STATUS, column("value", "int64", "")])
DETAIL = pa.schema([column("clip", "string", ""), column("n", "int64", "")])


def result(clip: str, key: str, value: int = 0, reason: str | None = None) -> ledger.ClipResult:
    row = {"clip": clip, "status": "failed" if reason else "ok", "reason": reason, "key": key}
    detail = tables.from_rows([{"clip": clip, "n": n} for n in range(value)], DETAIL)
    return ledger.ClipResult(row | {"value": value, "seconds": 1.5}, detail)


def run(store, manifest, keys: dict[str, str], made: list[str]) -> pa.Table:
    def make(clips):
        for clip in clips:
            made.append(clip)
            yield result(clip, keys[clip], len(clip))

    with ledger.locked_ledger(store, ROWS, DETAIL) as shard_ledger:
        ledger.work_through(shard_ledger, keys, make)
        return shard_ledger.close(sorted(keys), manifest)


def test_only_new_and_changed_clips_are_made(tmp_path):
    store, manifest, made = tmp_path / "store", tmp_path / "m.parquet", []
    run(store, manifest, {"a": "1", "bb": "1"}, made)
    run(store, manifest, {"a": "1", "bb": "2", "ccc": "1"}, made)
    assert made == ["a", "bb", "bb", "ccc"]
    groups = tables.ClipGroups(store / "detail.parquet")
    assert groups.read("bb")["n"].to_pylist() == [0, 1]
    assert groups.read("nobody") is None


def test_the_manifest_of_equal_results_is_equal_bytes(tmp_path):
    store, manifest, made = tmp_path / "store", tmp_path / "m.parquet", []
    run(store, manifest, {"a": "1", "bb": "1"}, made)
    before = manifest.read_bytes()
    manifest.unlink()  # as Snakemake does before a rerun
    run(store, manifest, {"bb": "1", "a": "1"}, made)
    assert made == ["a", "bb"]
    assert manifest.read_bytes() == before


def test_what_is_committed_survives_a_crash(tmp_path):
    keys = {"a": "1", "bb": "1", "ccc": "1"}

    def crash(clips):
        yield result("a", "1")
        raise RuntimeError("power failure")

    with (
        pytest.raises(RuntimeError),
        ledger.locked_ledger(tmp_path / "s", ROWS, DETAIL) as shard_ledger,
    ):
        ledger.work_through(shard_ledger, keys, crash)
    made = []
    run(tmp_path / "s", tmp_path / "m.parquet", keys, made)
    assert made == ["bb", "ccc"]


@pytest.mark.parametrize(
    ("reason", "again"),
    [("missing", True), ("unreachable", True), ("encode_failed", False), ("corrupt", False)],
)
def test_only_transient_failures_are_tried_again(tmp_path, reason, again):
    with ledger.locked_ledger(tmp_path / "s", ROWS, DETAIL) as shard_ledger:
        ledger.work_through(
            shard_ledger, {"a": "1"}, lambda clips: iter([result("a", "1", 0, reason)])
        )
        shard_ledger.close(["a"])
    made = []
    run(tmp_path / "s", tmp_path / "m.parquet", {"a": "1"}, made)
    assert made == (["a"] if again else [])


def test_a_clip_whose_files_are_missing_is_computed_again(tmp_path):
    run(tmp_path / "s", tmp_path / "m.parquet", {"a": "1", "bb": "1"}, [])
    made = []
    with ledger.locked_ledger(tmp_path / "s", ROWS, DETAIL) as shard_ledger:

        def make(clips):
            made.extend(clips)
            return iter([result(c, "1", 1) for c in clips])

        ledger.work_through(
            shard_ledger, {"a": "1", "bb": "1"}, make, lambda row: row["clip"] != "a"
        )
        shard_ledger.close(["a", "bb"])
    assert made == ["a"]


def _slow_writer(store, ready):
    with ledger.locked_ledger(store, ROWS, DETAIL) as shard_ledger:
        shard_ledger.commit(result("a", "1"))
        ready.set()
        time.sleep(60)


def test_a_second_writer_waits_and_a_killed_one_lets_go(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_slow_writer, args=(tmp_path / "s", ready))
    process.start()
    assert ready.wait(30)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    made = []
    run(tmp_path / "s", tmp_path / "m.parquet", {"a": "1", "bb": "1"}, made)
    assert made == ["bb"]


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("12")), max_size=5)
)
def test_any_sequence_of_runs_ends_with_exactly_the_wanted_rows(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("ledger")
    for keys in steps:
        made = []
        table = run(folder / "s", folder / "m.parquet", keys, made)
        assert table["clip"].to_pylist() == sorted(keys)
        assert table["key"].to_pylist() == [keys[c] for c in sorted(keys)]
        assert set(made) <= set(keys)
