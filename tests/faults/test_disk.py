"""A disk that is full or read-only at each stage: one line, nothing half visible, an equal end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.drills import Drill, mounted

pytestmark = pytest.mark.slow
STAGES = ("acquire", "index", "detect", "occluders", "actor_masks", "composite", "leaks")
STAGES += ("annotate",)
FULL = "the disk is full; finished items are kept, make room and start again"


@pytest.fixture
def disk(drill: Drill) -> Iterator[Drill]:
    """A drill whose build is on a disk of its own, 16 MB."""
    with mounted(drill.build, "-t", "tmpfs", "-o", "size=16m", "drill"):
        yield drill


def test_the_disk_gets_full_at_each_stage(disk: Drill, reference: Drill):
    """The first start of each stage meets a full disk: a file fills it until the build ends."""
    ballast = disk.build / ".ballast"
    disk.at(**dict.fromkeys(STAGES, f"cat /dev/zero > {ballast} 2>/dev/null"))
    outputs = disk.until_it_ends("dataset", len(STAGES) + 1, lambda _: ballast.unlink())
    assert disk.disturbed == set(STAGES)
    assert all(FULL in text for text in outputs)
    disk.undisturbed().assert_equal(reference)


def test_a_disk_that_grows_slowly(drill: Drill, reference: Drill):
    """Sizes at which the disk is full in the middle of a stage, wherever that is."""
    ends, sizes = [], (40, 300, 900, 16_000)
    with mounted(drill.build, "-t", "tmpfs", "-o", f"size={sizes[0]}k", "drill"):
        for size in sizes:
            subprocess.run(["mount", "-o", f"remount,size={size}k", str(drill.build)], check=True)
            if size == sizes[-1]:
                drill.succeeds("dataset")
            else:
                ends.append(FULL in drill.fails("dataset"))
        drill.assert_equal(reference)
    assert any(ends)


def test_a_full_disk_under_the_logs_has_no_traceback_of_logging(tmp_path: Path, drill: Drill):
    """F20: the log file is on a full disk; stderr has the lines, and logging is quiet."""
    with mounted(tmp_path / "logs", "-t", "tmpfs", "-o", "size=4k", "drill") as logs:
        (logs / "ballast").write_bytes(b"x" * 4096)
        acquire = ("acquire", "videos", "--settings", '{"acquire": {"videos": "world/videos"}}')
        text = drill.stage(*acquire, "--out", "a.parquet", "--log", f"{logs}/a.log")
        assert "5 files" in text and "Logging error" not in text
        (logs / "deep").mkdir()
        text = drill.stage(*acquire, "--out", "a.parquet", "--log", f"{logs}/deep/b/b.log")
        assert "5 files" in text and "Logging error" not in text


def test_a_build_on_a_read_only_disk(reference: Drill, tmp_path: Path):
    """A finished build is as finished as before; one with work to do says what it cannot write."""
    drill = reference.copy(tmp_path / "copy")
    with mounted(drill.build, "--bind", str(drill.build)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(drill.build)], check=True)
        assert "Nothing to be done" in drill.succeeds("dataset")
        drill.settings = drill.merged({"composite": {"crf": 30}})
        text = drill.fails("dataset")
        # Snakemake names the files of one of the jobs to run, which one is left open
        assert "Write-protected output files" in text and "affected files:\n        build/" in text
    drill.settings = reference.settings
    drill.succeeds("dataset")
    drill.assert_equal(reference)


def test_sources_on_a_read_only_disk(drill: Drill, reference: Drill):
    """Nothing is ever written beside the sources."""
    world = drill.folder / "world"
    with mounted(world, "--bind", str(world)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(world)], check=True)
        assert not os.access(world, os.W_OK)
        drill.succeeds("dataset")
    drill.assert_equal(reference)
