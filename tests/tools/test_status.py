"""status: states of jobs, items, rates and exit statuses, from files with known truth."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path

import pyarrow as pa
import pytest

from occludenet_build.cli import main
from occludenet_build.core import tables
from occludenet_build.core.ledger import STATUS, ClipResult, locked_ledger
from occludenet_build.core.start_record import PlannedJob, read_jobs, write_jobs
from occludenet_build.tools.status import jobs as jobs_module
from occludenet_build.tools.status import running, view
from occludenet_build.tools.status.failed import failures
from occludenet_build.tools.status.look import Look, Watcher
from occludenet_build.tools.status.running import Activity, ClusterJob

SCHEMA = pa.schema(STATUS)
ENDED = "12:00:00 detect: 4 clips, 0 finished before, 4 to do\n12:01:00 detect: CPU 9.00 s\n"
CUT = "12:00:00 detect: 4 clips, 1 finished before, 3 to do\n12:00:30 detect:  66% 2/3 [00:30<"


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """No SLURM, whatever this machine has."""
    monkeypatch.setattr(running, "queue", lambda: ((), ""))


def row(clip: str, reason: str | None = None, status: str = "failed") -> dict:
    found = {"clip": clip, "status": status if reason else "ok", "reason": reason, "detail": None}
    return found | {"key": "k", "seconds": None}


def planned(shard: str, due: bool = True, stage: str = "detect") -> PlannedJob:
    outputs = (f"{stage}/{shard}.parquet",)
    log, benchmark = f"logs/{stage}/{shard}.log", f"benchmarks/{stage}/{shard}.tsv"
    return PlannedJob(stage, f"{stage}_shard", (shard,), outputs, log, benchmark, due)


def write(path: Path, text: str, age: float = 0.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - age,) * 2)


def table(build: Path, shard: str, *rows: dict, age: float = 0.0) -> None:
    path = build / f"detect/{shard}.parquet"
    tables.write_table(tables.from_rows(rows, SCHEMA), path)
    os.utime(path, (time.time() - age,) * 2)


def record(build: Path, *jobs: PlannedJob, age: float = 100.0) -> None:
    build.mkdir(exist_ok=True)
    write_jobs(build, jobs)
    os.utime(build / ".jobs.json", (time.time() - age,) * 2)


def look(build: Path) -> Look:
    return Watcher(build).look()


STATES = [
    # due, age of the output, log, its age -> state; the start was 100 s ago
    (True, None, None, 0, "waiting"),
    (True, 10, ENDED, 10, "done"),
    (False, 500, ENDED, 500, "done"),
    (True, 500, ENDED, 500, "waiting"),  # the output of an earlier start, with other settings
    (True, None, CUT, 10, "stopped"),
    (True, None, CUT, 500, "waiting"),  # stopped in an earlier start
    (False, None, ENDED, 10, "waiting"),  # its output was removed since
]


@pytest.mark.parametrize(("due", "output", "log", "age", "state"), STATES)
def test_states_of_a_job(tmp_path, due, output, log, age, state):
    record(tmp_path, planned("000", due))
    if output is not None:
        table(tmp_path, "000", row("a"), age=output)
    if log is not None:
        write(tmp_path / "logs/detect/000.log", log, age)
    stage = look(tmp_path).stages[0]
    assert stage.states[state] == 1 == stage.jobs


def test_items_failures_rate_and_time_left(tmp_path):
    record(tmp_path, planned("000"), planned("001"), planned("002"))
    table(tmp_path, "000", row("a"), row("b", "no_actor"), row("c", "duplicate", "skipped"))
    write(tmp_path / "logs/detect/000.log", ENDED)
    write(tmp_path / "benchmarks/detect/000.tsv", "s\tcpu_time\n60.0\t9.0\n")
    with locked_ledger(tmp_path / "detect/store/001", SCHEMA) as ledger:
        ledger.commit(ClipResult(row("d", "too_slow")))
    write(tmp_path / "logs/detect/001.log", CUT)
    shards = 3 * ["000"] + 4 * ["001"] + ["002"]
    index = [{"clip": str(n), "shard": s, "candidate": True} for n, s in enumerate(shards)]
    tables.write_table(pa.Table.from_pylist(index), tmp_path / "index/videos.parquet")
    found = look(tmp_path)
    stage = found.stages[0]
    assert (stage.items.done, stage.items.total) == (3 + 1 + 2, 8)
    assert stage.items.failed == {"no_actor": 1, "too_slow": 1}
    assert stage.items.skipped == {"duplicate": 1}
    assert stage.rate == pytest.approx(3 / 60)
    assert stage.seconds_left == pytest.approx(2 * 20)
    assert found.exit_status == 3 and [stop.job for stop in found.stopped] == ["detect/001"]
    said = view.text(found)
    assert "failed in detect: 1 no_actor, 1 too_slow" in said and "time left: 40.0 s" in said


@pytest.mark.parametrize(
    ("rows", "damage", "status"),
    [([row("a")], False, 0), ([row("a", "no_actor")], False, 1), ([row("a")], True, 1)],
)
def test_exit_statuses_of_a_finished_build(tmp_path, rows, damage, status, capsys):
    record(tmp_path, planned("000"))
    table(tmp_path, "000", *rows)
    if damage:
        path = tmp_path / "detect/000.parquet"
        path.write_bytes(path.read_bytes()[:-20])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as end:
        main(["status", str(tmp_path), "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert end.value.code == status == shown["exit_status"]
    assert shown["damaged"] == (["detect/000.parquet"] if damage else [])
    assert sorted(tmp_path.rglob("*")) == before  # no retry is asked for, no lock is left


def test_failed_items_have_their_lines(tmp_path):
    record(tmp_path, planned("000"), planned("001"))
    table(tmp_path, "000", row("a b", "internal"), row("c"))
    write(tmp_path / "logs/detect/000.log", "12:00:00 detect: a b: internal: OSError: x\n" + ENDED)
    write(tmp_path / "logs/detect/001.log", "12:00:00 detect: wanted weights, got none\n")
    one, two = failures(tmp_path, Watcher(tmp_path).jobs())
    assert one.text().splitlines() == [
        "detect/000: a b: internal",
        "    logs/detect/000.log:1: 12:00:00 detect: a b: internal: OSError: x",
    ]
    assert two.item is None and two.lines == ("1: 12:00:00 detect: wanted weights, got none",)


QUEUED = [("PENDING", "queued"), ("RUNNING", "running"), ("COMPLETING", "running")]


@pytest.mark.parametrize(("said", "state"), QUEUED)
def test_jobs_of_a_cluster(tmp_path, said, state):
    record(tmp_path, planned("000"), planned("001"))
    lines = f"{said}|c1|{Path.cwd()}|rule_detect_shard_wildcards_000\nRUNNING|c1|/other|rule_x"
    now = Activity(None, "process 1 on head", cluster=running.parse_squeue(lines))
    found = jobs_module.jobs_of(tmp_path, read_jobs(tmp_path), now)
    assert [job.state for job in found] == [state, "waiting"]
    assert running.parse_squeue("COMPLETED|c1|/w|rule_x\nbroken line\n") == ()
    assert isinstance(now.cluster[0], ClusterJob)


def test_a_process_here_is_running(tmp_path, monkeypatch):
    record(tmp_path, planned("000"))
    log = os.path.realpath(tmp_path / "logs/detect/000.log")
    found = jobs_module.jobs_of(tmp_path, read_jobs(tmp_path), Activity(True, "", {log: 1}))
    assert found[0].state == "running"


def test_a_build_without_a_record(tmp_path):
    """As an older version left it: what has a log is known, and the shards of the tables."""
    table(tmp_path, "000", row("a"))
    write(tmp_path / "logs/detect/000.log", ENDED)
    write(tmp_path / "logs/detect/002.log", ENDED)  # its table was removed
    for shard in ("000", "001", "002"):
        write(tmp_path / f"index/shards/{shard}.parquet", "")
    found = look(tmp_path)
    assert not found.recorded and found.exit_status == 3
    assert found.stages[0].states == {
        **dict.fromkeys(jobs_module.STATES, 0),
        "done": 1,
        "waiting": 2,
    }


@pytest.mark.parametrize("text", ["", "{", '{"jobs": 3}', '{"folder": "x", "jobs": [[1]]}'])
def test_a_damaged_record_is_none(tmp_path, text):
    (tmp_path / ".jobs.json").write_text(text)
    assert read_jobs(tmp_path) is None and look(tmp_path).exit_status == 3


def test_wrong_arguments(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["status", str(tmp_path / "nowhere")])
    assert end.value.code == 2 and "give its build_dir" in capsys.readouterr().err


def test_it_refreshes_in_place(monkeypatch):
    monkeypatch.setattr(view.shutil, "get_terminal_size", lambda: os.terminal_size((20, 4)))
    out = io.StringIO()
    shown = view._redraw(["a" * 30, "b", "c", "d"], 0, out)
    assert shown == 3 and out.getvalue().count("\n") == 3 and "a" * 21 not in out.getvalue()
    view._redraw(["a\x1b[31m"], shown, out)
    assert "\x1b[3A\x1b[2Ka?[31m\n\x1b[J" in out.getvalue()
