"""A file to download, the outcome, checks of addresses, and errors of answers and connections."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import requests
import urllib3
from urllib3.util import Retry

from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import short_hash
from occludenet_build.core.settings import is_url
from occludenet_build.sources.transfer.credentials import login_hint


@dataclass(frozen=True)
class Download:
    """A file to download. Fields that are None are not checked."""

    url: str
    """http or https address."""
    target: Path
    """Path of the complete file; a partial download is `.<name>.part` beside it."""
    sha256: str | None = None
    size: int | None = None
    """Bytes."""
    check: str = "any"
    """Name of a further check in `checks.FILE_CHECKS`."""


@dataclass(frozen=True)
class Outcome:
    """The result of a download."""

    download: Download
    status: str
    """ok: the complete file is at the target; failed: this run wrote no file there."""
    reason: str | None = None
    """From core.errors.REASONS; None if ok. Those in TRANSIENT may not recur in the next run."""
    detail: str | None = None
    bytes: int = 0
    """Size of the file; 0 if failed."""
    sha256: str | None = None
    """Hash of the file; None if failed."""
    seconds: float = 0.0
    attempts: int = 0
    """Number of requests, without redirects; 0 if the file existed before."""
    received: int = 0
    """Bytes received in this run, including those that were discarded."""


def host_of(url: str) -> str:
    """The server of an address with its port; empty for an invalid address."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


MIRROR = "OCCLUDENET_MIRROR"
"""Environment variable with the address of a mirror, for download.mirror: null."""


def requested_address(url: str, mirror: str | None) -> str:
    """The address to request for `url`: that on the mirror of the settings or environment, if any.

    >>> requested_address("https://key@host/a/b.pt?v=1", "http://mirror:8080/all/")
    'http://mirror:8080/all/host/a/b.pt?v=1'
    """
    mirror = mirror or os.environ.get(MIRROR)
    if not mirror or not host_of(url):
        return url
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{mirror.rstrip('/')}/{host_of(url)}{parts.path}{query}"


def check_address(url: str) -> None:
    """Check an address. Raises ItemError bad_url unless it is http or https with a host."""
    try:
        parts = urlsplit(url)
        problem = (
            (parts.scheme not in ("http", "https") and "not http or https")
            or (not parts.hostname and "no host")
            or (
                any(not c.isprintable() or c.isspace() for c in url)
                and "blanks or control characters"
            )
            or (parts.port == 0 and "port 0")
        )
    except ValueError as error:
        problem = str(error)
    if problem:
        raise ItemError("bad_url", f"{redact(url)}: {problem}")


def file_name(source: str, unnamed: str) -> str:
    """File name of an address or path on disk, unique by a hash; `unnamed` if it has no name.

    >>> file_name("https://host/train/part_0.tar.gz?key=1", "archive")
    'part_0-5dc32ecc.tar.gz'
    """
    path = unquote(urlsplit(source).path) if is_url(source) else source
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", PurePosixPath(path).name)[-100:].lstrip(".")
    stem, dot, suffix = (plain or unnamed).partition(".")
    return f"{stem}-{short_hash(source)[:8]}{dot}{suffix}"


def redact(url: str) -> str:
    """An address for logs and tables: without password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ascii(url[:200])
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return plain if plain.isprintable() else ascii(plain)


def without_logins(text: str) -> str:
    """A text without the logins of addresses in it, such as a proxy's.

    >>> without_logins("cannot reach http://me:secret@proxy:8080 of x@y")
    'cannot reach http://***@proxy:8080 of x@y'
    """
    return re.sub(r"(\w+://)[^\s/?#]*@", r"\1***@", text)


class TransientError(ItemError):
    """A failure that may not recur: the file is tried again in this run."""

    def __init__(self, reason: str, detail: str = "", wait_seconds: float | None = None) -> None:
        super().__init__(reason, detail)
        self.wait_seconds = wait_seconds
        """Seconds that the server asks to wait; None if it does not."""


_FINAL = {401: "forbidden", 403: "forbidden", 404: "not_found", 410: "gone", 451: "forbidden"}


def error_of_response(response: requests.Response) -> ItemError:
    """The error of an HTTP answer without a file."""
    status = response.status_code
    detail = f"HTTP {status}"
    if status == 429 or status >= 500:
        reason = "too_many_requests" if status == 429 else "server_error"
        return TransientError(reason, detail, retry_after(response.headers.get("Retry-After")))
    if status == 408:
        return TransientError("timed_out", detail)
    hint = login_hint(response) if status in (401, 403) else ""
    return ItemError(_FINAL.get(status, "bad_answer"), detail + hint)


def retry_after(value: str | None) -> float | None:
    """Seconds, from the number or date of a Retry-After header; None if it is malformed."""
    try:
        return None if value is None else min(1e9, Retry().parse_retry_after(value))
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return None


CONNECTION_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError)
"""Exceptions of the libraries while they connect and read."""


def error_of_exception(error: Exception) -> ItemError:
    """The error of an exception of the libraries while they connect or read."""
    detail = _innermost(error)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return TransientError("timed_out", detail)
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY" in str(error):
        return ItemError("bad_certificate", detail)
    if isinstance(error, ValueError):  # InvalidURL, InvalidSchema and similar
        return ItemError("bad_url", detail)
    return TransientError("connection_lost", detail)


def _innermost(error: BaseException) -> str:
    """Message of the innermost exception, which the libraries wrap two or three times."""
    while True:
        inner = getattr(error, "reason", None) or next(
            (a for a in error.args if isinstance(a, Exception)), None
        )
        if not isinstance(inner, BaseException):
            break
        error = inner
    text = re.sub(r"<[^>]*>:?\s*|\w+\(.*\)(?:, )?:\s*", "", without_logins(str(error)))
    return text.strip("()' ")[:200] or type(error).__name__


def content_range(value: str | None) -> tuple[int, int | None] | None:
    """(first byte, length of the file) of a Content-Range header; None if it is malformed."""
    found = re.fullmatch(r"bytes\s+(\d{1,18})-\d{1,18}/(\d{1,18}|\*)", (value or "").strip())
    if found is None:
        return None
    return int(found[1]), None if found[2] == "*" else int(found[2])


def content_length(value: str | None) -> int | None:
    """Bytes of a Content-Length header; None if it is missing or malformed."""
    return int(value) if value and value.isdecimal() and len(value) < 19 else None
