"""Atomic files, tables and worker processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import REPO
from hypothesis import given
from hypothesis import strategies as st

from occludenet_build.core import files, seeds, tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.pool import in_processes


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "table.txt"
    files.write_text(path, "old")
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stop")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["table.txt"]


def test_what_a_killed_writer_left_is_taken_over(tmp_path):
    path = tmp_path / "clip.mp4"
    with files.replacing(path) as temporary:
        temporary.write_text("first")
    temporary.write_text("half")  # as after kill -9
    files.write_text(path, "whole")
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_an_unchanged_table_is_not_touched(tmp_path):
    table = pa.table({"a": [1, 2]})
    assert tables.write_if_changed(table, tmp_path / "t.parquet")
    os.utime(tmp_path / "t.parquet", ns=(1, 1))
    assert not tables.write_if_changed(table, tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_mtime_ns == 1


def test_missing_and_broken_tables_say_what_to_do(tmp_path):
    with pytest.raises(UserError, match="is missing; run the stage that writes it"):
        tables.read_table(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(UserError, match="wanted a Parquet table"):
        tables.read_table(tmp_path / "bad.parquet")


def test_unknown_columns_are_refused():
    with pytest.raises(ValueError, match="not in the schema"):
        tables.from_rows([{"b": 1}], pa.schema([("a", pa.int64())]))


@given(st.text(), st.text(), st.text())
def test_hashed_parts_do_not_run_together(a, b, c):
    assert files.short_hash(a + b, c) != files.short_hash(a, b + c) or not b


@given(st.sets(st.text(min_size=1), min_size=2, max_size=9), st.text())
def test_one_more_option_moves_only_what_it_wins(options, item):
    fewer = sorted(options)[1:]
    chosen = seeds.choose(options, 0, item)
    assert chosen == sorted(options)[0] or chosen == seeds.choose(fewer, 0, item)


@given(st.integers(0, 5), st.text())
def test_an_item_has_one_split_and_one_shard(seed, item):
    shares = {"train": 0.5, "val": 0.0, "test": 0.5}
    assert seeds.split_of(shares, seed, item) in ("train", "test")
    assert seeds.shard_of(item, 7) in seeds.shard_names(7)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_gives_one_result(workers):
    assert sorted(in_processes(abs, range(-20, 0), workers)) == list(range(1, 21))


def test_workers_do_not_outlive_a_killed_parent(tmp_path):
    script = (
        "import sys, time\n"
        "from occludenet_build.core.pool import in_processes\n"
        "if __name__ == '__main__':\n"
        "    list(in_processes(time.sleep, [0.01, 600, 600], 2))\n"
    )
    (tmp_path / "job.py").write_text(script)
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    job = subprocess.Popen([sys.executable, str(tmp_path / "job.py")], env=environment)
    workers: list[int] = []
    for _ in range(300):
        workers = _workers_of(job.pid)
        if len(workers) == 2:
            break
        time.sleep(0.1)
    assert len(workers) == 2
    time.sleep(1)
    job.send_signal(signal.SIGKILL)
    job.wait()
    for _ in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in workers):
            return
        time.sleep(0.1)
    pytest.fail("a worker is still there")


def _workers_of(job: int) -> list[int]:
    """The worker processes of a job, which its fork server has started."""
    return [worker for server in _started_by(job) for worker in _started_by(server)]


def _started_by(parent: int) -> list[int]:
    """Processes, without multiprocessing's resource tracker."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
            command = (path.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == parent and b"forkserver" in command:
            found.append(int(path.parent.name))
    return found
