"""Atomic writes, hashes, folder locks, and the files that the rows of a manifest name.

A file is written under a temporary name in the folder of its target, flushed to disk and renamed,
so that no reader ever sees an incomplete file.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import json
import logging
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from occludenet_build.core.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa


@contextmanager
def replacing(path: Path | str, sync: bool = True, leave: bool = False) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename it to `path` if the block succeeds.

    A target must have only one writer. Without `sync` the file may be lost in a power failure; use
    this to write many files and flush them together. With `leave` the complete file keeps its
    temporary name, for `publish_all`.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(target)
    try:
        yield temporary
        if not leave:
            publish(temporary, target, sync)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def temporary_name(target: Path) -> Path:
    """The name under which a file is written, in the folder of its target.

    The suffix is kept because muxers derive the format from it. The temporary name of a target is
    constant: the next attempt overwrites what a killed process left.
    """
    return target.with_name(f".{target.stem}.part{target.suffix}")


def publish(temporary: Path, target: Path, sync: bool = True) -> None:
    """Rename a complete file to `target` in the same folder.

    With `sync`, the file and the folder are flushed to disk.
    """
    if sync:
        _sync(temporary)
    os.replace(temporary, target)
    if sync:
        _sync(target.parent)


_SYNCING_THREADS = 8
"""Files that are flushed at a time: the disk, or the server, does several at the price of one."""


def publish_all(targets: Collection[Path]) -> None:
    """Rename complete files, which have their temporary names, to `targets`.

    As `publish`, for many files: all files are flushed first, and each folder once at the end. If
    that fails, the files that are not renamed are removed.
    """
    waiting = {target: temporary_name(target) for target in targets}
    try:
        with ThreadPoolExecutor(_SYNCING_THREADS) as threads:
            list(threads.map(_sync, waiting.values()))
            for target, temporary in waiting.items():
                publish(temporary, target, sync=False)
            list(threads.map(_sync, {target.parent for target in targets}))
    except BaseException:
        remove_temporary(waiting)
        raise


def remove_temporary(targets: Iterable[Path]) -> None:
    """Remove the files that have the temporary names of `targets`, as far as there are any."""
    for target in targets:
        temporary_name(target).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder`; it takes its place if the block succeeds."""
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write a file atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path | str, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path | str, value: object) -> None:
    """Write a JSON file atomically, with sorted keys."""
    write_text(path, json_text(value))


def json_text(value: object) -> str:
    """JSON for people and programs: a member per line, with sorted keys."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def csv_text(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Format rows as CSV; None becomes an empty cell."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()


def write_bytes_if_changed(path: Path | str, content: bytes) -> bool:
    """Write a file atomically unless it already has this content; return whether it was written.

    An untouched file does not rerun the stages that read it.
    """
    target = Path(path)
    if target.exists() and target.read_bytes() == content:
        return False
    write_bytes(target, content)
    return True


def sha256_file(path: Path | str) -> str:
    """SHA-256 of a file, 64 hex digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def size_and_mtime(path: Path | str) -> str:
    """Size in bytes and modification time in ns of a file, or `missing`: detects most changes."""
    try:
        status = Path(path).stat()
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"


def short_hash(*parts: str) -> str:
    """Hash of a sequence of texts: BLAKE2b with 128 bits, 32 hex digits.

    The lengths are hashed too: ("ab", "c") and ("a", "bc") give different hashes.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        # names of files that are not UTF-8 contain surrogates
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Lock a folder against other processes until the block ends; wait for a lock held elsewhere.

    The kernel releases the lock when the process dies, so a stale lock cannot remain. Waiting
    matters after a kill -9 of the workflow: its jobs may still be running, and the new run reuses
    what they finish. Raises UserError if the folder is not writable.
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
    """Delete files below `root` that the rows `before` name and the table `now` does not.

    `columns`: the columns that hold file names.
    """
    kept = {name for row in now.to_pylist() for name in listed_files(row, columns)}
    stale = {name for row in before for name in listed_files(row, columns)} - kept
    for name in sorted(stale):
        (root / name).unlink(missing_ok=True)
    if stale:
        logging.info("removed %d files of clips that no longer exist", len(stale))


def listed_files(row: dict[str, Any], columns: Iterable[str]) -> list[str]:
    """File names in a manifest row; each column holds one name, a list of names, or null."""
    names: list[str] = []
    for column in columns:
        value = row.get(column)
        names += value if isinstance(value, list) else [value] if value else []
    return names


def files_exist(root: Path, row: dict[str, Any], columns: Iterable[str]) -> bool:
    """Whether all files that a manifest row names still exist below `root`."""
    return all((root / name).is_file() for name in listed_files(row, columns))
