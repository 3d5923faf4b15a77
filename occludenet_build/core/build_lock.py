"""One workflow at a time in a build, and no table of it dated in the future.

The stages lock what they write, but a second Snakemake would plan its jobs from files that the
first is about to make or to remove. It therefore waits before it plans.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from occludenet_build.core.errors import UserError

LOCK_FILE = ".build.lock"
"""Name of the lock file in the build; it names its last holder. The kernel holds the lock itself,
so one that a killed process left is free."""

TABLES = ("*/*.parquet", "*/*.json", "*/shards/*.parquet", "acquire/weights/*.json")
"""Files that jobs pass to each other, relative to the build."""

STORE_LOCKS = ("*/.lock", "*/store/*/.lock", "*/*/store/*/.lock", "*/*/*/store/*/.lock")
"""Locks of the jobs in what they write, relative to the build (core.files.folder_lock)."""


def one_at_a_time(workflow: Any, folder: Path) -> Callable[..., Any]:
    """Snakemake's `Workflow.execute`, which waits for another run in the same build.

    `onstart` would be too late, since the jobs are planned by then. Only `execute` knows that jobs
    will be run (the Snakefile is also read for --lint, --unlock, --summary and by each job), and it
    comes before planning. A dry run writes nothing and does not wait; the Snakemake inside a job of
    the run that holds the lock must not.
    """
    execute = workflow.execute

    def waiting(executor_plugin: Any, *args: Any, **kwargs: Any) -> Any:
        is_dry = executor_plugin.common_settings.dryrun_exec
        if is_dry or not workflow.is_main_process:
            return execute(executor_plugin, *args, **kwargs)
        with build_lock(folder):
            date_back(folder)
            return execute(executor_plugin, *args, **kwargs)

    return waiting


@contextmanager
def build_lock(folder: Path) -> Iterator[None]:
    """Lock a build against other workflows until the block ends; wait for one that holds it.

    While it waits, one line on stderr names the holder. A folder in which nothing can be written or
    locked is not locked: whether that matters is for the jobs to say.
    """
    stream = _opened(folder)
    if stream is None:
        yield
        return
    with stream:
        _wait(stream, folder)
        yield


@contextmanager
def sole_user(folder: Path, what: str) -> Iterator[None]:
    """Lock a build until the block ends, for a tool that removes files or adds some.

    `what`: what the tool does, for the message. Raises UserError if a workflow holds the lock, or
    a job that outlived its workflow writes into a store.
    """
    stream = _opened(folder)
    if stream is None:
        raise UserError(f"{what}: wanted a folder to write in, got {folder}; see its permissions")
    with stream:
        if not _locked(stream):
            stream.seek(0)
            holder = stream.read().strip() or "another process"
            raise UserError(
                f"{what}: wanted {folder} at rest, the build of {holder} is running; wait for its "
                "end, or stop it"
            )
        _write_holder(stream)
        _refuse_writers(folder, what)
        yield


def _refuse_writers(folder: Path, what: str) -> None:
    """Raise UserError if a job has locked a store: one that outlived its workflow."""
    for pattern in STORE_LOCKS:
        for path in folder.glob(pattern):
            with open(path, "a") as stream:
                if not _locked(stream):
                    raise UserError(
                        f"{what}: wanted {folder} at rest, a job still writes into {path.parent}; "
                        "wait for its end, or stop it"
                    )


def _locked(stream: IO[str]) -> bool:
    """Lock an open file without waiting; False if another process holds it."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        _say(f"{stream.name}: cannot be locked ({error.strerror}); start nothing else meanwhile")
    return True


def _opened(folder: Path) -> IO[str] | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return open(folder / LOCK_FILE, "a+")
    except OSError:
        return None


def _wait(stream: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.seek(0)
        holder = stream.read().strip() or "another process"
        _say(f"{folder}: waiting for the build of {holder} to end")
        fcntl.flock(stream, fcntl.LOCK_EX)
    except OSError as error:
        _say(f"{folder}: cannot be locked ({error.strerror}); start one build at a time")
        return
    _write_holder(stream)


def _write_holder(stream: IO[str]) -> None:
    """Write who holds the lock. Only for the line above: a full disk does not matter here."""
    try:
        stream.truncate(0)
        stream.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        stream.flush()
    except OSError:
        pass


def date_back(folder: Path) -> None:
    """Date the tables of a build now that are dated in the future, as after a clock went back.

    Snakemake refuses each output that is older than an input. Their content decides what is made
    again, so a new date makes nothing again.
    """
    now = time.time()
    ahead = [p for names in TABLES for p in folder.glob(names) if _mtime(p) > now]
    try:
        for path in ahead:
            os.utime(path, (now, now))
    except OSError:
        return
    if ahead:
        _say(f"{folder}: {len(ahead)} tables were dated in the future (clock set back?), now today")


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # a dangling link
        return 0.0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
