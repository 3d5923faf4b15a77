"""The unfinished file of a download, from which a later run resumes after a kill -9.

    .<name>.part        the bytes that have come
    .<name>.part.json   whose they are: a hash of the address, the server's validators, the length
    .<name>.part.lock   held while a thread or process works on them; the kernel releases it

All are gone when the file is whole. The bytes count only together with their state: a part without
one is begun anew.
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
    """The run ends: leave everything as it is."""


@dataclass(frozen=True)
class PartialState:
    """What the server said of the file when its first byte came."""

    url: str
    etag: str | None
    last_modified: str | None
    length: int | None

    @classmethod
    def of(cls, url: str, headers: Mapping[str, str], length: int | None) -> PartialState:
        """From the headers of an answer; `length`: bytes of the whole file, if stated."""
        return cls(files.short_hash(url), headers.get("ETag"), headers.get("Last-Modified"), length)

    @property
    def validator(self) -> str | None:
        """What If-Range takes: a strong ETag, else the date."""
        strong = self.etag and not self.etag.startswith("W/")
        return self.etag if strong else self.last_modified

    def agrees(self, other: PartialState) -> bool:
        """Whether nothing that both know differs."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return all(None in pair or pair[0] == pair[1] for pair in pairs)


class PartialFile:
    """Use `held`. `counted(on_disk, received)` is called with every change, in bytes."""

    def __init__(
        self, path: Path, stream: BinaryIO, counted: Callable[[int, int], None], url: str
    ) -> None:
        self.path, self._stream, self._counted = path, stream, counted
        self.state = _read_state(_beside(path, "json"), url)
        self.size = os.fstat(stream.fileno()).st_size if self.state else 0
        self.spliced = self.size > 0
        """Whether it comes from more than one answer."""
        self.received = 0
        counted(self.size, 0)

    def request_headers(self, download: Download) -> dict[str, str]:
        """Ask for the rest only, where it can be known that it is the rest of this."""
        if not self.size or self.state is None:
            return {}
        rest = {"Range": f"bytes={self.size}-"}
        if self.state.validator:
            return rest | {"If-Range": self.state.validator}
        return rest if download.sha256 else {}

    @property
    def whole(self) -> bool:
        """All of the stated length is here; false where none was stated."""
        return bool(self.size and self.state and self.state.length == self.size)

    def restart(self, state: PartialState | None = None) -> None:
        """Throw away what is here, and begin what `state` describes."""
        # in this order: what the old state describes is never joined to the new file
        self._stream.truncate(0)
        self._counted(-self.size, 0)
        self.state, self.size, self.spliced = state, 0, False
        if state is not None:
            _write_state(_beside(self.path, "json"), state)

    def append(self, chunk: bytes) -> None:
        """Add what the network brought."""
        self._stream.write(chunk)
        self.size += len(chunk)
        self.received += len(chunk)
        self._counted(len(chunk), len(chunk))

    def flush(self) -> None:
        """Hand what was appended to the kernel, where a kill does not lose it."""
        self._stream.flush()

    def publish(self, target: Path) -> None:
        """Give the finished file its name, on the same disk."""
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
    """The unfinished file, held alone; what is in it stays there when the block ends.

    Raises Stopped where the run ends while another process has it.
    """
    path = _path(download)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock(_beside(path, "lock"), stopped), open(path, "ab") as stream:
        yield PartialFile(path, stream, counted, download.url)


@contextmanager
def _lock(path: Path, stopped: threading.Event) -> Iterator[None]:
    """Without a fall-back to locks that outlive a kill. Whoever waits for a lock file that is gone
    by now, filelock begins anew: its holder may remove it."""
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
    """Remove what a kill between the last two steps has left of a finished file."""
    path = _path(download)
    if not path.exists():
        for suffix in ("json", "lock"):
            _beside(path, suffix).unlink(missing_ok=True)


def _path(download: Download) -> Path:
    return download.target.with_name(f".{download.target.name}.part")


def _beside(part: Path, suffix: str) -> Path:
    return part.with_name(f"{part.name}.{suffix}")


def _write_state(path: Path, state: PartialState) -> None:
    """In one step but without fsync: a torn state only costs what has come so far."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(json.dumps(dataclasses.asdict(state)))
    os.replace(temporary, path)


def _read_state(path: Path, url: str) -> PartialState | None:
    """None too where it is that of another address, or does not read."""
    try:
        state = PartialState(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return state if state.url == files.short_hash(url) else None
