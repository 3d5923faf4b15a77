"""One request: from a server's answer into the part of a download.

requests does the transfer: it is the most used HTTP client of Python, takes proxies and
certificates from the environment as users expect it (pip and conda rest on it too), and urllib3
below it hands bytes over as they come and tells a body that ends early. Redirects are followed
here, since each hop must be http or https and no hop's body may be read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urljoin, urlsplit

import requests

from occludenet_build.config import Downloads
from occludenet_build.core.errors import ItemError
from occludenet_build.transfer.answer import (
    LOST,
    Passing,
    content_length,
    content_range,
    of_exception,
    refusal,
)
from occludenet_build.transfer.item import Download, refuse, shown
from occludenet_build.transfer.part import Part, State

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 10
_CHUNK = 1 << 20
_LEAST_RATE = 1000
"""Bytes per second below which a connection counts as dead."""


def session() -> requests.Session:
    """A session for one thread at a time."""
    made = requests.Session()
    made.headers["User-Agent"] = f"occludenet_build/{_version()} (requests)"
    # The file as it lies there, since lengths and ranges are those of what is sent.
    made.headers["Accept-Encoding"] = "identity"
    return made


def _version() -> str:
    try:
        return version("occludenet-build")
    except PackageNotFoundError:
        return "0"


def into_part(
    http: requests.Session, download: Download, part: Part, settings: Downloads
) -> Iterator[None]:
    """Fetch what is missing; yields after every piece, so that the caller can stop.

    Raises Passing where another attempt may bring the rest, ItemError where it will not.
    """
    headers = part.request_headers(download)
    with closing(_answer(http, download.url, headers, settings.timeout_seconds)) as response:
        _begin(response, download, part, settings, asked="Range" in headers)
        most, excess = _most(download, part, settings)
        for chunk in _pieces(response, settings.timeout_seconds):
            if part.size + len(chunk) > most:
                part.restart()
                raise ItemError(excess, f"more than {most} bytes")
            part.append(chunk)
            yield
    length = part.state.length if part.state else None
    if length is not None and part.size < length:
        raise Passing("connection_lost", f"{part.size} of {length} bytes")


def _answer(
    http: requests.Session, url: str, headers: dict[str, str], timeout: float
) -> requests.Response:
    """The answer at the end of all redirects, its body unread."""
    for _ in range(_MOST_REDIRECTS + 1):
        response = _get(http, url, headers, timeout)
        if response.status_code not in _REDIRECTS:
            return response
        with closing(response):
            target = http.get_redirect_target(response)
            if not target:
                raise ItemError("bad_answer", f"HTTP {response.status_code} to nowhere")
            url = urljoin(url, requests.utils.requote_uri(target))
        try:
            refuse(url)
        except ItemError as error:
            raise ItemError("bad_redirect", error.detail) from error
    raise ItemError("bad_redirect", f"more than {_MOST_REDIRECTS}, the last to {shown(url)}")


def _get(
    http: requests.Session, url: str, headers: dict[str, str], timeout: float
) -> requests.Response:
    try:
        return http.get(url, headers=headers, stream=True, allow_redirects=False, timeout=timeout)
    except LOST as error:
        raise of_exception(error) from error


def _begin(
    response: requests.Response, download: Download, part: Part, settings: Downloads, asked: bool
) -> None:
    """Go on with the part, or begin it anew, as the answer has it."""
    if response.status_code == 206 and asked:
        length = _go_on(response, download, part)
    elif response.status_code == 200:
        length = content_length(response.headers.get("Content-Length"))
        part.restart(State.of(download.url, response.headers, length))
    elif response.status_code == 416 and asked:
        part.restart()
        raise Passing("wrong_length", "HTTP 416: the file is shorter than before")
    else:
        raise refusal(response.status_code, response.headers)
    _refuse_length(length, download, settings)
    _refuse_coding(response, download)


def _go_on(response: requests.Response, download: Download, part: Part) -> int | None:
    """The length of the file, if the answer is the rest of what is here."""
    where = content_range(response.headers.get("Content-Range"))
    start, length = where if where is not None else (-1, None)
    now = State.of(download.url, response.headers, length)
    if start != part.size or part.state is None or not part.state.agrees(now):
        part.restart()
        raise Passing("wrong_length", "the server answered with another part, or of another file")
    part.spliced = True
    return length if length is not None else part.state.length


def _refuse_length(length: int | None, download: Download, settings: Downloads) -> None:
    if length is None:
        return
    if length > settings.max_bytes:
        raise ItemError("too_large", f"{length} bytes, download.max_bytes is {settings.max_bytes}")
    if download.size is not None and length != download.size:
        raise ItemError("wrong_length", f"wanted {download.size} bytes, the server has {length}")


def _refuse_coding(response: requests.Response, download: Download) -> None:
    """A coding that was not asked for: the bytes are not the file's, but for a misnamed .gz."""
    coding = response.headers.get("Content-Encoding", "identity")
    named = urlsplit(download.url).path.endswith((".gz", ".tgz"))
    if coding != "identity" and not named and download.sha256 is None:
        raise ItemError("bad_answer", f"coded as {coding[:40]!r} though identity was asked for")


def _most(download: Download, part: Part, settings: Downloads) -> tuple[int, str]:
    """(bytes the file may have, reason if it has more)."""
    stated = part.state.length if part.state else None
    expected = [size for size in (download.size, stated) if size is not None]
    if expected:
        return min(expected), "wrong_length"
    return settings.max_bytes, "too_large"


def _pieces(response: requests.Response, timeout: float) -> Iterator[bytes]:
    """The body as it comes. A trickle is a time-out too."""
    since, came = time.monotonic(), 0
    while True:
        try:
            chunk = response.raw.read1(_CHUNK, decode_content=False)
        except LOST as error:
            raise of_exception(error) from error
        if not chunk:
            return
        yield chunk
        came += len(chunk)
        now = time.monotonic()
        if now - since >= timeout:
            if came < _LEAST_RATE * (now - since):
                raise Passing("timed_out", f"{came} bytes in {now - since:.0f} s")
            since, came = now, 0
