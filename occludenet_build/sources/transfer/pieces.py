"""Archives that are stored in pieces: their names, and reading them as one file.

Programs that split a file append a suffix to its name, in the order of the bytes:

    split                kinetics.tar.gz.aa, .ab ...     kinetics.tar.gz.partaa, .part-aa, .part_aa
    split -d             kinetics.tar.gz.00, .01 ...     kinetics.tar.gz.part00, .part-0
    7-Zip and others     kinetics.tar.gz.001, .002 ...

Pieces are read one after the other, in place: no joined file is written.
"""

from __future__ import annotations

import bisect
import io
import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from occludenet_build.core.errors import ItemError, as_item_error
from occludenet_build.core.settings import is_url

_PIECE = re.compile(
    r"(?P<base>.+?)(?P<mark>[._-]part[._-]?|\.)(?P<number>\d{1,5}|[a-z]{2,6})", re.IGNORECASE
)
_ARCHIVE = re.compile(r".+\.(tar|tgz|tbz2?|txz|zip)(\.(gz|bz2|xz))?", re.IGNORECASE)
_SPLIT_NUMBER = re.compile(r"\d{2,3}|9\d{3}|[a-z]{2}|a[a-d][a-z]|z[a-z]{3}", re.IGNORECASE)
"""Numbers that mark a piece by themselves, after the name of an archive; 000 to 999 else. Not .asc,
.sig and the like."""


@dataclass(frozen=True)
class PieceName:
    """The name of a piece, in its parts."""

    base: str
    """Name of the whole archive."""
    mark: str
    """Text between the base and the number."""
    number: str
    """Digits, or lower-case letters."""

    @property
    def order(self) -> tuple[int, str]:
        """Sort key among the pieces of an archive."""
        return (int(self.number), "") if self.number.isdigit() else (0, self.number)

    def followed_by(self, other: PieceName) -> bool:
        """Whether `other` is the next piece."""
        return other.number in _next_numbers(self.number)

    @property
    def is_first(self) -> bool:
        """Whether no piece is before it."""
        return set(self.number) == {"a"} or (self.number.isdigit() and int(self.number) <= 1)

    def name_of(self, number: str) -> str:
        """Name of the piece with another number."""
        return f"{self.base}{self.mark}{number}"


def parse_piece(name: str, among: Collection[str] = ()) -> PieceName | None:
    """Parse the file name of a piece; None for the name of a whole archive.

    `among`: names beside it. A piece may look like a whole archive: `k.tar.gz` after `k.tar.gy`.

    >>> parse_piece("k400.tar.gz.partab")
    PieceName(base='k400.tar.gz', mark='.part', number='ab')
    >>> parse_piece("part_0.tar.gz"), parse_piece("k400.tar.gz"), parse_piece("k400.tar.xz")
    (None, None, None)
    """
    found = _PIECE.fullmatch(name)
    if found is None:
        return None
    base, mark, number = found["base"], found["mark"], found["number"].lower()
    if _ARCHIVE.fullmatch(name) and f"{base}{mark}{number[:-1]}y" not in among:  # .gz, .xz
        return None
    if mark == ".":
        of_archive = _ARCHIVE.fullmatch(base) and _SPLIT_NUMBER.fullmatch(number)
        if not of_archive and not re.fullmatch(r"\d{3}", number):
            return None
    elif number.isalpha() and not 2 <= len(number) <= 4:
        return None
    return PieceName(base, mark, number)


def is_archive_name(name: str) -> bool:
    """Whether a file has the suffix of an archive: tar, also compressed, or zip."""
    return _ARCHIVE.fullmatch(name) is not None


def _next_numbers(number: str) -> set[str]:
    """What may follow a number: GNU split continues `yz` as `zaaa`, and `89` as `9000`.

    >>> sorted(_next_numbers("az")), sorted(_next_numbers("yz")), sorted(_next_numbers("09"))
    (['ba'], ['za', 'zaaa'], ['10'])
    """
    if number.isdigit():
        found = {str(int(number) + 1).zfill(len(number))}
        return found | {"9" + "0" * (len(number) + 1)} if _ends(number, "8", "9") else found
    value = 0
    for letter in number:
        value = 26 * value + ord(letter) - ord("a")
    letters, value = "", value + 1
    for _ in number:
        value, rest = divmod(value, 26)
        letters = chr(ord("a") + rest) + letters
    found = {letters} if not value else set()
    return found | {"z" + "a" * (len(number) + 1)} if _ends(number, "y", "z") else found


def _ends(number: str, before: str, last: str) -> bool:
    return number[0] == before and set(number[1:]) == {last}


