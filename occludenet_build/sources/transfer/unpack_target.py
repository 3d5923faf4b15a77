"""Where archives and what is unpacked of them go, the unpacking of one, and its record.

The record, `<archive>.json`, names every file in the archive, those that were not wanted too: when
more is wanted later, it tells which archives hold it, and no other is fetched again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from occludenet_build.core import files, names
from occludenet_build.core.errors import DISK_FULL, ItemError, UserError
from occludenet_build.sources.transfer.archives import UnpackedMember, UnpackLimits, unpack

NOT_WHOLE = ("truncated", "corrupt", "not_an_archive")
"""Reasons for which an archive may be another one when it is fetched anew."""


@dataclass(frozen=True)
class ArchivedFile:
    """A file in an archive."""

    name: str
    """As the archive has it, cleaned; a name that is refused is escaped."""
    target: str | None
    """Its path below the folder of the content; null if it does not stand there."""
    status: str
    """ok; left: not wanted, or, with the reason duplicate, another archive has delivered it;
    failed."""
    reason: str | None = None
    """From core.errors.REASONS."""
    detail: str | None = None
    bytes: int | None = None
    """Size; null if it is not unpacked."""


@dataclass(frozen=True)
class Delivery:
    """An archive and what came out of it."""

    address: str
    """Without password and query; or the path of the user's own file."""
    status: str
    """ok, or failed: it could not be had, or is not whole; what it holds until there is here."""
    reason: str | None = None
    """From core.errors.REASONS; null if ok."""
    detail: str | None = None
    bytes: int = 0
    """Of the archive."""
    sha256: str | None = None
    """Of what was fetched; null for the user's own file."""
    stamp: str | None = None
    """Size and time of the user's own file; null for what was fetched."""
    pieces: tuple[ArchivedFile, ...] = ()
    """In the archive's order."""

    @property
    def delivered(self) -> list[str]:
        """Paths of its files below the folder of the content."""
        return [piece.target for piece in self.pieces if piece.status == "ok" and piece.target]

    def with_current_targets(
        self, content: Path, path_for: Callable[[str], str | None]
    ) -> Delivery:
        """With the places that its files have now; what is not wanted any more is left."""
        now = tuple(_with_current_target(piece, content, path_for) for piece in self.pieces)
        return dataclasses.replace(self, pieces=now)

    def is_complete(self, content: Path) -> bool:
        """Whether all its targets are on disk; call it on the result of `with_current_targets`."""
        return all(_is_on_disk(piece, content) for piece in self.pieces)

    def as_failed(
        self, reason: str, detail: str | None, pieces: Iterable[ArchivedFile] | None = None
    ) -> Delivery:
        """The same, but not whole; with `pieces` instead of its own."""
        own = self.pieces if pieces is None else tuple(pieces)
        return dataclasses.replace(self, status="failed", reason=reason, detail=detail, pieces=own)

    def merged_with(self, before: Delivery | None) -> Delivery:
        """With what an earlier record names and this one does not: a fetch that failed takes
        nothing away of what is here."""
        names = {piece.name for piece in self.pieces}
        old = (piece for piece in (before.pieces if before else ()) if piece.name not in names)
        return dataclasses.replace(self, pieces=(*self.pieces, *old))

    def without_missing(self, content: Path) -> Delivery:
        """Without the files that are not there."""
        pieces = (p if _is_on_disk(p, content) else _as_missing(p) for p in self.pieces)
        return dataclasses.replace(self, pieces=tuple(pieces))


def _with_current_target(
    piece: ArchivedFile, content: Path, path_for: Callable[[str], str | None]
) -> ArchivedFile:
    if piece.status == "failed":
        return piece
    target = path_for(piece.name)
    if target is None:
        return ArchivedFile(piece.name, None, "left")
    if piece.reason == "duplicate":
        return dataclasses.replace(piece, target=target)
    size = piece.bytes
    if size is None and (content / target).is_file():  # it came for another selection
        size = (content / target).stat().st_size
    return ArchivedFile(piece.name, target, "ok", bytes=size)


def _is_on_disk(piece: ArchivedFile, content: Path) -> bool:
    if piece.target is None:
        return True
    try:
        size = (content / piece.target).stat().st_size
    except OSError:
        return False
    return piece.bytes in (size, None)


def _as_missing(piece: ArchivedFile) -> ArchivedFile:
    return ArchivedFile(piece.name, None, "left", "missing")


