"""The benchmarks of full scale, on a few videos: that they run, and what they say."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import REPO


def said(script: str, *options: str) -> dict:
    """The JSON object that a benchmark ends with."""
    command = [sys.executable, str(REPO / "benchmarks" / script), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_build_is_planned_from_nothing_and_when_finished():
    found = said("plan_scale.py", "--videos", "60", "--clips", "12", "--shards", "3", "2")
    assert found["videos"] == 60 and found["jobs"] > 20
    assert 0 < found["dry_run_seconds"] < 20 and 0 < found["replan_seconds"] < 20
    assert 50 < found["peak_mib"] < 500


@pytest.mark.slow
def test_every_command_on_fabricated_tables():
    found = said("tables.py", "--classes", "1")
    commands = ["index", "select", "leaks", "annotate", "validate", "evaluate", "paper", "report"]
    assert list(found["peak_mib"]) == list(found["cpu_seconds"]) == commands
    assert found["clips"] == 196 and max(found["peak_mib"].values()) < 2000
    assert 0 < found["annotate_cpu_ms"] < 1000
