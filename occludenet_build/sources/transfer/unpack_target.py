"""Unpack one archive into its target folder, and keep its record.

The record, `<archive>.json`, lists every file of the archive, including those that were not
selected. If more files are selected later, only the archives that have them are fetched again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from occludenet_build.core import files, names
from occludenet_build.core.errors import DISK_FULL, ItemError, UserError
from occludenet_build.sources.transfer.archives import (
    UnpackedMember,
    UnpackLimits,
    is_zip,
    unpack,
)
from occludenet_build.sources.transfer.pieces import open_archive

NOT_WHOLE = ("truncated", "corrupt", "not_an_archive")
"""Reasons of a broken archive, which may be intact after another download."""


@dataclass(frozen=True)
class ArchivedFile:
    """A file of an archive, and its state on disk."""

    name: str
    """Cleaned name in the archive; a refused name is escaped."""
    target: str | None
    """Path below the content folder; null if it is not there."""
    status: str
    """ok; failed; or left: not selected or, with reason duplicate, of another archive."""
    reason: str | None = None
    """From core.errors.REASONS."""
    detail: str | None = None
    bytes: int | None = None
    """Size of the file; null if it is not unpacked."""


@dataclass(frozen=True)
class Delivery:
    """An archive and its files."""

    address: str
    """Address without password and query, or path of a local file."""
    status: str
    """ok, or failed if it was not fetched or is broken; `pieces` are then incomplete."""
    reason: str | None = None
    """From core.errors.REASONS; null if ok."""
    detail: str | None = None
    bytes: int = 0
    """Size of the archive."""
    sha256: str | None = None
    """Hash of the download; null for a local file."""
    stamp: str | None = None
    """Size and time of a local file; null for a download."""
    pieces: tuple[ArchivedFile, ...] = ()
    """Its files, in the order of the archive."""

    @property
    def delivered(self) -> list[str]:
        """Paths of its unpacked files below the content folder."""
        return [piece.target for piece in self.pieces if piece.status == "ok" and piece.target]

    def with_current_targets(
        self, content: Path, path_for: Callable[[str], str | None]
    ) -> Delivery:
        """A copy with the targets by the present selection; unselected files get status left."""
        now = tuple(_with_current_target(piece, content, path_for) for piece in self.pieces)
        return dataclasses.replace(self, pieces=now)

    def is_complete(self, content: Path) -> bool:
        """Whether all its targets are on disk; call it on the result of `with_current_targets`."""
        return all(_is_on_disk(piece, content) for piece in self.pieces)

    def as_failed(
        self, reason: str, detail: str | None, pieces: Iterable[ArchivedFile] | None = None
    ) -> Delivery:
        """A copy with status failed, and with `pieces` if given."""
        own = self.pieces if pieces is None else tuple(pieces)
        return dataclasses.replace(self, status="failed", reason=reason, detail=detail, pieces=own)

    def merged_with(self, before: Delivery | None) -> Delivery:
        """A copy with additional files of an earlier record, which a failed download must keep."""
        names = {piece.name for piece in self.pieces}
        old = (piece for piece in (before.pieces if before else ()) if piece.name not in names)
        return dataclasses.replace(self, pieces=(*self.pieces, *old))

    def without_missing(self, content: Path) -> Delivery:
        """A copy in which files that are not on disk have status left."""
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
    if size is None and (content / target).is_file():  # unpacked under another selection
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
    """Write a record, after syncing to disk all files that it lists."""
    os.sync()
    files.write_json(path, dataclasses.asdict(delivery))


def read_record(path: Path) -> Delivery | None:
    """Read a record; None if it is missing or malformed: the archive is then fetched again."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Delivery)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        logging.warning("%s: malformed record of an archive (%r), ignored", path, error)
        return None


@dataclass(frozen=True)
class UnpackTarget:
    """Folders of archives and of their files, and the selection of files."""

    archives: Path
    """Folder of archives, lists and records."""
    content: Path
    """Folder of the unpacked files."""
    path_for: Callable[[str], str | None]
    """Cleaned name in the archive -> path below `content`; None for files to skip."""
    keep: bool = False
    """Whether archives stay after they are unpacked."""
    wanted: Callable[[str], bool] = lambda source: True
    """Whether an archive or list, by its address or path, is selected."""
    limits: UnpackLimits = UnpackLimits(members=500_000)


Owners = dict[str, str]
"""Path below the content folder -> archive that delivered it; no other archive overwrites it."""


def unpack_archive(
    path: Path | Sequence[Path],
    archive: str,
    fetched: Delivery,
    to: UnpackTarget,
    owners: Owners,
    before: Delivery | None,
) -> Delivery:
    """Unpack the archive at `path`, a file or its pieces; return `fetched` with its files, failed
    if it is broken or the disk does not have it.

    Members of a tar have no checksums. Of a corrupt tar, only the files that `before`, its earlier
    record, lists as ok are kept.
    Raises UserError where the folder is not writable, OSError for a full disk.
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
    return ArchivedFile(names.safe_name(member.name), target, "ok", bytes=member.bytes)


def _is_zip(path: Path | Sequence[Path]) -> bool:
    with open_archive(path) as stream:
        return is_zip(stream)


def _kept_or_removed(piece: ArchivedFile, vouched: set[str], content: Path) -> ArchivedFile:
    if piece.status != "ok" or piece.target is None or piece.name in vouched:
        return piece
    (content / piece.target).unlink(missing_ok=True)
    return ArchivedFile(piece.name, None, "failed", "corrupt", "its archive is corrupt")


def _refuse_broken(pieces: list[ArchivedFile]) -> None:
    """Raise ItemError where members do not match their checksum."""
    broken = [piece.name for piece in pieces if piece.reason == "corrupt"]
    if broken:
        text = (
            f"{len(broken)} of {len(pieces)} files do not match their checksum, first {broken[0]}"
        )
        raise ItemError("corrupt", text)


@contextlib.contextmanager
def _for_the_user() -> Iterator[None]:
    """Convert OSError to UserError, except a full disk, which the command line reports."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.errno in DISK_FULL:
            raise
        raise UserError(f"archives: cannot unpack {error.filename}: {error.strerror}") from error
