"""Drills: builds of a tiny world that something goes wrong with, and what must be equal at the end.

`Drill` runs Snakemake as users do. `at(stage=shell)` gives commands that run at the moment when a
job of a stage starts, so that a disk is full or a folder is away exactly then.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import REPO
from support.workflow import SETTINGS as USUAL
from support.workflow import Build

from occludenet_build.core import tables

SETTINGS = USUAL | {
    "index": {"shards": 1},
    "select": {"shards": 1},
    "composite": {"scales": [0.5], "preset": "ultrafast"},
    "train": {"backbone": "tiny3d", "scales": [0.5], "epochs": 1},
    "failures": {"commit_clips": 2},  # of about six in a shard
}
STAGES_THAT_READ_VIDEOS = ("index", "detect", "actor_masks", "composite", "leaks")
MEASURED = {"seconds", "generation_seconds", "clip generation time"}
"""Columns of measured times, which differ between equal builds."""
_NOT_RESULTS = {"logs", "benchmarks", "store", "checks", "retry"}

_HOOK = """
drill_once() {{ mkdir "{done}/$1" 2>/dev/null; }}
case "$BASH_EXECUTION_STRING" in
{cases}
esac
"""


class Drill(Build):
    """A folder with a tiny world and its build."""

    def __init__(self, folder: Path, world: Path | None, settings: dict = SETTINGS) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder, world, settings)
        self.videos, self.build = folder / "world/videos", folder / "build"
        self.environ = self.environ | {"PYTHONPATH": str(REPO)}

    def copy(self, folder: Path) -> Drill:
        """A copy with times of files, as an undisturbed build."""
        for name in ("world", "build", ".snakemake"):
            if (self.folder / name).exists():
                shutil.copytree(self.folder / name, folder / name, symlinks=True)
        return Drill(folder, None, self.settings)

    def at(self, **commands: str) -> Drill:
        """From now on, run a shell command when the first job of each named stage starts."""
        done = self.folder / "hooks"
        shutil.rmtree(done, ignore_errors=True)
        done.mkdir()
        cases = "\n".join(
            f'*"occludenet_build {stage} "*) drill_once {stage} && {{ {command}; }} ;;'
            for stage, command in commands.items()
        )
        hook = self.folder / "hook.sh"
        hook.write_text(_HOOK.format(done=done, cases=cases))
        # bash, which runs every job, reads this file first
        self.environ = self.environ | {"BASH_ENV": str(hook)}
        return self

    @property
    def disturbed(self) -> set[str]:
        """The stages whose command of `at` was run."""
        return {path.name for path in (self.folder / "hooks").iterdir()}

    def until_it_ends(self, target: str, starts: int, restore: Callable[[str], None]) -> list[str]:
        """Start the build until it ends well, at most so often; the outputs of failed starts.

        `restore(output)` ends the disturbance after each failed start.
        """
        outputs: list[str] = []
        for _ in range(starts):
            text, ended = self.attempt(target)
            if ended:
                return outputs
            assert "--- Logging error" not in text, text[-6000:]
            self.assert_nothing_half_visible()
            restore(text)
            outputs.append(text)
        raise AssertionError(f"{starts} starts were not enough\n{outputs[-1][-4000:]}")

    def attempt(self, *targets: str) -> tuple[str, bool]:
        """Start a build that may end either way, without a traceback: its output, and whether it
        ended well."""
        done = subprocess.run(
            self.command(*targets),
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        text = done.stdout + done.stderr
        assert "Traceback" not in text, text[-6000:]
        return text, done.returncode == 0

    def undisturbed(self) -> Drill:
        """From now on, nothing happens when jobs start."""
        self.environ = {k: v for k, v in self.environ.items() if k != "BASH_ENV"}
        return self

    def start(self, *targets: str) -> subprocess.Popen:
        """Start a build in a process group of its own; its output goes to output.txt."""
        with open(self.folder / "output.txt", "wb") as output:
            return subprocess.Popen(
                self.command(*targets),
                cwd=self.folder,
                env=self.environ,
                start_new_session=True,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def fails(self, *targets: str) -> str:
        """Run a build that must end with an error, said without a traceback; the output."""
        text = self.run(*targets, ok=False)
        assert "Traceback" not in text and "--- Logging error" not in text, text[-6000:]
        self.assert_nothing_half_visible()
        return text

    def succeeds(self, *targets: str) -> str:
        """Run a build that must end well; the output."""
        text = self.run(*targets)
        assert "Traceback" not in text, text[-6000:]
        return text

    def stage(self, *arguments: str, ok: bool | None = True) -> str:
        """Run one command of the command line in the folder; its output. ok None: ends either way,
        without a traceback."""
        done = subprocess.run(
            [sys.executable, "-m", "occludenet_build", *arguments],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        text = done.stdout + done.stderr
        assert ok is None or (done.returncode == 0) == ok, text[-3000:]
        assert "Traceback" not in text, text[-6000:]
        return text

    def results(self) -> dict[str, str]:
        """Visible file of the build -> hash of its content, without measured times."""
        return {
            str(path.relative_to(self.build)): digest(path)
            for path in visible(self.build)
            if not _NOT_RESULTS & set(path.relative_to(self.build).parts)
        }

    def assert_equal(self, other: Drill) -> None:
        """The end of a disturbed build is the end of an undisturbed one."""
        mine, theirs = self.results(), other.results()
        assert mine.keys() == theirs.keys(), sorted(mine.keys() ^ theirs.keys())
        differ = [name for name in mine if mine[name] != theirs[name]]
        assert not differ, f"not equal to the undisturbed build: {differ}"
        assert not self.unfinished()
        assert self.planned("dataset") == {}

    def assert_nothing_half_visible(self) -> None:
        """Every visible table, picture and video of the build opens to its end."""
        for path in visible(self.build):
            if path.suffix == ".parquet":
                pq.read_table(path, partitioning=None)
            elif path.suffix == ".mp4":
                assert b"moov" in path.read_bytes(), path


def visible(build: Path) -> Iterator[Path]:
    """The files of a build that a user sees: no temporary ones, no locks."""
    for folder, folders, names in os.walk(build):
        folders.sort()
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes; of tables and CSV files, of all columns but measured times."""
    if path.suffix == ".parquet":
        table = tables.read_table(path)
        if MEASURED & set(table.column_names):
            keep = [name for name in table.column_names if name not in MEASURED]
            return tables.table_digest(table.select(keep))
    content = path.read_bytes()
    if path.suffix == ".csv":
        rows = csv.DictReader(io.StringIO(content.decode()))
        content = repr([{k: v for k, v in r.items() if k not in MEASURED} for r in rows]).encode()
    return hashlib.sha256(content).hexdigest()


def kill(process: subprocess.Popen) -> None:
    """kill -9 of the whole process group of a build."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(condition, seconds: float = 120) -> None:
    """Wait until a condition holds; fails after some time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


@contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[Path]:
    """Mount at a folder with `mount ARGUMENTS FOLDER`; skips the test where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", *arguments, str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"this user may not mount: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