def missing_piece(names: Sequence[str]) -> str | None:
    """The name of the first piece that is not there; None if there is no gap.

    `names`: file names of one archive's pieces, in their order. That the last ones are missing,
    names cannot tell: the archive then is truncated.
    """
    pieces = [parse_piece(name, names) for name in names]
    known = [piece for piece in pieces if piece is not None]
    if not known[0].is_first:
        number = known[0].number
        first = "a" * len(number) if number.isalpha() else "0" * len(number)
        if number.isdigit() and len(number) == 3:  # 7-Zip counts from 1
            first = "001"
        return known[0].name_of(first)
    for one, other in itertools.pairwise(known):
        if not one.followed_by(other):
            return one.name_of(min(_next_numbers(one.number), key=len))
    return None


def group_pieces(paths: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (name of the archive, its pieces in order) for paths or addresses in their order.

    A whole archive has no pieces. The name of an archive in pieces is that of a piece without its
    number. An address may have a query, which is not a part of the name.
    """
    groups: dict[str, list[tuple[tuple[int, str], str]]] = {}
    names = {_plain(path).rpartition("/")[2] for path in paths}
    for path in paths:
        whole, piece = _split(path, names)
        known = groups.setdefault(whole, [])
        if piece is not None:
            known.append((piece.order, path))
    for whole, members in groups.items():
        yield whole, tuple(path for _, path in sorted(members))


def _split(path: str, among: Collection[str]) -> tuple[str, PieceName | None]:
    """(path of the whole archive, the piece); a path of no piece is its own archive."""
    folder, slash, name = _plain(path).rpartition("/")
    piece = parse_piece(name, among)
    return (path, None) if piece is None else (f"{folder}{slash}{piece.base}", piece)


def _plain(path: str) -> str:
    return path.partition("?")[0] if is_url(path) else path


def siblings(path: Path) -> list[str]:
    """All pieces in the folder of a piece that belong to its archive, as paths; `path` else."""
    own = parse_piece(path.name)
    if own is None:
        return [str(path)]
    try:
        names = sorted(other.name for other in path.parent.iterdir())
    except OSError:
        return [str(path)]
    same = [name for name in names if _belongs(own, parse_piece(name, names))]
    return [str(path.parent / name) for name in same] or [str(path)]


def _belongs(own: PieceName, other: PieceName | None) -> bool:
    return (
        other is not None
        and (own.base, own.mark) == (other.base, other.mark)
        and own.number.isdigit() == other.number.isdigit()
    )


class SourceError(ItemError):
    """The disk does not have a file, or not now: this may pass, and concerns the file alone."""


class JoinedFile(io.RawIOBase):
    """Files read as one: seekable, not writable. An archive of one file is the simplest case.

    An error of the disk is SourceError (missing, no_permission, unreachable ...): unlike an error
    of the folder that is unpacked into, it concerns this archive alone.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self._paths = list(paths)
        self._starts = [0]
        self._at = 0
        self._open: tuple[int, IO[bytes]] | None = None
        for path in self._paths:
            with _disk_errors(path):
                self._starts.append(self._starts[-1] + path.stat().st_size)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return self._starts[-1]

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Position, bytes."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position, as in `io.IOBase.seek`."""
        self._at = max(0, offset + {0: 0, 1: self._at, 2: self.size}[whence])
        return self._at

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def, override]
        """Read up to the end of one file into `buffer`; 0 at the end of the last."""
        if self._at >= self.size:
            return 0
        number = bisect.bisect_right(self._starts, self._at) - 1
        with _disk_errors(self._paths[number]):
            stream = self._stream(number)
            stream.seek(self._at - self._starts[number])
            count = stream.readinto(memoryview(buffer)[: self._starts[number + 1] - self._at])  # type: ignore[attr-defined]
        if not count:
            raise SourceError("truncated", f"{self._paths[number]} has become shorter")
        self._at += count
        return count

    def _stream(self, number: int) -> IO[bytes]:
        if self._open is None or self._open[0] != number:
            self._close()
            self._open = number, open(self._paths[number], "rb", buffering=0)
        return self._open[1]

    def _close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def close(self) -> None:
        """Close the open file."""
        self._close()
        super().close()


def open_archive(archive: Path | Sequence[Path]) -> BinaryIO:
    """Open an archive, or its pieces as one file. Its reads raise ItemError as `JoinedFile`."""
    paths = [archive] if isinstance(archive, Path) else archive
    return io.BufferedReader(JoinedFile(paths), 1 << 17)  # type: ignore[return-value]


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Convert OSError of a source file to SourceError, which names the file."""
    try:
        yield
    except OSError as error:
        raise SourceError(
            as_item_error(error).reason, f"{path}: {error.strerror or error}"
        ) from error
