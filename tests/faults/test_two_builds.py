"""Two builds started in one folder: the second waits, and both end well (F13)."""

from __future__ import annotations

import signal
import subprocess

import pytest
from support.drills import Drill, kill, wait_for

from occludenet_build.core.build_lock import LOCK_FILE

pytestmark = pytest.mark.slow


def test_the_second_build_waits_and_both_end_well(drill: Drill, reference: Drill):
    first = drill.start("dataset")
    lock = drill.build / LOCK_FILE
    wait_for(lambda: lock.exists() and f"process {first.pid} " in lock.read_text())
    second = Drill(drill.folder, None).run("dataset")
    assert first.wait(30) == 0, (drill.folder / "output.txt").read_text()[-3000:]
    assert f"waiting for the build of process {first.pid} on" in second
    assert "Nothing to be done" in second
    drill.assert_equal(reference)


def test_only_runs_that_make_something_wait(reference: Drill, tmp_path):
    drill = reference.copy(tmp_path / "copy")
    holder = hold(drill)
    try:
        for option in ("-n", "--summary", "--list", "--unlock"):
            assert "waiting for" not in drill.run("dataset", option)
        waiting = drill.start("dataset")
        wait_for(lambda: "waiting for" in (drill.folder / "output.txt").read_text())
        # Ctrl-C ends the waiting
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(30) != 0
    finally:
        kill(holder)
    assert "Nothing to be done" in drill.run("dataset")


def hold(drill: Drill) -> subprocess.Popen:
    """A process that holds the lock of a build, as a killed one leaves it."""
    script = (
        "import time, pathlib; from occludenet_build.core.build_lock import build_lock\n"
        "with build_lock(pathlib.Path('build')): print('held', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [drill.python, "-c", script],
        cwd=drill.folder,
        env=drill.environ,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    return process


def test_a_folder_that_cannot_be_locked_is_built_all_the_same(tmp_path, monkeypatch):
    from occludenet_build.core import build_lock

    def refuse(*arguments):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(build_lock.fcntl, "flock", refuse)
    with build_lock.build_lock(tmp_path):
        assert (tmp_path / LOCK_FILE).exists()
    (tmp_path / "file").touch()
    with build_lock.build_lock(tmp_path / "file"):
        pass
