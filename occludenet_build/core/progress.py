"""Long work shows where it is: a bar on a terminal, plain lines in the log."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(
    items: Iterable[Item], total: int, unit: str, *, every_seconds: float = 10.0
) -> Iterator[Item]:
    """Pass items on and show done, rate and time left."""
    start = last = time.monotonic()
    bar = tqdm(total=total, unit=unit, disable=not sys.stderr.isatty(), leave=False)
    with bar:
        for done, item in enumerate(items, 1):
            yield item
            bar.update()
            now = time.monotonic()
            if now - last >= every_seconds or done == total:
                last = now
                line = tqdm.format_meter(done, total, now - start, unit=unit, ncols=0)
                _log_file_only(line) if not bar.disable else logging.info("%s", line)


def _log_file_only(line: str) -> None:
    record = logging.LogRecord("progress", logging.INFO, "", 0, line, None, None)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handle(record)


class ByteProgress:
    """Files that come in pieces, from several threads: how many, how fast, how long yet.

    `on_disk` counts what is here, earlier runs included, and goes down where a file is begun anew;
    `received` counts what the network brought, and makes the rate. One thread calls `show`.
    """

    def __init__(
        self, files: int | None, bytes_: int | None, *, every_seconds: float = 10.0
    ) -> None:
        self.files, self.bytes, self.every_seconds = files, bytes_, every_seconds
        self.done = self.on_disk = self.received = 0
        self._start = self._last = time.monotonic()
        self._lock = threading.Lock()
        on_terminal = sys.stderr.isatty()
        self._bar = tqdm(total=bytes_, unit="B", unit_scale=True, disable=not on_terminal)

    def count(self, on_disk: int, received: int = 0) -> None:
        """A change in bytes; any thread may call it."""
        with self._lock:
            self.on_disk += on_disk
            self.received += received

    def finished(self) -> None:
        self.done += 1
        self.show(last=self.done == self.files)

    def show(self, last: bool = False) -> None:
        """The bar, and a line if the time for one has come."""
        if not self._bar.disable:
            self._bar.n = self.on_disk
            self._bar.set_description_str(f"{self.done}/{self.files or '?'} files")
        now = time.monotonic()
        if last or now - self._last >= self.every_seconds:
            self._last = now
            line = self.line(now - self._start)
            logging.info("%s", line) if self._bar.disable else _log_file_only(line)

    def line(self, seconds: float) -> str:
        rate = self.received / seconds if seconds else 0.0
        left = self.seconds_left(seconds)
        return (
            f"{self.done}/{self.files or '?'} files, {tqdm.format_sizeof(self.on_disk)}B, "
            f"{tqdm.format_sizeof(rate)}B/s, "
            f"{'?' if left is None else tqdm.format_interval(left)} left"
        )

    def seconds_left(self, seconds: float) -> float | None:
        """By bytes where all sizes are known, else by files."""
        if self.bytes is not None and self.received:
            return max(0, self.bytes - self.on_disk) * seconds / self.received
        if self.files is not None and self.done:
            return (self.files - self.done) * seconds / self.done
        return None

    def close(self) -> None:
        self._bar.close()
