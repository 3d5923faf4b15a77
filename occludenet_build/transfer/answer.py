"""What a server's answer, or the lack of one, means: a reason, and whether it can pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests
import urllib3

from occludenet_build.core.errors import ItemError


class Passing(ItemError):
    """What may have passed a little later: the file is tried again in this run."""

    def __init__(self, reason: str, detail: str = "", wait_seconds: float | None = None) -> None:
        super().__init__(reason, detail)
        self.wait_seconds = wait_seconds
        """What the server asks to wait, if it does."""


_REFUSALS = {
    401: "forbidden",
    403: "forbidden",
    404: "not_found",
    410: "gone",
    451: "forbidden",
}


def refusal(status: int, headers: Mapping[str, str]) -> ItemError:
    """The error of a status that brings no file."""
    detail = f"HTTP {status}"
    if status == 429 or status >= 500:
        reason = "too_many_requests" if status == 429 else "server_error"
        return Passing(reason, detail, retry_after(headers.get("Retry-After"), datetime.now(UTC)))
    if status == 408:
        return Passing("timed_out", detail)
    return ItemError(_REFUSALS.get(status, "bad_answer"), detail)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds, from a number or a date; None where nothing usable is said."""
    if value is None:
        return None
    if value.strip().isdecimal() and len(value) < 12:
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0.0, (then - now).total_seconds())


def content_range(value: str | None) -> tuple[int, int | None] | None:
    """(first byte, length of the whole file) of a Content-Range; None where it does not parse."""
    found = re.fullmatch(r"bytes\s+(\d{1,18})-\d{1,18}/(\d{1,18}|\*)", (value or "").strip())
    if found is None:
        return None
    return int(found[1]), None if found[2] == "*" else int(found[2])


def content_length(value: str | None) -> int | None:
    """Bytes; None where nothing usable is said."""
    return int(value) if value and value.isdecimal() and len(value) < 19 else None


LOST = (requests.RequestException, urllib3.exceptions.HTTPError)
"""What the libraries raise while they connect and read."""


def of_exception(error: Exception) -> ItemError:
    """The error of a connection that failed; `error` is one of LOST."""
    detail = _shortest(error)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return Passing("timed_out", detail)
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY" in str(error):
        return ItemError("bad_certificate", detail)
    if isinstance(error, ValueError):  # InvalidURL, InvalidSchema and their like
        return ItemError("bad_url", detail)
    return Passing("connection_lost", detail)


def _shortest(error: BaseException) -> str:
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
