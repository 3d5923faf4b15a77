"""The unfinished file of a download, from which a later run resumes after a kill -9.

    .<name>.part        the bytes received so far
    .<name>.part.json   their state: a hash of the address, the server's validators, the length
    .<name>.part.lock   lock of the thread or process that works on them; the kernel releases it

All three are removed when the file is complete. Bytes without a state are discarded.
"""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import filelock

from occludenet_build.core import files
from occludenet_build.sources.transfer.download import Download


class Stopped(Exception):
    """The run ends; partial files stay for the next run."""


@dataclass(frozen=True)
class PartialState:
    """What the server stated about the file with its first byte."""

    url: str
    etag: str | None
    last_modified: str | None
    length: int | None

    @classmethod
    def of(cls, url: str, headers: Mapping[str, str], length: int | None) -> PartialState:
        """From the headers of an answer; `length` is the size of the complete file, if stated."""
        return cls(files.short_hash(url), headers.get("ETag"), headers.get("Last-Modified"), length)

    @property
    def validator(self) -> str | None:
        """Value for If-Range: a strong ETag, else the date of the last change."""
        strong = self.etag and not self.etag.startswith("W/")
        return self.etag if strong else self.last_modified

    def agrees(self, other: PartialState) -> bool:
        """Whether all values that both states have are equal."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return all(None in pair or pair[0] == pair[1] for pair in pairs)


class PartialFile:
    """An unfinished download; `open_partial` creates it.

    `counted(on_disk, received)` is called with every change, in bytes.
    """

    def __init__(
        self, path: Path, stream: BinaryIO, counted: Callable[[int, int], None], url: str
    ) -> None:
        self.path, self._stream, self._counted = path, stream, counted
        self.state = _read_state(_beside(path, "json"), url)
        self.size = os.fstat(stream.fileno()).st_size if self.state else 0
        self.spliced = self.size > 0
        """Whether the bytes come from more than one answer."""
        self.received = 0
        counted(self.size, 0)

    def request_headers(self, download: Download) -> dict[str, str]:
        """Headers that request the missing bytes, if the server or a hash can confirm the match."""
        if not self.size or self.state is None:
            return {}
        rest = {"Range": f"bytes={self.size}-"}
        if self.state.validator:
            return rest | {"If-Range": self.state.validator}
        return rest if download.sha256 else {}

    @property
    def whole(self) -> bool:
        """Whether all bytes of the stated length are present; False if none was stated."""
        return bool(self.size and self.state and self.state.length == self.size)

    def restart(self, state: PartialState | None = None) -> None:
        """Discard all bytes, and start the file that `state` describes."""
        # In this order, so that old bytes are never joined with a new state.
        self._stream.truncate(0)
        self._counted(-self.size, 0)
        self.state, self.size, self.spliced = state, 0, False
        if state is not None:
            _write_state(_beside(self.path, "json"), state)

    def append(self, chunk: bytes) -> None:
        """Append received bytes."""
        self._stream.write(chunk)
        self.size += len(chunk)
        self.received += len(chunk)
        self._counted(len(chunk), len(chunk))

    def flush(self) -> None:
        """Pass appended bytes to the kernel, where a killed process does not lose them."""
        self._stream.flush()

    def publish(self, target: Path) -> None:
        """Rename the finished file to `target`, on the same disk."""
        files.publish(self.path, target)
        _beside(self.path, "json").unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the bytes and their state."""
        self._counted(-self.size, 0)
        self.path.unlink(missing_ok=True)
        _beside(self.path, "json").unlink(missing_ok=True)


@contextmanager
def open_partial(
    download: Download, counted: Callable[[int, int], None], stopped: threading.Event
) -> Iterator[PartialFile]:
    """Lock and open the unfinished file; its bytes stay when the block ends.

    Raises Stopped where the run ends while another process holds the lock.
    """
    path = _path(download)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock(_beside(path, "lock"), stopped), open(path, "ab") as stream:
        yield PartialFile(path, stream, counted, download.url)


@contextmanager
def _lock(path: Path, stopped: threading.Event) -> Iterator[None]:
    """Hold a lock that the kernel releases when the process ends.

    The holder removes the lock file; filelock retries if the file it waits for was removed.
    """
    lock = filelock.FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(poll_interval=0.2, cancel_check=stopped.is_set)
    except filelock.Timeout as error:
        raise Stopped from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()


def remove_leftovers(download: Download) -> None:
    """Remove state and lock of a finished file, left by a kill during `publish`."""
    path = _path(download)
    if not path.exists():
        for suffix in ("json", "lock"):
            _beside(path, suffix).unlink(missing_ok=True)


def _path(download: Download) -> Path:
    return download.target.with_name(f".{download.target.name}.part")


def _beside(part: Path, suffix: str) -> Path:
    return part.with_name(f"{part.name}.{suffix}")


def _write_state(path: Path, state: PartialState) -> None:
    """Write atomically, without fsync: a lost state only costs the bytes received so far."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(json.dumps(dataclasses.asdict(state)))
    os.replace(temporary, path)


def _read_state(path: Path, url: str) -> PartialState | None:
    """Read a state; None if it is missing, malformed, or of another address."""
    try:
        state = PartialState(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return state if state.url == files.short_hash(url) else None
