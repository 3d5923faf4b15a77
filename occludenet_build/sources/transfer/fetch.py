"""One download: requests, resuming, attempts, waits, checks, publishing.

urllib3's Retry counts attempts, computes the back-off and parses Retry-After. This module waits:
an interrupted transfer resumes where it ended, a server that asks for too long a wait fails the
file, and stopping the run ends the wait.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.util import Retry

from occludenet_build.config.sources import Downloads
from occludenet_build.core.errors import ItemError
from occludenet_build.sources.transfer import partial_file
from occludenet_build.sources.transfer.checks import verify_file
from occludenet_build.sources.transfer.connection import body_chunks, request
from occludenet_build.sources.transfer.download import (
    Download,
    Outcome,
    TransientError,
    check_address,
    content_length,
    content_range,
    error_of_response,
    host_of,
    requested_address,
)
from occludenet_build.sources.transfer.partial_file import PartialFile, PartialState, Stopped

PROGRESS_BYTES = 1 << 20
"""Progress, in bytes, after which the count of attempts starts again: a large file may lose many
connections."""


class HostQueue:
    """Queue of a server: at most `per_host` downloads at a time, none before `not_before`.

    `not_before` is a time of time.monotonic(), seconds.
    """

    def __init__(self, per_host: int) -> None:
        self.turns = threading.Semaphore(per_host)
        self.not_before = 0.0


@dataclass(frozen=True)
class DownloadRun:
    """State that the downloads of one run share."""

    settings: Downloads
    counted: Callable[[int, int], None]
    """Called with every change of (bytes on disk, bytes received)."""
    stopped: threading.Event = field(default_factory=threading.Event)
    hosts: dict[str, HostQueue] = field(default_factory=dict)

    def host(self, name: str) -> HostQueue:
        """The queue of a server; thread-safe."""
        return self.hosts.setdefault(name, HostQueue(self.settings.per_host))

    def sleep(self, seconds: float) -> None:
        """Wait. Raises Stopped if the run ends meanwhile."""
        if self.stopped.wait(max(0.0, seconds)):
            raise Stopped

    def retry(self) -> Retry:
        """A new count of attempts, from the settings."""
        settings = self.settings
        return _Retry(
            settings.retries,
            backoff_factor=settings.backoff_seconds,
            backoff_max=settings.longest_wait_seconds,
        )


class _Retry(Retry):
    """Retry with a wait before the second attempt, and jitter in proportion to the wait.

    urllib3's Retry does not wait before the second attempt, and adds the same jitter to each wait.
    """

    def get_backoff_time(self) -> float:
        seconds = self.backoff_factor * 2 ** (len(self.history) - 1)
        return min(self.backoff_max, seconds * random.uniform(0.5, 1.5))


def fetch_file(download: Download, http: requests.Session, run: DownloadRun) -> Outcome:
    """Download one file. Raises Stopped if the run ends, OSError if the disk refuses the file."""
    work = _Fetch(download, http, run)
    start = time.monotonic()
    facts: dict[str, Any] = {}
    try:
        facts["bytes"], facts["sha256"] = work.run()
    except ItemError as error:
        facts = {"reason": error.reason, "detail": error.detail or None}
    return Outcome(
        download,
        status="failed" if "reason" in facts else "ok",
        seconds=time.monotonic() - start,
        attempts=work.attempts,
        received=work.received,
        **facts,
    )


def finished_file(download: Download) -> tuple[int, str] | None:
    """(bytes, sha256) of the file at the target if it passes its checks, else None."""
    try:
        return verify_file(download, download.target)
    except ItemError:
        return None


class _Fetch:
    def __init__(self, download: Download, http: requests.Session, shared: DownloadRun) -> None:
        self.download, self.http, self.shared = download, http, shared
        self.address = requested_address(download.url, shared.settings.mirror)
        self.host = shared.host(host_of(self.address))
        self.attempts = self.received = 0
        self._judged_spliced = False

    def run(self) -> tuple[int, str]:
        check_address(self.download.url)
        check_address(self.address)
        found = self._there()
        if found is not None:
            return found
        with partial_file.open_partial(
            self.download, self.shared.counted, self.shared.stopped
        ) as part:
            # Another process may have finished it while this one waited for the lock.
            found = self._there()
            if found is not None:
                part.discard()
                return found
            self._take_turn()
            try:
                return self._finish(part)
            finally:
                self.host.turns.release()

    def _there(self) -> tuple[int, str] | None:
        found = finished_file(self.download)
        if found is not None:
            self.shared.counted(found[0], 0)
            partial_file.remove_leftovers(self.download)
        return found

    def _take_turn(self) -> None:
        while not self.host.turns.acquire(timeout=0.2):
            self.shared.sleep(0)

    def _finish(self, part: PartialFile) -> tuple[int, str]:
        """Complete and publish the file. A partial file stays only if a later run can resume it."""
        try:
            found = self._fill(part)
        except (TransientError, Stopped):
            if not part.size:
                part.discard()
            raise
        except ItemError:
            part.discard()
            raise
        finally:
            self.received = part.received
        part.publish(self.download.target)
        return found

    def _fill(self, part: PartialFile) -> tuple[int, str]:
        retry, furthest = self.shared.retry(), part.size
        while True:
            try:
                self._attempt(part)
                return self._checked(part)
            except TransientError as error:
                if part.size >= furthest + PROGRESS_BYTES:
                    retry, furthest = self.shared.retry(), part.size
                if not retry.total:
                    raise
                retry = retry.increment(error=error)
                self._wait(error, retry.get_backoff_time())

    def _attempt(self, part: PartialFile) -> None:
        if part.whole:
            return
        while (seconds := self.host.not_before - time.monotonic()) > 0:
            self.shared.sleep(seconds)
        self.attempts += 1
        try:
            for _ in _request_rest(
                part, self.http, self.download, self.shared.settings, self.address
            ):
                self.shared.sleep(0)
        finally:
            part.flush()

    def _checked(self, part: PartialFile) -> tuple[int, str]:
        """Verify the file; one that was joined from several answers is fetched again once."""
        try:
            return verify_file(self.download, part.path)
        except ItemError as error:
            if not part.spliced or self._judged_spliced:
                raise
            self._judged_spliced = True
            part.restart()
            raise TransientError(error.reason, error.detail) from error

    def _wait(self, error: TransientError, seconds: float) -> None:
        """Wait as long as the server asks, at least `seconds`.

        If the server asks to wait, or has too many requests, all downloads from it wait.
        """
        asked, longest = error.wait_seconds, self.shared.settings.longest_wait_seconds
        if asked is not None and asked > longest:
            detail = f"{error.detail}, asks to wait {asked:.0f} s"
            raise TransientError(error.reason, detail) from error
        seconds = max(seconds, asked or 0.0)
        if asked is not None or error.reason == "too_many_requests":
            self.host.not_before = max(self.host.not_before, time.monotonic() + seconds)
        self.shared.sleep(seconds)


def _request_rest(
    part: PartialFile,
    http: requests.Session,
    download: Download,
    settings: Downloads,
    address: str,
) -> Iterator[None]:
    """Request the missing bytes of a partial file; yield after every chunk, so the caller can stop.

    `address`: that of the download, or of its mirror.

    Raises TransientError where another attempt may succeed, ItemError where it cannot.
    """
    headers = part.request_headers(download)
    with closing(request(http, address, settings.timeout_seconds, headers)) as response:
        _begin(response, download, part, settings, asked="Range" in headers)
        most, excess = _byte_limit(download, part, settings)
        for chunk in body_chunks(response, settings.timeout_seconds):
            if part.size + len(chunk) > most:
                part.restart()
                raise ItemError(excess, f"more than {most} bytes")
            part.append(chunk)
            yield
    length = part.state.length if part.state else None
    if length is not None and part.size < length:
        raise TransientError("connection_lost", f"{part.size} of {length} bytes")


def _begin(
    response: requests.Response,
    download: Download,
    part: PartialFile,
    settings: Downloads,
    asked: bool,
) -> None:
    """Continue the partial file, or restart it, according to the answer."""
    if response.status_code == 206 and asked:
        length = _resume(response, download, part)
    elif response.status_code == 200:
        length = content_length(response.headers.get("Content-Length"))
        part.restart(PartialState.of(download.url, response.headers, length))
    elif response.status_code == 416 and asked:
        part.restart()
        raise TransientError("wrong_length", "HTTP 416: the file is shorter than before")
    else:
        raise error_of_response(response)
    _refuse_length(length, download, settings)
    _refuse_coding(response, download)


def _resume(response: requests.Response, download: Download, part: PartialFile) -> int | None:
    """Length of the file, if the answer continues the partial file."""
    where = content_range(response.headers.get("Content-Range"))
    start, length = where if where is not None else (-1, None)
    now = PartialState.of(download.url, response.headers, length)
    if start != part.size or part.state is None or not part.state.agrees(now):
        part.restart()
        raise TransientError(
            "wrong_length", "the server answered with another part, or of another file"
        )
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
    """Raise ItemError for a content coding that was not requested.

    Servers often label a .gz file as coded; its bytes are those of the file.
    """
    coding = response.headers.get("Content-Encoding", "identity")
    named = urlsplit(download.url).path.endswith((".gz", ".tgz"))
    if coding != "identity" and not named and download.sha256 is None:
        raise ItemError("bad_answer", f"coded as {coding[:40]!r} though identity was asked for")


def _byte_limit(download: Download, part: PartialFile, settings: Downloads) -> tuple[int, str]:
    """(largest number of bytes, reason if the file has more)."""
    stated = part.state.length if part.state else None
    expected = [size for size in (download.size, stated) if size is not None]
    if expected:
        return min(expected), "wrong_length"
    return settings.max_bytes, "too_large"
