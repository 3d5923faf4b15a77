"""Nothing half-written is ever seen: a temporary name beside the target, fsync, rename.

The files that the rows of a manifest name: whether they are there, and which no row names.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build.core.errors import UserError


@contextmanager
def replacing(path: Path | str, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path in the target's folder; rename it onto the target on success.

    The suffix is kept, as muxers choose a format by it. The name is always the same, so that
    what a killed process left behind is overwritten by the next try; one target has one writer.
    Without `sync` a power failure may take the file: for whoever writes many and syncs them all.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}.part{target.suffix}")
    try:
        yield temporary
        publish(temporary, target, sync)
    finally:
        temporary.unlink(missing_ok=True)


def publish(temporary: Path, target: Path, sync: bool = True) -> None:
    """Give a finished file of the same folder its name; with `sync` it survives a power failure."""
    if sync:
        _sync(temporary)
    os.replace(temporary, target)
    if sync:
        _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path | str, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path | str, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path | str, value: object) -> None:
    write_text(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def csv_text(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """The text of a CSV file; None is an empty cell."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()


def write_bytes_if_changed(path: Path | str, content: bytes) -> bool:
    """Write unless the file already holds this: an untouched file reruns nothing that reads it."""
    target = Path(path)
    if target.exists() and target.read_bytes() == content:
        return False
    write_bytes(target, content)
    return True


def sha256_file(path: Path | str) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def stamp(path: Path | str) -> str:
    """Size and time of a file, or that it is missing: a cheap sign that it is another one."""
    try:
        status = Path(path).stat()
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"


def short_hash(*parts: str) -> str:
    """A 128-bit key over texts, each kept apart from its neighbours."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a folder alone. The kernel lets go when the process dies, so no stale lock is left.

    A second process waits: after a kill -9 of the workflow its jobs may still be running, and
    the new run takes over what they have finished.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        stream = open(folder / ".lock", "a")
    except OSError as error:
        raise UserError(f"cannot write in {folder}: {error.strerror}") from error
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def remove_stale(
    before: Iterable[dict[str, Any]], now: pa.Table, root: Path, columns: Iterable[str]
) -> None:
    """Delete files of an earlier run that no row names any more."""
    kept = {name for row in now.to_pylist() for name in files_of(row, columns)}
    stale = {name for row in before for name in files_of(row, columns)} - kept
    for name in sorted(stale):
        (root / name).unlink(missing_ok=True)
    if stale:
        logging.info("removed %d files that belong to no clip any more", len(stale))


def files_of(row: dict[str, Any], columns: Iterable[str]) -> list[str]:
    """The files that a manifest row names, in columns of one file or of a list."""
    names: list[str] = []
    for column in columns:
        value = row.get(column)
        names += value if isinstance(value, list) else [value] if value else []
    return names


def intact(root: Path, row: dict[str, Any], columns: Iterable[str]) -> bool:
    """Whether all files of a finished clip are still there."""
    return all((root / name).is_file() for name in files_of(row, columns))
