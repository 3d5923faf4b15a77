"""Many downloads at once."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized

import requests

from occludenet_build.config import Downloads
from occludenet_build.core.errors import DISK_FULL, UserError
from occludenet_build.core.progress import ByteProgress
from occludenet_build.transfer import fetch, request
from occludenet_build.transfer.budget import Budget
from occludenet_build.transfer.item import Download, Outcome
from occludenet_build.transfer.lanes import Lanes


def download_all(
    todo: Iterable[Download],
    settings: Downloads,
    *,
    total: int | None = None,
    failed_before: int = 0,
) -> Iterator[Outcome]:
    """Fetch everything in `todo`: one Outcome for each, in the order in which they end.

    `todo` may be lazy: at most a thousand items are read ahead. `total` is what the share of
    failures is taken of: all items of the list, finished ones included, of which `failed_before`
    failed for good in earlier runs; it defaults to the length of `todo`, if that has one.

    Raises UserError when more than download.failure_budget fail or nothing gets through any more,
    after the outcome that made it so. Commit each outcome as it comes: when the iterator is closed,
    by an error or Ctrl-C, what is under way is left as a part that the next run goes on from.
    With download.offline no connection is opened, nothing stops early, and what is not there fails
    with the reason `offline`.
    """
    if total is None and isinstance(todo, Sized):
        total = len(todo) + failed_before
    if settings.offline:
        yield from _offline(todo)
        return
    budget, last_failure = Budget(settings, total, failed_before), None
    for outcome in _outcomes(todo, settings, total):
        if outcome.status != "ok":
            last_failure = outcome
            logging.warning("%s", fetch.line(outcome))
        yield outcome
        budget.count(outcome)
    budget.end(last_failure)


def _offline(todo: Iterable[Download]) -> Iterator[Outcome]:
    for item in todo:
        found = fetch.there(item)
        if found is not None:
            yield Outcome(item, "ok", bytes=found[0], sha256=found[1])
            continue
        missing = Outcome(item, "failed", "offline", f"wanted as {item.target}")
        logging.warning("%s", fetch.line(missing))
        yield missing


def _outcomes(
    todo: Iterable[Download], settings: Downloads, total: int | None
) -> Iterator[Outcome]:
    progress = ByteProgress(total, _known_bytes(todo))
    shared = fetch.Shared(settings, progress.count)
    workers = _Workers(shared)
    lanes = Lanes(todo, settings.per_host)
    try:
        while True:
            while workers.busy < settings.parallel and (item := lanes.next()) is not None:
                workers.start(item)
            if not workers.busy:
                return
            outcome = workers.wait(progress.show)
            lanes.done(outcome.download)
            progress.finished()
            yield outcome
    finally:
        workers.stop()
        progress.close()


def _for_the_user(error: BaseException) -> BaseException:
    """A folder that cannot be written to is one line; a full disk has its own at the door."""
    if isinstance(error, OSError) and error.errno not in DISK_FULL:
        return UserError(f"downloads: cannot write {error.filename}: {error.strerror}")
    return error


def _known_bytes(todo: Iterable[Download]) -> int | None:
    if not isinstance(todo, Sequence) or any(item.size is None for item in todo):
        return None
    return sum(item.size for item in todo)


class _Workers:
    """A thread per download. They are daemons and look at `stopped` between two pieces: Ctrl-C
    waits neither for a slow server nor for a long wait."""

    def __init__(self, shared: fetch.Shared) -> None:
        self._shared = shared
        self._ended: queue.SimpleQueue[Outcome | BaseException] = queue.SimpleQueue()
        self._sessions: queue.SimpleQueue[requests.Session] = queue.SimpleQueue()
        self.busy = 0

    def start(self, item: Download) -> None:
        self.busy += 1
        threading.Thread(target=self._work, args=(item,), daemon=True).start()

    def wait(self, meanwhile: Callable[[], None]) -> Outcome:
        """The next outcome; what goes wrong on this machine is raised here."""
        while True:
            try:
                ended = self._ended.get(timeout=1.0)
            except queue.Empty:
                meanwhile()
                continue
            self.busy -= 1
            if isinstance(ended, BaseException):
                raise _for_the_user(ended)
            return ended

    def stop(self) -> None:
        """Tell all to end, and give them a moment to."""
        self._shared.stopped.set()
        until = time.monotonic() + 2.0
        while self.busy and time.monotonic() < until:
            try:
                self._ended.get(timeout=0.1)
            except queue.Empty:
                continue
            self.busy -= 1
        while not self._sessions.empty():
            self._sessions.get().close()

    def _work(self, item: Download) -> None:
        http = self._session()
        try:
            self._ended.put(fetch.fetch(item, http, self._shared))
        except BaseException as error:
            self._ended.put(error)
        finally:
            self._sessions.put(http)

    def _session(self) -> requests.Session:
        try:
            return self._sessions.get_nowait()
        except queue.Empty:
            return request.session()
