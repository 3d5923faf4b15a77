"""The reason of a status or a broken connection, and whether it can pass."""

from __future__ import annotations

import re

import requests
import urllib3
from urllib3.util import Retry

from occludenet_build.core.errors import ItemError


class Passing(ItemError):
    """A failure that may have passed a little later: the file is tried again in this run."""

    def __init__(self, reason: str, detail: str = "", wait_seconds: float | None = None) -> None:
        super().__init__(reason, detail)
        self.wait_seconds = wait_seconds
        """What the server asks to wait, if it does."""


_FINAL = {401: "forbidden", 403: "forbidden", 404: "not_found", 410: "gone", 451: "forbidden"}


def of_response(response: requests.Response) -> ItemError:
    """The error of an answer that brings no file."""
    status = response.status_code
    detail = f"HTTP {status}"
    if status == 429 or status >= 500:
        reason = "too_many_requests" if status == 429 else "server_error"
        return Passing(reason, detail, retry_after(response.headers.get("Retry-After")))
    if status == 408:
        return Passing("timed_out", detail)
    return ItemError(_FINAL.get(status, "bad_answer"), detail)


def retry_after(value: str | None) -> float | None:
    """Seconds, from the number or the date of a Retry-After; None where it says neither."""
    try:
        return None if value is None else min(1e9, Retry().parse_retry_after(value))
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return None


LOST = (requests.RequestException, urllib3.exceptions.HTTPError)
"""What the libraries raise while they connect and read."""


def of_exception(error: Exception) -> ItemError:
    """The error of a connection that failed; `error` is one of LOST."""
    detail = _innermost(error)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return Passing("timed_out", detail)
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY" in str(error):
        return ItemError("bad_certificate", detail)
    if isinstance(error, ValueError):  # InvalidURL, InvalidSchema and their like
        return ItemError("bad_url", detail)
    return Passing("connection_lost", detail)


def _innermost(error: BaseException) -> str:
    """The innermost cause: the libraries wrap it two or three times, with the whole address."""
    while True:
        inner = getattr(error, "reason", None) or next(
            (a for a in error.args if isinstance(a, Exception)), None
        )
        if not isinstance(inner, BaseException):
            break
        error = inner
    text = re.sub(r"<[^>]*>:?\s*|\w+\(.*\)(?:, )?:\s*", "", str(error))
    return text.strip("()' ")[:200] or type(error).__name__


def content_range(value: str | None) -> tuple[int, int | None] | None:
    """(first byte, length of the whole file) of a Content-Range; None where it does not parse."""
    found = re.fullmatch(r"bytes\s+(\d{1,18})-\d{1,18}/(\d{1,18}|\*)", (value or "").strip())
    if found is None:
        return None
    return int(found[1]), None if found[2] == "*" else int(found[2])


def content_length(value: str | None) -> int | None:
    """Bytes; None where nothing usable is said."""
    return int(value) if value and value.isdecimal() and len(value) < 19 else None
