"""Parallel downloads, one thread each, and the failure budget that stops them."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized

import requests

from occludenet_build.config.sources import Downloads
from occludenet_build.core.errors import DISK_FULL, UserError
from occludenet_build.core.progress import ByteProgress
from occludenet_build.sources.transfer import fetch
from occludenet_build.sources.transfer.connection import new_http_session
from occludenet_build.sources.transfer.download import Download, Outcome, redact

NETWORK_REASONS = ("timed_out", "connection_lost", "server_error", "too_many_requests")
"""Reasons that, several times in a row, mean that the network is down."""


def download_all(
    todo: Iterable[Download],
    settings: Downloads,
    *,
    total: int | None = None,
    failed_before: int = 0,
) -> Iterator[Outcome]:
    """Download everything in `todo`; yield one Outcome for each, in the order in which they end.

    `todo` may be lazy: download.parallel items are active at a time. At most download.per_host
    items of one server are transferred at a time; the others of that server wait and occupy their
    thread. `total` is the number of all items of the list, including finished ones, of which
    `failed_before` failed permanently in earlier runs; failures are counted as a share of it. It
    defaults to the length of `todo`, if that has one.

    Raises UserError when more than download.failure_budget fail, or when
    download.give_up_after downloads in a row fail because of the network, after it has yielded the
    last of them. Commit each outcome as it comes: when the iterator is closed, by an error or
    Ctrl-C, active downloads leave partial files that the next run resumes.
    With download.offline no connection is opened, nothing stops early, and missing files fail with
    the reason `offline`.
    """
    if total is None and isinstance(todo, Sized):
        total = len(todo) + failed_before
    if settings.offline:
        yield from _offline(todo)
        return
    budget, last_failure = FailureBudget(settings, total, failed_before), None
    for outcome in _outcomes(todo, settings, total):
        if outcome.status != "ok":
            last_failure = outcome
            _log_failure(outcome)
        yield outcome
        budget.count(outcome)
    budget.end(last_failure)


def _log_failure(outcome: Outcome) -> None:
    detail = f" ({outcome.detail})" if outcome.detail else ""
    logging.warning("%s: %s%s", redact(outcome.download.url), outcome.reason, detail)


def _offline(todo: Iterable[Download]) -> Iterator[Outcome]:
    for item in todo:
        found = fetch.finished_file(item)
        if found is not None:
            yield Outcome(item, "ok", bytes=found[0], sha256=found[1])
            continue
        missing = Outcome(item, "failed", "offline", f"wanted as {item.target}")
        _log_failure(missing)
        yield missing


def _outcomes(
    todo: Iterable[Download], settings: Downloads, total: int | None
) -> Iterator[Outcome]:
    progress = ByteProgress(total, _known_bytes(todo))
    workers = _Workers(fetch.DownloadRun(settings, progress.count))
    items = iter(todo)
    try:
        while True:
            while workers.busy < settings.parallel and (item := next(items, None)) is not None:
                workers.start(item)
            if not workers.busy:
                return
            outcome = workers.wait(progress.show)
            progress.finished()
            yield outcome
    finally:
        workers.stop()
        progress.close()


def _known_bytes(todo: Iterable[Download]) -> int | None:
    if not isinstance(todo, Sequence) or any(item.size is None for item in todo):
        return None
    return sum(item.size for item in todo)


class _Workers:
    """A daemon thread per download.

    Threads check `stopped` between two chunks, so Ctrl-C does not wait for a slow server.
    """

    def __init__(self, run: fetch.DownloadRun) -> None:
        self._run = run
        self._ended: queue.SimpleQueue[Outcome | BaseException] = queue.SimpleQueue()
        self._sessions: queue.SimpleQueue[requests.Session] = queue.SimpleQueue()
        self.busy = 0

    def start(self, item: Download) -> None:
        self.busy += 1
        threading.Thread(target=self._work, args=(item,), daemon=True).start()

    def wait(self, meanwhile: Callable[[], None]) -> Outcome:
        """Return the next outcome; raise here an exception of the thread, such as a full disk."""
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
        """Signal all threads to end, and wait up to 2 s for them."""
        self._run.stopped.set()
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
        try:
            http = self._sessions.get_nowait()
        except queue.Empty:
            http = new_http_session()
        try:
            self._ended.put(fetch.fetch_file(item, http, self._run))
        except BaseException as error:
            self._ended.put(error)
        finally:
            self._sessions.put(http)


def _for_the_user(error: BaseException) -> BaseException:
    """Convert OSError to UserError, except a full disk, which the command line reports."""
    if isinstance(error, OSError) and error.errno not in DISK_FULL:
        return UserError(f"downloads: cannot write {error.filename}: {error.strerror}")
    return error


class FailureBudget:
    """Counts failures and raises UserError when there are too many.

    `total` is the number of all items of the list, including those of earlier runs, of which
    `failed_before` failed permanently. Without a total, only `end` checks the share of failures.
    """

    def __init__(self, settings: Downloads, total: int | None, failed_before: int = 0) -> None:
        self._settings, self._total = settings, total
        self._failed, self._done, self._streak = failed_before, failed_before, 0
        self._reasons: Counter[str] = Counter()

    def count(self, outcome: Outcome) -> None:
        """Count an outcome. Raises UserError when the budget is spent, or the network is down."""
        self._done += 1
        if outcome.status == "ok":
            self._streak = 0
            return
        self._failed += 1
        self._reasons[outcome.reason or ""] += 1
        self._streak = self._streak + 1 if outcome.reason in NETWORK_REASONS else 0
        if self._streak >= self._settings.give_up_after:
            raise UserError(
                f"downloads: the last {self._streak} failed, {_last(outcome)}; is the network up? "
                "Start again later: what is finished is kept, and so is every part of a file"
            )
        if self._total is not None:
            self._refuse(self._total, outcome)

    def end(self, last_failure: Outcome | None) -> None:
        """Check the share of failures, where no total was known."""
        if self._total is None and last_failure is not None:
            self._refuse(self._done, last_failure)

    def _refuse(self, total: int, outcome: Outcome) -> None:
        if self._failed <= self._settings.failure_budget * total:
            return
        counts = ", ".join(f"{n} {reason}" for reason, n in self._reasons.most_common())
        raise UserError(
            f"downloads: {self._failed} of {total} failed, more than download.failure_budget "
            f"({self._settings.failure_budget:.1%}): {counts}; {_last(outcome)}. What is finished "
            "is kept: correct the list or raise the budget, and start again"
        )


def _last(outcome: Outcome) -> str:
    detail = f", {outcome.detail}" if outcome.detail else ""
    return f"the last {redact(outcome.download.url)} ({outcome.reason}{detail})"
