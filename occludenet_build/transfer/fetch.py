"""One download from beginning to end: attempts, waits, checks, and the file put in its place."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from occludenet_build.config import Downloads
from occludenet_build.core.errors import ItemError
from occludenet_build.transfer import part as parts
from occludenet_build.transfer.answer import Passing
from occludenet_build.transfer.checks import verified
from occludenet_build.transfer.item import Download, Outcome, refuse, shown
from occludenet_build.transfer.pace import Pace
from occludenet_build.transfer.request import into_part

ENOUGH = 1 << 20
"""So many bytes further than ever before make the attempts count anew: a large file loses many
connections."""


@dataclass(frozen=True)
class Shared:
    """What the downloads of one run have in common."""

    settings: Downloads
    counted: Callable[[int, int], None]
    """Is told of changes: (bytes on disk, bytes received)."""
    stopped: threading.Event = field(default_factory=threading.Event)
    pace: Pace = field(default_factory=Pace)


def fetch(download: Download, http: requests.Session, shared: Shared) -> Outcome:
    """Raises Stopped if the run ends, OSError if the disk does not take the file."""
    work = _Fetch(download, http, shared)
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


def there(download: Download) -> tuple[int, str] | None:
    """(bytes, sha256) of the file at the target if it is what is wanted."""
    try:
        return verified(download, download.target)
    except ItemError:
        return None


class _Fetch:
    def __init__(self, download: Download, http: requests.Session, shared: Shared) -> None:
        self.download, self.http, self.shared = download, http, shared
        self.attempts = self.received = 0
        self._judged_joined = False

    def run(self) -> tuple[int, str]:
        refuse(self.download.url)
        found = self._there()
        if found is not None:
            return found
        with parts.held(self.download, self.shared.counted, self.shared.stopped) as part:
            # another process may have finished it while this one waited for the lock
            found = self._there()
            if found is not None:
                part.discard()
                return found
            return self._from(part)

    def _there(self) -> tuple[int, str] | None:
        found = there(self.download)
        if found is not None:
            self.shared.counted(found[0], 0)
            parts.tidy(self.download)
        return found

    def _from(self, part: parts.Part) -> tuple[int, str]:
        """The finished file. What cannot become it is thrown away, the rest kept for later."""
        try:
            found = self._fill(part)
        except (Passing, parts.Stopped):
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

    def _fill(self, part: parts.Part) -> tuple[int, str]:
        tried, furthest = 0, part.size
        while True:
            try:
                self._attempt(part)
                return self._checked(part)
            except Passing as error:
                if part.size >= furthest + ENOUGH:
                    tried, furthest = 0, part.size
                if tried == self.shared.settings.retries:
                    raise
                self._wait(error, tried)
                tried += 1

    def _attempt(self, part: parts.Part) -> None:
        if part.whole:
            return
        self.shared.pace.wait(self.download.host, self._sleep)
        self.attempts += 1
        try:
            for _ in into_part(self.http, self.download, part, self.shared.settings):
                if self.shared.stopped.is_set():
                    raise parts.Stopped
        finally:
            part.flush()

    def _checked(self, part: parts.Part) -> tuple[int, str]:
        """A file that came in one piece is judged; one that was joined is fetched anew once."""
        try:
            return verified(self.download, part.path)
        except ItemError as error:
            if not part.spliced or self._judged_joined:
                raise
            self._judged_joined = True
            part.restart()
            raise Passing(error.reason, error.detail) from error

    def _wait(self, error: Passing, tried: int) -> None:
        """As long as the server asks, else twice as long as the last time, give or take a half."""
        settings = self.shared.settings
        seconds = min(settings.backoff_seconds * 2 ** min(tried, 30), settings.longest_wait_seconds)
        seconds *= random.uniform(0.5, 1.5)
        if error.wait_seconds is not None:
            if error.wait_seconds > settings.longest_wait_seconds:
                detail = f"{error.detail}, asks to wait {error.wait_seconds:.0f} s"
                raise Passing(error.reason, detail) from error
            seconds = max(seconds, error.wait_seconds)
        if error.wait_seconds is not None or error.reason == "too_many_requests":
            self.shared.pace.pause(self.download.host, seconds)
        self._sleep(seconds)

    def _sleep(self, seconds: float) -> None:
        if self.shared.stopped.wait(seconds):
            raise parts.Stopped


def line(outcome: Outcome) -> str:
    """A failure for people."""
    detail = f" ({outcome.detail})" if outcome.detail else ""
    return f"{shown(outcome.download.url)}: {outcome.reason}{detail}"
