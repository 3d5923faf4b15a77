"""status beside a real build: while it runs, after kill -9, and at its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.drills import Drill, kill, wait_for

pytestmark = pytest.mark.slow


def status(drill: Drill, *options: str) -> tuple[int, dict]:
    done = subprocess.run(
        [sys.executable, "-m", "occludenet_build", "status", "build", "--json", *options],
        cwd=drill.folder,
        env=drill.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    found = (p for p in folder.rglob("*") if p.is_file())
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in found}


def test_running_then_killed_then_finished(drill: Drill):
    process = drill.start("dataset")
    journal = drill.build / "composite/store/000/journal"
    wait_for(lambda: list(journal.glob("[!.]*.parquet")))
    os.killpg(process.pid, signal.SIGSTOP)  # so that it is not done before the look is
    code, now = status(drill)
    assert code == 3 and now["workflow_runs"] and now["recorded"] and not now["stopped"]
    assert now["stages"]["composite"]["jobs"]["running"] == 1
    assert now["stages"]["annotate"]["jobs"] == {
        **dict.fromkeys(("done", "running", "queued", "stopped"), 0), "waiting": 1, "all": 1
    }  # fmt: skip
    kill(process)
    before = stamps(drill.build)
    code, left = status(drill)
    assert code == 3 and left["workflow_runs"] is False
    assert [stop["job"] for stop in left["stopped"]] == ["composite/000"]
    assert left["stages"]["detect"]["jobs"]["done"] == left["stages"]["detect"]["jobs"]["all"]
    items = left["stages"]["composite"]["items"]
    assert 1 <= items["done"] < items["all"]
    assert status(drill, "--failed")[1][-1]["reason"] == "stopped"
    assert stamps(drill.build) == before  # looking changes nothing
    # in the words of the record, a new start has these jobs to do and no others
    planned = drill.planned("dataset")
    undone = {
        name for name, one in left["stages"].items() if one["jobs"]["done"] < one["jobs"]["all"]
    }
    assert undone == {rule.removesuffix("_shard") for rule in planned}
    drill.succeeds("dataset")
    code, end = status(drill)
    assert code == 0 and end["complete"] and end["seconds_left"] == 0, end
    assert end["stages"]["composite"]["items"]["done"] == items["all"]
