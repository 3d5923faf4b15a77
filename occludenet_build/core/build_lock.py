"""One workflow at a time in a build: the second waits until the first has ended.

The stages lock what they write, but a second Snakemake would plan its jobs from files that the
first is about to make or to remove. It therefore waits before it plans.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

LOCK_FILE = ".build.lock"
"""Name of the lock file in the build; it names its last holder. The kernel holds the lock itself,
so one that a killed process left is free."""


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
        print(f"{folder}: waiting for the build of {holder} to end", file=sys.stderr, flush=True)
        fcntl.flock(stream, fcntl.LOCK_EX)
    except OSError as error:
        logging.warning("%s: cannot be locked (%s); start one build at a time", folder, error)
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
