"""Unpack untrusted archives: tar (plain, gz, bz2, xz) and zip.

A member is refused, with a reason, and the others are unpacked, where it

    unsafe_path      has an absolute path or climbs out of the folder
    unsafe_name      has control characters or backslashes in its name, or a name that is too long
    unsafe_link      is a link of any kind, or its path follows a link out of the folder
    special_file     is a device, a pipe or a socket
    name_clash       has the name of an earlier one, ignoring case, or its folder is a file
    corrupt          does not match its checksum; zip only, a tar has none
    unreadable       is encrypted, or compressed by an unsupported method

The whole archive is refused, by an ItemError, where it is not_an_archive, truncated, corrupt, or an
archive_bomb: more members or bytes than `UnpackLimits` allow. A zip is checked before anything is
written, a tar when the limit is reached. `check_archive` makes the same checks without writing.
Files that were written before an error stay; each is complete, and none is outside the folder.

Names and times of files are kept; owners, permissions and empty folders are not. macOS's `._name`
files and `__MACOSX` folders are skipped.
"""

from __future__ import annotations

import bz2
import calendar
import gzip
import lzma
import os
import shutil
import stat
import sys
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from occludenet_build.core import files, names
from occludenet_build.core.errors import ItemError
from occludenet_build.sources.transfer.pieces import SourceError, open_archive

if sys.version_info >= (3, 11, 4):
    import tarfile
else:
    from backports import tarfile  # type: ignore[no-redef] # the first with data_filter


@dataclass(frozen=True)
class UnpackLimits:
    """Limits of what an archive may unpack to.

    Videos and images hardly compress, so the ratio of a regular archive is near 1.
    """

    total_bytes: int = 2 << 40
    ratio: int = 200
    """Largest ratio of unpacked bytes to bytes of the archive, above `free_bytes`."""
    free_bytes: int = 1 << 26
    members: int = 2_000_000

    def most(self, archive_bytes: int) -> int:
        """Number of bytes that an archive of `archive_bytes` bytes may unpack to."""
        return min(self.total_bytes, max(self.free_bytes, self.ratio * archive_bytes))


@dataclass(frozen=True)
class UnpackedMember:
    """The result for one member of an archive."""

    name: str
    """Name in the archive."""
    target: Path | None
    """Path of the unpacked file; None if failed."""
    status: str
    """ok or failed."""
    reason: str | None = None
    detail: str | None = None
    bytes: int = 0
    made: bool = False
    """Whether this run wrote it, rather than an earlier one."""


def unpack(
    archive: Path | Sequence[Path],
    folder: Path,
    path_for: Callable[[str], str | None] = lambda name: name,
    limits: UnpackLimits | None = None,
) -> Iterator[UnpackedMember]:
    """Unpack into `folder` and yield an UnpackedMember for each file, in the archive's order.

    `path_for(name)` maps the name of a member to a path below `folder` (both cleaned, with `/`), or
    to None for a member to skip, which is not yielded. Files are written under a temporary name and
    renamed; they get the time that the archive states. A file with the same size and time is not
    written again. `archive`: a file, or its pieces in order, which are read as one file.

    Raises ItemError where the whole archive is refused (see the docstring of the module).
    """
    taken: set[str] = set()
    with _opened(archive, limits or UnpackLimits()) as entries:
        for entry in entries:
            try:
                target = _target(entry, folder, path_for, taken)
                if target is None:
                    continue
                made = _write(entry, target)
                yield UnpackedMember(entry.name, target, "ok", bytes=entry.size, made=made)
            except ItemError as error:
                if isinstance(error, SourceError) or error.reason in ("archive_bomb", "truncated"):
                    raise
                yield UnpackedMember(entry.name, None, "failed", error.reason, error.detail or None)


def check_archive(archive: Path | Sequence[Path], limits: UnpackLimits | None = None) -> int:
    """Read an archive to its end without writing, and return the number of its files.

    Raises ItemError: not_an_archive, truncated, corrupt, unreadable, archive_bomb, and what the
    disk says: missing, no_permission, unreachable.
    """
    count = 0
    with _opened(archive, limits or UnpackLimits()) as entries:
        for entry in entries:
            if entry.kind == "file":
                count += 1
                if entry.tar is None:
                    _read_through(entry)
    return count


def _read_through(entry: _Entry) -> None:
    with _faults(), entry.open() as stream:
        while stream.read(1 << 20):
            pass