def write_record(path: Path, delivery: Delivery) -> None:
    """After the files that it vouches for have reached the disk, all of them at once."""
    os.sync()
    files.write_json(path, dataclasses.asdict(delivery))


def read_record(path: Path) -> Delivery | None:
    """None where there is no record, or none that reads: the archive is fetched again then."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Delivery)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        logging.warning("%s: no record of an archive (%r), passed over", path, error)
        return None


@dataclass(frozen=True)
class UnpackTarget:
    """Where archives go, and what of them."""

    archives: Path
    """Folder of the archives, their lists and records."""
    content: Path
    """Folder of what is unpacked."""
    path_for: Callable[[str], str | None]
    """Name below `content` for a file's cleaned name; None for what is not wanted."""
    keep: bool = False
    """Whether an archive stays when it is unpacked."""
    wanted: Callable[[str], bool] = lambda source: True
    """Whether an address or file, of an archive or of a list, is wanted at all."""
    limits: UnpackLimits = UnpackLimits(members=500_000)


Owners = dict[str, str]
"""Path of a file below the content -> archive that has delivered it: two do not overwrite each
other's."""


def unpack_archive(
    path: Path,
    archive: str,
    fetched: Delivery,
    to: UnpackTarget,
    owners: Owners,
    before: Delivery | None,
) -> Delivery:
    """`fetched` with all that is in the archive at `path`; failed if the archive is not whole.

    Of a tar that is corrupt nothing stays but what `before`, its record, vouches for: its members
    have no checksums, and any may be the wrong one.
    Raises UserError where the folder cannot be written to, OSError for a full disk.
    """
    pieces: list[ArchivedFile] = []
    made: set[str] = set()

    def path_for(name: str) -> str | None:
        target = to.path_for(name)
        if target is None:
            pieces.append(ArchivedFile(name, None, "left"))
        elif owners.get(target, archive) != archive:
            pieces.append(ArchivedFile(name, target, "left", "duplicate"))
            return None
        return target

    try:
        with _for_the_user():
            to.content.mkdir(parents=True, exist_ok=True)
            for member in unpack(path, to.content, path_for, to.limits):
                pieces.append(_archived_file(member, to.content))
                made |= {pieces[-1].name} if member.made else set()
        _refuse_broken(pieces)
        delivery = dataclasses.replace(fetched, pieces=tuple(pieces))
    except ItemError as error:
        logging.warning("%s: %s", fetched.address, error)
        if error.reason == "corrupt" and not _is_zip(path):
            vouched = {p.name for p in before.pieces if p.status == "ok"} if before else set()
            pieces = [_kept_or_removed(p, vouched - made, to.content) for p in pieces]
        delivery = fetched.as_failed(error.reason, error.detail or None, pieces)
    owners.update(dict.fromkeys(delivery.delivered, archive))
    return delivery


def _archived_file(member: UnpackedMember, content: Path) -> ArchivedFile:
    if member.target is None:
        name = member.name[:500]
        shown = name if name.isprintable() else ascii(name)
        return ArchivedFile(shown, None, "failed", member.reason, member.detail)
    target = member.target.relative_to(content).as_posix()
    return ArchivedFile(names.clean(member.name), target, "ok", bytes=member.bytes)


def _is_zip(path: Path) -> bool:
    with open(path, "rb") as stream:
        return stream.read(2) == b"PK"


def _kept_or_removed(piece: ArchivedFile, vouched: set[str], content: Path) -> ArchivedFile:
    if piece.status != "ok" or piece.target is None or piece.name in vouched:
        return piece
    (content / piece.target).unlink(missing_ok=True)
    return ArchivedFile(piece.name, None, "failed", "corrupt", "its archive is corrupt")


def _refuse_broken(pieces: list[ArchivedFile]) -> None:
    """Members without their checksum: the archive is not whole."""
    broken = [piece.name for piece in pieces if piece.reason == "corrupt"]
    if broken:
        text = f"{len(broken)} of {len(pieces)} files have not their checksum, first {broken[0]}"
        raise ItemError("corrupt", text)


@contextlib.contextmanager
def _for_the_user() -> Iterator[None]:
    """A folder that cannot be written to is one line; a full disk has its own at the door."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.errno in DISK_FULL:
            raise
        raise UserError(f"archives: cannot unpack {error.filename}: {error.strerror}") from error
