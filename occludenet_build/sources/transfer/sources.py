"""Archives of a setting: files, addresses, pieces, folders and lists of them.

Pieces of one archive (see `pieces`) are one source. On disk one of them is enough: all others are
found in its folder; by address each must be named. A folder stands for all archives in it.

A source whose path ends with `.txt` is a list with an archive per line; blank lines and # comments
are skipped. Entries are relative to the list. A fetched list may contain addresses only, no files.
Lists are fetched in each run, since their content may change; if that fails, the last copy is used.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from occludenet_build.config.sources import Downloads
from occludenet_build.core import files
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.settings import is_url
from occludenet_build.sources.transfer.download import Download, check_address, file_name, redact
from occludenet_build.sources.transfer.parallel import download_all
from occludenet_build.sources.transfer.pieces import (
    group_pieces,
    is_archive_name,
    missing_piece,
    parse_piece,
    siblings,
)

_LARGEST_LIST = 1 << 24
_NO_ADDRESS = re.compile(r"[\s<>\"\x00-\x1f\x7f]")


@dataclass(frozen=True)
class ArchiveSource:
    """An archive that the settings name."""

    text: str
    """http or https address, or path of a file; of an archive in pieces, without their numbers."""
    pieces: tuple[str, ...] = ()
    """Addresses or paths of its pieces, in their order; empty for a whole archive."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Addresses or paths of the files that it consists of."""
        return self.pieces or (self.text,)

    @property
    def gap(self) -> str | None:
        """Name of the first piece that is missing between others; None without a gap."""
        names = [urlsplit(piece).path if self.is_remote else piece for piece in self.pieces]
        return missing_piece([name.rpartition("/")[2] for name in names]) if names else None

    @property
    def stamp(self) -> str:
        """Size and time of a local archive; "missing" if one of its files is."""
        stamps = [files.size_and_mtime(part) for part in self.parts]
        if "missing" in stamps:
            return "missing"
        return stamps[0] if not self.pieces else files.short_hash(*self.pieces, *stamps)

    @property
    def is_remote(self) -> bool:
        """Whether it is an address, not a local file."""
        return is_url(self.text)

    @property
    def shown(self) -> str:
        """The address for logs and tables: without password and query."""
        return redact(self.text) if self.is_remote else self.text

    @property
    def file(self) -> str:
        """Its file name on disk, unique by a hash.

        >>> ArchiveSource("https://h/train/part_0.tar.gz").file
        'part_0-7166cbf5.tar.gz'
        """
        return file_name(self.text, "archive")

    def file_of(self, part: str) -> str:
        """File name on disk of one of its parts.

        >>> whole = ArchiveSource("https://h/a.tar", ("https://h/a.tar.00", "https://h/a.tar.01"))
        >>> whole.file_of("https://h/a.tar.01")
        'a-ee82a026.tar.01'
        """
        own, whole = (urlsplit(text).path.rpartition("/")[2] for text in (part, self.text))
        return self.file + own[len(whole) :] if self.pieces else self.file


def expand_sources(
    sources: Iterable[str], folder: Path, settings: Downloads, wanted: Callable[[str], bool]
) -> list[ArchiveSource]:
    """The archives that the sources name, each once, in their order.

    Copies of lists are kept in `folder`. Archives and lists for which `wanted(source)` is False are
    left out. Raises UserError where a list cannot be fetched or is malformed.
    """
    found: dict[str, None] = {}
    left = 0
    for text in sources:
        if not wanted(text):
            left += 1
            continue
        entries = _entries(text, folder, settings) if _is_list(text) else [_checked(text)]
        entries = [path for entry in entries for path in _on_disk(entry)]
        found |= {entry: None for entry in entries if wanted(entry)}
        left += sum(not wanted(entry) for entry in entries)
    if left:
        logging.info("%d archives or lists are not selected", left)
    return [ArchiveSource(text, pieces) for text, pieces in group_pieces(list(found))]


def _on_disk(entry: str) -> list[str]:
    """The archives of a folder, all pieces of a piece; the entry itself else."""
    if is_url(entry):
        return [entry]
    path = Path(entry)
    if not path.is_dir():
        return siblings(path)
    found = sorted(str(p) for p in path.rglob("*") if _is_archive(p.name) and p.is_file())
    if not found:
        raise UserError(
            f"{entry}: wanted a folder with archives (.tar, .tar.gz, .zip), it has none"
        )
    return found


def _is_archive(name: str) -> bool:
    return not name.startswith(".") and (is_archive_name(name) or parse_piece(name) is not None)


def _checked(text: str) -> str:
    try:
        if is_url(text):
            check_address(text)
    except ItemError as error:
        raise UserError(f"wanted the address of an archive, got {error.detail}") from error
    return text


def _is_list(source: str) -> bool:
    try:
        path = urlsplit(source).path if is_url(source) else source
    except ValueError:
        return False
    return path.lower().endswith(".txt")


def _entries(source: str, folder: Path, settings: Downloads) -> list[str]:
    if not is_url(source):
        return _parsed(Path(source), source)
    kept = folder / file_name(_checked(source), "list")
    if not settings.offline:
        return _fetched(source, kept, settings)
    if not kept.exists():
        raise UserError(
            f"{redact(source)}: wanted the list {kept}, it is missing, and downloads are "
            "switched off; fetch it where there is a network"
        )
    return _parsed(kept, source)


def _fetched(source: str, kept: Path, settings: Downloads) -> list[str]:
    """Fetch the list; if that fails, use the copy of an earlier run."""
    fresh = kept.with_name(f"{kept.name}.new")
    fresh.unlink(missing_ok=True)
    gentle = dataclasses.replace(
        settings, max_bytes=min(settings.max_bytes, _LARGEST_LIST), failure_budget=1.0
    )
    (outcome,) = download_all([Download(source, fresh)], gentle)
    if outcome.status == "ok":
        entries = _parsed(fresh, source)
        files.publish(fresh, kept)
        return entries
    if not kept.exists():
        raise UserError(
            f"{redact(source)}: the list of archives was not fetched: {outcome.reason} "
            f"({outcome.detail}); correct the address, or start again later"
        )
    logging.warning("%s: not fetched, using the copy of an earlier run", redact(source))
    return _parsed(kept, source)


def _parsed(path: Path, source: str) -> list[str]:
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: wanted a list of archives, it is not readable: {error}"
        ) from error
    entries = [
        _entry(line.strip(), f"{redact(source)}, line {number}", source)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.strip().startswith("#")
    ]
    if not entries:
        raise UserError(f"{redact(source)}: wanted a list with an archive per line, it has none")
    return entries


def _entry(line: str, where: str, source: str) -> str:
    """Resolve an entry of a list to an absolute address or path."""
    if not is_url(line) and not is_url(source):
        if not line.isprintable():
            raise UserError(f"{where}: wanted a file, got {line[:80]!a}")
        return str(Path(source).parent / line)
    try:
        if _NO_ADDRESS.search(line):  # often an HTML page with an error message
            raise ItemError("bad_url", "an address has no such characters")
        address = urljoin(source, line) if is_url(source) else line
        check_address(address)
    except (ItemError, ValueError) as error:
        raise UserError(
            f"{where}: wanted the address of an archive, got {line[:80]!a} ({error})"
        ) from error
    return address