def _target(
    entry: _Entry, folder: Path, path_for: Callable[[str], str | None], taken: set[str]
) -> Path | None:
    """Path of a member; None for members to skip. Raises ItemError for refused members."""
    if entry.kind == "folder":
        return None
    name = names.safe_name(entry.name)
    if _is_macos(name):
        return None
    if entry.kind == "link":
        raise ItemError("unsafe_link", "links are not unpacked")
    if entry.kind == "special":
        raise ItemError("special_file", "only files are unpacked")
    wanted = path_for(name)
    if wanted is None:
        return None
    target = names.safe_path(folder, wanted)
    _check_tar_filter(entry, folder)
    key = unicodedata.normalize("NFC", target.relative_to(folder).as_posix()).casefold()
    if key in taken:
        raise ItemError("name_clash", f"{wanted[:120]!a} occurs twice")
    taken.add(key)
    return target


def _is_macos(name: str) -> bool:
    parts = name.split("/")
    return parts[-1].startswith("._") or "__MACOSX" in parts


def _check_tar_filter(entry: _Entry, folder: Path) -> None:
    """Apply the data filter of the standard library to a member of a tar."""
    if entry.tar is None:
        return
    try:
        tarfile.data_filter(entry.tar, str(folder))
    except tarfile.FilterError as error:
        raise ItemError("unsafe_path", str(error)) from error
    except NotADirectoryError as error:  # Python 3.13 and newer
        raise ItemError("name_clash", "a member lies below another that is a file") from error


def _write(entry: _Entry, target: Path) -> bool:
    """Write a member; return False if an earlier run wrote it."""
    if _unpacked_before(entry, target):
        return False
    try:
        with files.replacing(target, sync=False) as temporary:
            with _faults(), entry.open() as source, open(temporary, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            os.utime(temporary, (entry.modified, entry.modified))
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise ItemError("name_clash", "a folder and a file have the same name") from error
    return True


def _unpacked_before(entry: _Entry, target: Path) -> bool:
    if target.is_symlink() or not target.is_file():
        return False
    found = target.stat()
    return (found.st_size, int(found.st_mtime)) == (entry.size, entry.modified)


# Members of tar and zip in one form. Nothing below writes or checks names.


@dataclass(frozen=True)
class _Entry:
    """A member of an archive, before its checks."""

    name: str
    kind: str
    """file, folder, link or special."""
    size: int
    modified: int
    """Seconds since 1970; 0 if the archive does not state it."""
    open: Callable[[], IO[bytes]]
    tar: tarfile.TarInfo | None = None


@contextmanager
def _opened(archive: Path | Sequence[Path], limits: UnpackLimits) -> Iterator[Iterator[_Entry]]:
    """Open an archive and iterate over its members, in its order.

    Raises ItemError: not_an_archive; archive_bomb; truncated, where a tar lacks its end mark;
    corrupt; and SourceError, where the disk does not give it. A zip raises it before the first
    member, a tar at the position of the fault.
    """
    with open_archive(archive) as stream:
        read = _zip_entries if is_zip(stream) else _tar_entries
        yield _with_faults(read(stream, limits, stream.seek(0, 2) - stream.seek(0)))


def is_zip(stream: IO[bytes]) -> bool:
    """Whether a file is a zip, by its first bytes; the position is 0 afterwards."""
    stream.seek(0)
    begins = stream.read(4)
    stream.seek(0)
    return begins in _ZIP


_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


@contextmanager
def _faults(broken: str = "corrupt") -> Iterator[None]:
    """Convert exceptions of the libraries on a broken archive to ItemError."""
    try:
        yield
    except EOFError as error:
        raise ItemError("truncated", str(error)) from error
    except (tarfile.ReadError, zipfile.BadZipFile) as error:
        ends = "unexpected end of data" in str(error)
        raise ItemError("truncated" if ends else broken, str(error)) from error
    except (tarfile.TarError, zlib.error, lzma.LZMAError, ValueError, OverflowError) as error:
        raise ItemError("corrupt", str(error)) from error
    except RuntimeError as error:  # encrypted, unknown compression, too many headers
        raise ItemError("unreadable", str(error)) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise ItemError("corrupt", str(error)) from error


def _with_faults(entries: Iterator[_Entry]) -> Iterator[_Entry]:
    with _faults():
        yield from entries


def _zip_entries(stream: IO[bytes], limits: UnpackLimits, archive_bytes: int) -> Iterator[_Entry]:
    with _faults(broken="truncated"):  # the index of a zip is at its end
        archive = zipfile.ZipFile(stream)
    members = archive.infolist()
    _refuse_bomb(len(members), sum(m.file_size for m in members), limits, archive_bytes)
    for member in members:
        yield _Entry(
            member.filename,
            _zip_kind(member),
            member.file_size,
            _zip_time(member),
            partial(archive.open, member),
        )


def _zip_kind(member: zipfile.ZipInfo) -> str:
    mode = member.external_attr >> 16
    if member.is_dir():
        return "folder"
    if stat.S_ISLNK(mode):
        return "link"
    return "file" if stat.S_IFMT(mode) in (0, stat.S_IFREG) else "special"


def _zip_time(member: zipfile.ZipInfo) -> int:
    try:
        return max(0, calendar.timegm((*member.date_time, 0, 0, 0)))
    except ValueError:
        return 0


def _uncompressed(stream: IO[bytes]) -> Any:
    begins = stream.read(6)
    stream.seek(0)
    if begins.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=stream)
    if begins.startswith(b"BZh"):
        return bz2.BZ2File(stream)
    if begins.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMAFile(stream)
    return stream


