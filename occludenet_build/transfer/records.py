"""What came of an archive, as it is recorded beside it: `<archive>.json`.

The record names every file in the archive, those that were not wanted too: when more is wanted
later, it tells which archives hold it, and no other is fetched again.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occludenet_build.core import files


@dataclass(frozen=True)
class Piece:
    """A file in an archive."""

    name: str
    """As the archive has it, cleaned; a name that is refused is escaped."""
    target: str | None
    """Where it stands, below the folder of the content; null if it does not."""
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
    pieces: tuple[Piece, ...] = ()
    """In the archive's order."""

    def of_today(self, content: Path, place: Callable[[str], str | None]) -> Delivery:
        """With the places that its files have now; what is not wanted any more is left."""
        now = tuple(_placed(piece, content, place) for piece in self.pieces)
        return dataclasses.replace(self, pieces=now)

    def is_there(self, content: Path) -> bool:
        """Whether nothing is missing of what is wanted of it; ask what `of_today` gives."""
        return all(_stands(piece, content) for piece in self.pieces)

    def failed(
        self, reason: str, detail: str | None, pieces: Iterable[Piece] | None = None
    ) -> Delivery:
        """The same, but not whole; with `pieces` instead of its own."""
        own = self.pieces if pieces is None else tuple(pieces)
        return dataclasses.replace(self, status="failed", reason=reason, detail=detail, pieces=own)

    def joined(self, before: Delivery | None) -> Delivery:
        """With what an earlier record names and this one does not: a fetch that failed takes
        nothing away of what is here."""
        names = {piece.name for piece in self.pieces}
        old = (piece for piece in (before.pieces if before else ()) if piece.name not in names)
        return dataclasses.replace(self, pieces=(*self.pieces, *old))

    def standing(self, content: Path) -> Delivery:
        """Without the files that are not there."""
        pieces = (p if _stands(p, content) else _gone(p) for p in self.pieces)
        return dataclasses.replace(self, pieces=tuple(pieces))


def _placed(piece: Piece, content: Path, place: Callable[[str], str | None]) -> Piece:
    if piece.status == "failed":
        return piece
    target = place(piece.name)
    if target is None:
        return Piece(piece.name, None, "left")
    if piece.reason == "duplicate":
        return dataclasses.replace(piece, target=target)
    size = piece.bytes
    if size is None and (content / target).is_file():  # it came for another selection
        size = (content / target).stat().st_size
    return Piece(piece.name, target, "ok", bytes=size)


def _stands(piece: Piece, content: Path) -> bool:
    if piece.target is None:
        return True
    try:
        size = (content / piece.target).stat().st_size
    except OSError:
        return False
    return piece.bytes in (size, None)


def _gone(piece: Piece) -> Piece:
    return Piece(piece.name, None, "left", "missing")


def write(path: Path, delivery: Delivery) -> None:
    """After the files that it vouches for have reached the disk, all of them at once."""
    os.sync()
    files.write_json(path, dataclasses.asdict(delivery))


def read(path: Path) -> Delivery | None:
    """None where there is no record, or none that reads: the archive is fetched again then."""
    try:
        values = json.loads(path.read_text())
        return Delivery(**values | {"pieces": tuple(_pieces(values["pieces"]))})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logging.warning("%s: no record of an archive (%r), passed over", path, error)
        return None


def _pieces(values: list[dict[str, Any]]) -> Iterator[Piece]:
    for value in values:
        yield Piece(**value)
