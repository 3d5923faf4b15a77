"""A file that is to be fetched, what became of it, and what its address may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import short_hash
from occludenet_build.core.settings import is_url


@dataclass(frozen=True)
class Download:
    """One file. What is not known of it is None and not checked."""

    url: str
    """http or https."""
    target: Path
    """Where it stands when it is whole; until then `.<name>.part` stands beside it."""
    sha256: str | None = None
    size: int | None = None
    """Bytes."""
    check: str = "any"
    """What it must be besides, by name in `checks.CHECKS`."""

    @property
    def host(self) -> str:
        """The server, with its port; of an address that is none, nothing."""
        try:
            return urlsplit(self.url).netloc.rpartition("@")[2].lower()
        except ValueError:
            return ""


@dataclass(frozen=True)
class Outcome:
    """What became of a download; there is one for each."""

    download: Download
    status: str
    """ok: the whole file stands at the target; failed: nothing does that this run has made."""
    reason: str | None = None
    """From core.errors.REASONS; null if ok. Those in TRANSIENT may have passed at the next run."""
    detail: str | None = None
    bytes: int = 0
    """Size of the file; 0 if failed."""
    sha256: str | None = None
    """Of the file; null if failed."""
    seconds: float = 0.0
    attempts: int = 0
    """Requests for it, redirects not counted; 0: it stood there before."""
    received: int = 0
    """Bytes the network brought for it in this run, those that were thrown away included."""


def refuse(url: str) -> None:
    """Raises ItemError bad_url for anything but http and https to a named host."""
    try:
        parts = urlsplit(url)
        problem = (
            (parts.scheme not in ("http", "https") and "not http or https")
            or (not parts.hostname and "no host")
            or (any(not c.isprintable() or c.isspace() for c in url) and "blanks or controls")
            or (parts.port == 0 and "port 0")
        )
    except ValueError as error:
        problem = str(error)
    if problem:
        raise ItemError("bad_url", f"{shown(url)}: {problem}")


def file_name(source: str, unnamed: str) -> str:
    """What an address, or a path, is called on disk: no two share a name.

    >>> file_name("https://host/train/part_0.tar.gz?key=1", "archive")
    'part_0-5dc32ecc.tar.gz'
    """
    path = unquote(urlsplit(source).path) if is_url(source) else source
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", PurePosixPath(path).name)[-100:].lstrip(".")
    stem, dot, suffix = (plain or unnamed).partition(".")
    return f"{stem}-{short_hash(source)[:8]}{dot}{suffix}"


def shown(url: str) -> str:
    """An address as it may stand in logs and tables: without password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ascii(url[:200])
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return plain if plain.isprintable() else ascii(plain)
