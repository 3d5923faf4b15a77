"""Unpacking archives that nobody vouches for: tar (plain, gz, bz2, xz) and zip.

A member is refused, with a reason, and the others are unpacked, where it

    unsafe_path      has an absolute path or climbs out of the folder
    unsafe_name      has control characters or backslashes in its name, or a name that is too long
    unsafe_link      is a link of any kind, or a link in the folder would lead it out
    special_file     is a device, a pipe or a socket
    name_clash       has the name of an earlier one, but for case, or its folder is a file
    corrupt          does not unpack to its checksum; zip only, a tar has none
    unreadable       is encrypted, or compressed in a way that is not known here

The archive as a whole is refused, by an ItemError, where it is not_an_archive, truncated, corrupt,
or an archive_bomb: more members or bytes than `Limits` allow. A zip's bomb is known before anything
is written; a tar's when its limit is reached. `inspect` finds all of that without writing. What was
written before stays: each file is whole, and none is outside the folder.

Owners, rights and folders without files are not taken over; names of files are, and their times.
macOS's `._name` files and `__MACOSX` folders are passed over without a word.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from occludenet_build.core import files, names
from occludenet_build.core.errors import ItemError
from occludenet_build.transfer.entries import Entry, Limits, faults, opened


@dataclass(frozen=True)
class Member:
    """What became of a member that is a file, or should be one."""

    name: str
    """As the archive has it."""
    target: Path | None
    """Where it stands; null if failed."""
    status: str
    """ok or failed."""
    reason: str | None = None
    detail: str | None = None
    bytes: int = 0
    made: bool = False
    """Whether this run wrote it; an earlier one did if not."""


def unpack(
    archive: Path,
    folder: Path,
    place: Callable[[str], str | None] = lambda name: name,
    limits: Limits | None = None,
) -> Iterator[Member]:
    """Unpack into `folder`: a Member for each file, in the archive's order.

    `place(name)` gives the name below `folder` for a member's name (both cleaned, with `/`), or
    None for what is not wanted; what it does not want is not yielded. Files are written under a
    temporary name and renamed, with the time that the archive has for them. A file of the same
    size and time counts as unpacked before, so that a second run writes what is missing only.
    """
    taken: set[str] = set()
    with opened(archive, limits or Limits()) as entries:
        for entry in entries:
            try:
                target = _target(entry, folder, place, taken)
                if target is None:
                    continue
                made = _write(entry, target)
                yield Member(entry.name, target, "ok", bytes=entry.size, made=made)
            except ItemError as error:
                if error.reason in ("archive_bomb", "truncated"):
                    raise
                yield Member(entry.name, None, "failed", error.reason, error.detail or None)


def inspect(archive: Path, limits: Limits | None = None) -> int:
    """Read an archive to its end without writing; the number of its files.

    Raises ItemError: not_an_archive, truncated, corrupt, unreadable, archive_bomb.
    """
    count = 0
    with opened(archive, limits or Limits()) as entries:
        for entry in entries:
            if entry.kind == "file":
                count += 1
                if entry.tar is None:
                    _read_through(entry)
    return count


def _read_through(entry: Entry) -> None:
    with faults(), entry.open() as stream:
        while stream.read(1 << 20):
            pass


def _target(
    entry: Entry, folder: Path, place: Callable[[str], str | None], taken: set[str]
) -> Path | None:
    """Where a member goes; None for what is passed over. Raises ItemError for what is refused."""
    if entry.kind == "folder":
        return None
    name = names.clean(entry.name)
    if _is_macos(name):
        return None
    if entry.kind == "link":
        raise ItemError("unsafe_link", "links are not unpacked")
    if entry.kind == "special":
        raise ItemError("special_file", "only files are unpacked")
    wanted = place(name)
    if wanted is None:
        return None
    target = names.inside(folder, wanted)
    _second_opinion(entry, folder)
    key = unicodedata.normalize("NFC", target.relative_to(folder).as_posix()).casefold()
    if key in taken:
        raise ItemError("name_clash", f"{wanted[:120]!a} was there before")
    taken.add(key)
    return target


def _is_macos(name: str) -> bool:
    parts = name.split("/")
    return parts[-1].startswith("._") or "__MACOSX" in parts


def _second_opinion(entry: Entry, folder: Path) -> None:
    """The standard library's own filter for tar files that hold data."""
    if entry.tar is None:
        return
    try:
        tarfile.data_filter(entry.tar, str(folder))
    except tarfile.FilterError as error:
        raise ItemError("unsafe_path", str(error)) from error


def _write(entry: Entry, target: Path) -> bool:
    """Whether it had to be written."""
    if _unpacked_before(entry, target):
        return False
    try:
        with files.replacing(target, sync=False) as temporary:
            with faults(), entry.open() as source, open(temporary, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            os.utime(temporary, (entry.modified, entry.modified))
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise ItemError("name_clash", "a folder and a file of one name") from error
    return True


def _unpacked_before(entry: Entry, target: Path) -> bool:
    if target.is_symlink() or not target.is_file():
        return False
    found = target.stat()
    return (found.st_size, int(found.st_mtime)) == (entry.size, entry.modified)
