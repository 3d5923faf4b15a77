"""What is in an archive: the members of tar (plain, gz, bz2, xz) and zip in one form.

Nothing here writes. Everything read goes through limits: no header makes this process read more
into memory, or unpack more, than they allow. Links, devices and names are told, not judged.
"""

from __future__ import annotations

import bz2
import calendar
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from occludenet_build.core.errors import ItemError


@dataclass(frozen=True)
class Limits:
    """What an archive may unpack to. Videos and pictures do not shrink: the honest are near 1."""

    total_bytes: int = 2 << 40
    ratio: int = 200
    """Bytes unpacked per byte of the archive, once they are more than `free_bytes`."""
    free_bytes: int = 1 << 26
    members: int = 2_000_000

    def most(self, archive_bytes: int) -> int:
        return min(self.total_bytes, max(self.free_bytes, self.ratio * archive_bytes))


@dataclass(frozen=True)
class Entry:
    """A member, before it is judged."""

    name: str
    kind: str
    """file, folder, link or special."""
    size: int
    modified: int
    """Seconds since 1970; 0 where the archive does not say."""
    open: Callable[[], IO[bytes]]
    tar: tarfile.TarInfo | None = None


@contextmanager
def opened(path: Path, limits: Limits) -> Iterator[Iterator[Entry]]:
    """The members of an archive, in its order.

    Raises ItemError: not_an_archive; archive_bomb; truncated, where a tar lacks its end mark;
    corrupt. A zip's are known before its first member comes, a tar's only when it is reached.
    """
    with open(path, "rb") as stream:
        begins = stream.read(6)
        stream.seek(0)
        read = _zip_entries if begins[:4] in _ZIP else _tar_entries
        yield _faulty(read(stream, limits, path.stat().st_size))


_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


@contextmanager
def faults(broken: str = "corrupt") -> Iterator[None]:
    """What the libraries raise on a broken archive, as an ItemError."""
    try:
        yield
    except EOFError as error:
        raise ItemError("truncated", str(error)) from error
    except (tarfile.ReadError, zipfile.BadZipFile) as error:
        ends = "unexpected end of data" in str(error)
        raise ItemError("truncated" if ends else broken, str(error)) from error
    except (tarfile.TarError, zlib.error, lzma.LZMAError, ValueError, OverflowError) as error:
        raise ItemError("corrupt", str(error)) from error
    except RuntimeError as error:  # encrypted, an unknown compression, headers without end
        raise ItemError("unreadable", str(error)) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise ItemError("corrupt", str(error)) from error


def _faulty(entries: Iterator[Entry]) -> Iterator[Entry]:
    with faults():
        yield from entries


def _zip_entries(stream: IO[bytes], limits: Limits, archive_bytes: int) -> Iterator[Entry]:
    with faults(broken="truncated"):  # its index stands at its end
        archive = zipfile.ZipFile(stream)
    members = archive.infolist()
    _refuse_bomb(len(members), sum(m.file_size for m in members), limits, archive_bytes)
    for member in members:
        yield Entry(
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


class _Bounded:
    """A stream that is never read further, nor in larger pieces, than honest archives need."""

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


def _tar_entries(packed: IO[bytes], limits: Limits, archive_bytes: int) -> Iterator[Entry]:
    # headers and padding come on top of what the members hold
    most = limits.most(archive_bytes) + max(archive_bytes, 1 << 20)
    stream: Any = _Bounded(_uncompressed(packed), most)
    with faults(broken="not_an_archive"):
        tar = tarfile.TarFile(fileobj=stream, encoding="utf-8", errors="surrogateescape")
    count = total = 0
    while (member := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined] # it would keep all of them
        count, total = count + 1, total + max(0, member.size)
        if member.size < 0 or tar.offset <= member.offset:  # type: ignore[attr-defined]
            raise ItemError("corrupt", "a member of negative length")
        _refuse_bomb(count, total, limits, archive_bytes)
        yield Entry(
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
    """tarfile ends without a word where a header is broken or the file stops between two members;
    an archive that is whole ends with blocks of zeros, and its compression with a checksum."""
    stream.seek(offset)
    mark = stream.read(tarfile.BLOCKSIZE)
    if len(mark) < tarfile.BLOCKSIZE:
        raise ItemError("truncated", f"no end mark at byte {offset}")
    if any(mark):
        raise ItemError("corrupt", f"no header at byte {offset}")
    while stream.read(1 << 20):
        pass


def _refuse_bomb(members: int, total: int, limits: Limits, archive_bytes: int) -> None:
    if members > limits.members:
        raise ItemError("archive_bomb", f"more than {limits.members} members")
    if total > limits.most(archive_bytes):
        raise ItemError("archive_bomb", f"{total} bytes in an archive of {archive_bytes}, or more")