class _BoundedStream:
    """A stream with a limit on its position and on the size of a read, against archive bombs."""

    LARGEST_READ = 1 << 24

    def __init__(self, stream: Any, most: int) -> None:
        self._stream, self._most = stream, most

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= self.LARGEST_READ:
            raise ItemError("archive_bomb", f"a header of {size} bytes")
        data = self._stream.read(size)
        self._check(self._stream.tell())
        return data

    def seek(self, position: int, whence: int = 0) -> int:
        self._check(position)
        return self._stream.seek(position, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def _check(self, position: int) -> None:
        if position > self._most:
            raise ItemError("archive_bomb", f"unpacks to more than {self._most} bytes")


def _tar_entries(packed: IO[bytes], limits: UnpackLimits, archive_bytes: int) -> Iterator[_Entry]:
    # headers and padding add to the bytes of the members
    most = limits.most(archive_bytes) + max(archive_bytes, 1 << 20)
    stream: Any = _BoundedStream(_uncompressed(packed), most)
    with _faults(broken="not_an_archive"):
        tar = tarfile.TarFile(fileobj=stream, encoding="utf-8", errors="surrogateescape")
    count = total = 0
    while (member := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined] # tarfile keeps all members in memory
        count, total = count + 1, total + max(0, member.size)
        if member.size < 0 or tar.offset <= member.offset:  # type: ignore[attr-defined]
            raise ItemError("corrupt", "a member of negative length")
        _refuse_bomb(count, total, limits, archive_bytes)
        yield _Entry(
            member.name,
            _tar_kind(member),
            member.size,
            min(max(0, int(member.mtime)), 1 << 33),
            partial(_tar_open, tar, member),
            tar=member,
        )
    _refuse_open_end(stream, tar.offset)  # type: ignore[attr-defined]


def _tar_open(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    stream = tar.extractfile(member)
    assert stream is not None, "only files are opened"
    return stream


def _tar_kind(member: tarfile.TarInfo) -> str:
    if member.isdir():
        return "folder"
    if member.issym() or member.islnk():
        return "link"
    return "file" if member.isreg() else "special"


def _refuse_open_end(stream: Any, offset: int) -> None:
    """Raise ItemError where a tar does not end with blocks of zeros.

    tarfile stops silently at a broken header, and where the file ends between two members. Reading
    to the end also verifies the checksum of the compression.
    """
    stream.seek(offset)
    mark = stream.read(tarfile.BLOCKSIZE)
    if len(mark) < tarfile.BLOCKSIZE:
        raise ItemError("truncated", f"no end mark at byte {offset}")
    if any(mark):
        raise ItemError("corrupt", f"no header at byte {offset}")
    while stream.read(1 << 20):
        pass


def _refuse_bomb(members: int, total: int, limits: UnpackLimits, archive_bytes: int) -> None:
    if members > limits.members:
        raise ItemError("archive_bomb", f"more than {limits.members} members")
    if total > limits.most(archive_bytes):
        raise ItemError("archive_bomb", f"{total} bytes in an archive of {archive_bytes}, or more")
