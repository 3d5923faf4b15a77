"""kill -9 of a whole build at random moments, until it ends: nothing half, and an equal end.

OCCLUDENET_KILLS sets the number of kills (default 5) and OCCLUDENET_DRILL_SEED the moments.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import time
from pathlib import Path

import pytest
from support.drills import Drill, kill, visible

from occludenet_build.core.journal import peek

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("OCCLUDENET_KILLS", "5"))
SEED = int(os.environ.get("OCCLUDENET_DRILL_SEED", "13"))


def test_kills_at_random_moments_end_equal(drill: Drill, reference: Drill):
    random_moments, media = random.Random(SEED), Media(reference)
    killed = polls = 0
    for _ in range(KILLS):
        process, lives = drill.start("dataset"), random_moments.uniform(1.0, 8.0)
        end = time.monotonic() + lives
        while process.poll() is None and time.monotonic() < end:
            media.assert_whole(drill)
            polls += 1
            time.sleep(0.1)
        killed += process.poll() is None
        if process.poll() is None:
            kill(process)
        media.assert_whole(drill)
        drill.assert_nothing_half_visible()
    assert killed and polls >= 5 * killed
    drill.succeeds("dataset")
    drill.assert_equal(reference)


def test_what_was_finished_is_not_made_again(drill: Drill):
    """A kill in the middle of composite keeps the clips that the journal names."""
    process = drill.start("dataset")
    journal = drill.build / "composite/store/000/journal"
    kept = wait_for_entries(journal, process)
    before = drill.clips()
    kill(process)
    drill.succeeds("dataset")
    after = drill.clips()
    log = (drill.build / "logs/composite/000.log").read_text()
    assert f"{kept} finished before" in log or f"{kept + 2} finished before" in log, log
    assert sum(after[name] == stamp for name, stamp in before.items()) >= kept


def wait_for_entries(journal: Path, process: subprocess.Popen, wanted: int = 2) -> int:
    """Wait for finished clips in a journal, stop the build there, and count them."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, "the build ended before its first clips were seen"
        if peek(journal.parent, 0)[0] >= wanted:
            os.killpg(process.pid, 19)
            return peek(journal.parent, 0)[0]
        time.sleep(0.005)
    raise AssertionError("no clip was finished")


class Media:
    """The videos and cut-outs of the undisturbed build; a build that shows others shows half."""

    def __init__(self, reference: Drill) -> None:
        self._whole = {
            str(p.relative_to(reference.build)): sha256(p)
            for p in visible(reference.build)
            if p.suffix in (".mp4", ".png")
        }
        self._seen: dict[tuple[str, int, int], None] = {}

    def assert_whole(self, drill: Drill) -> None:
        """Every video or cut-out that is visible now has the bytes of the undisturbed build."""
        for path in visible(drill.build):
            if path.suffix not in (".mp4", ".png"):
                continue
            try:
                state, name = path.stat(), str(path.relative_to(drill.build))
                version = (name, state.st_mtime_ns, state.st_size)
                if version not in self._seen:
                    assert sha256(path) == self._whole[name], f"{name} is visible, but not whole"
                    self._seen[version] = None
            except FileNotFoundError:  # Snakemake removed it meanwhile
                continue


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
