"""Where archives and what is unpacked of them go, and the unpacking of one."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from occludenet_build.core import names
from occludenet_build.core.errors import DISK_FULL, ItemError, UserError
from occludenet_build.transfer.archives import Limits, Member, unpack
from occludenet_build.transfer.records import Delivery, Piece

NOT_WHOLE = ("truncated", "corrupt", "not_an_archive")
"""Reasons for which an archive may be another one when it is fetched anew."""


@dataclass(frozen=True)
class Shelf:
    """Where archives go, and what of them."""

    archives: Path
    """Folder of the archives, their lists and records."""
    content: Path
    """Folder of what is unpacked."""
    place: Callable[[str], str | None]
    """Name below `content` for a file's cleaned name; None for what is not wanted."""
    keep: bool = False
    """Whether an archive stays when it is unpacked."""
    wanted: Callable[[str], bool] = lambda source: True
    """Whether an address or file, of an archive or of a list, is wanted at all."""
    limits: Limits = Limits(members=500_000)


class Owners:
    """Which archive has delivered the file of a place: two do not overwrite each other's."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def is_taken(self, target: str, archive: str) -> bool:
        return self._of.get(target, archive) != archive

    def note(self, archive: str, delivery: Delivery) -> None:
        for piece in delivery.pieces:
            if piece.status == "ok" and piece.target is not None:
                self._of[piece.target] = archive


def unpacked(
    path: Path,
    archive: str,
    fetched: Delivery,
    shelf: Shelf,
    owners: Owners,
    before: Delivery | None,
) -> Delivery:
    """`fetched` with all that is in the archive at `path`; failed if the archive is not whole.

    Of a tar that is corrupt nothing stays but what `before`, its record, vouches for: its members
    have no checksums, and any may be the wrong one.
    Raises UserError where the folder cannot be written to, OSError for a full disk.
    """
    pieces: list[Piece] = []
    made: set[str] = set()

    def place(name: str) -> str | None:
        target = shelf.place(name)
        if target is None:
            pieces.append(Piece(name, None, "left"))
        elif owners.is_taken(target, archive):
            pieces.append(Piece(name, target, "left", "duplicate"))
            return None
        return target

    try:
        with _for_the_user():
            shelf.content.mkdir(parents=True, exist_ok=True)
            for member in unpack(path, shelf.content, place, shelf.limits):
                pieces.append(_piece(member, shelf.content))
                made |= {pieces[-1].name} if member.made else set()
        _refuse_broken(pieces)
        delivery = dataclasses.replace(fetched, pieces=tuple(pieces))
    except ItemError as error:
        logging.warning("%s: %s", fetched.address, error)
        if error.reason == "corrupt" and not _is_zip(path):
            vouched = {p.name for p in before.pieces if p.status == "ok"} if before else set()
            pieces = [_kept_or_removed(p, vouched - made, shelf.content) for p in pieces]
        delivery = fetched.failed(error.reason, error.detail or None, pieces)
    owners.note(archive, delivery)
    return delivery


def _piece(member: Member, content: Path) -> Piece:
    if member.target is None:
        name = member.name[:500]
        shown = name if name.isprintable() else ascii(name)
        return Piece(shown, None, "failed", member.reason, member.detail)
    target = member.target.relative_to(content).as_posix()
    return Piece(names.clean(member.name), target, "ok", bytes=member.bytes)


def _is_zip(path: Path) -> bool:
    with open(path, "rb") as stream:
        return stream.read(2) == b"PK"


def _kept_or_removed(piece: Piece, vouched: set[str], content: Path) -> Piece:
    if piece.status != "ok" or piece.target is None or piece.name in vouched:
        return piece
    (content / piece.target).unlink(missing_ok=True)
    return Piece(piece.name, None, "failed", "corrupt", "its archive is corrupt")


def _refuse_broken(pieces: list[Piece]) -> None:
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
