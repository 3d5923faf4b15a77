"""benchmarks/overhead.py runs, and its figures are those of one run."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import REPO


@pytest.mark.slow
def test_the_benchmark_runs_with_few_clips():
    line = [sys.executable, REPO / "benchmarks/overhead.py", "--picture", "64x48"]
    line += ["--clips", "4:3", "6:2", "--shard", "2"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    for frames in ("4", "6"):
        share, stage, loop = (found[k][frames] for k in ("overhead_share", "stage_ms", "loop_ms"))
        assert share == pytest.approx(1 - loop / stage, abs=0.01)
        assert found["start_up_seconds"][frames] > 0
