"""ultralytics is imported by many ways; none changes the process, installs or connects."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from conftest import REPO
from support import ultralytics_ways

WAYS = [way.__name__ for way in (ultralytics_ways.by_pickle, *ultralytics_ways.WAYS)]


@pytest.fixture(scope="module")
def tried(tmp_path_factory) -> dict:
    """One process tries all ways, as importing torch takes most of the time."""
    done = subprocess.run(
        [sys.executable, "-m", "support.ultralytics_ways", str(tmp_path_factory.mktemp("ways"))],
        cwd=REPO / "tests",
        env=os.environ | {"PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("way", WAYS)
def test_the_process_is_as_before(tried, way):
    assert tried["ways"][way] == []


def test_without_the_guard_it_is_not(tried):
    assert {"PIL.Image.open", "torch.save", "$OMP_NUM_THREADS"} <= set(tried["unguarded"])


def test_nothing_is_installed_and_nobody_is_asked(tried):
    assert tried["events"] == []
