"""Requests over HTTP: sessions, redirects, credentials, and bodies that arrive too slowly.

requests does the transfer: it takes proxies and certificates from the environment, as users of pip
and conda expect, and urllib3 below it passes on bytes as they arrive and detects a body that ends
early. This module follows redirects itself, since each address must be http or https, the body of a
redirect must not be read, and credentials stay with their server.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urljoin

import requests
from requests.auth import AuthBase

from occludenet_build.core.errors import ItemError
from occludenet_build.sources.transfer.credentials import auth_for
from occludenet_build.sources.transfer.download import (
    CONNECTION_ERRORS,
    TransientError,
    check_address,
    error_of_exception,
    redact,
)

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 10
_CHUNK = 1 << 20
_LEAST_RATE = 1000
"""Bytes per second below which a connection counts as dead."""


def new_http_session() -> requests.Session:
    """A new session; only one thread at a time may use it."""
    made = requests.Session()
    made.headers["User-Agent"] = f"occludenet_build/{_version()} (requests)"
    # Uncompressed, since lengths and ranges refer to the bytes that are sent.
    made.headers["Accept-Encoding"] = "identity"
    return made


def _version() -> str:
    try:
        return version("occludenet-build")
    except PackageNotFoundError:
        return "0"


def request(
    http: requests.Session,
    url: str,
    timeout: float,
    headers: dict[str, str] | None = None,
    method: str = "GET",
) -> requests.Response:
    """The answer after all redirects; its body is unread.

    Credentials go to the server of `url` alone (see `credentials`). `timeout`: seconds. Raises
    ItemError for a redirect that is refused, TransientError where the connection fails.
    """
    asked = url
    for _ in range(_MOST_REDIRECTS + 1):
        response = _send(http, method, url, auth_for(url, asked), headers or {}, timeout)
        if response.status_code not in _REDIRECTS:
            return response
        with closing(response):
            target = http.get_redirect_target(response)
            if not target:
                raise ItemError("bad_answer", f"HTTP {response.status_code} without a location")
            url = urljoin(url, requests.utils.requote_uri(target))
        try:
            check_address(url)
        except ItemError as error:
            raise ItemError("bad_redirect", error.detail) from error
    raise ItemError("bad_redirect", f"more than {_MOST_REDIRECTS}, last to {redact(url)}")


def _send(
    http: requests.Session,
    method: str,
    url: str,
    auth: AuthBase,
    headers: dict[str, str],
    timeout: float,
) -> requests.Response:
    try:
        return http.request(
            method,
            url,
            headers=headers,
            auth=auth,
            stream=True,
            allow_redirects=False,
            timeout=timeout,
        )
    except CONNECTION_ERRORS as error:
        raise error_of_exception(error) from error


def body_chunks(response: requests.Response, timeout: float) -> Iterator[bytes]:
    """Yield the body as it arrives.

    Raises TransientError for a rate below _LEAST_RATE over `timeout` seconds, and for what the
    connection suffers.
    """
    since, came = time.monotonic(), 0
    while True:
        try:
            chunk = response.raw.read1(_CHUNK, decode_content=False)
        except CONNECTION_ERRORS as error:
            raise error_of_exception(error) from error
        if not chunk:
            return
        yield chunk
        came += len(chunk)
        now = time.monotonic()
        if now - since >= timeout:
            if came < _LEAST_RATE * (now - since):
                raise TransientError("timed_out", f"{came} bytes in {now - since:.0f} s")
            since, came = now, 0
