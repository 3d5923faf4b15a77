"""Progress of long operations: a bar on a terminal, plain lines in the log file."""

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
    """Yield the items and report the number done, the rate and the remaining time.

    `unit` names one item. A line is logged every `every_seconds` and at the end.
    """
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
    """Progress of downloads in several threads: files, bytes, rate and remaining time.

    `on_disk`: bytes stored so far, including earlier runs; decreases when a file is restarted.
    `received`: bytes received from the network, from which the rate follows. Only one thread may
    call `show`.
    """

    def __init__(
        self, files: int | None, bytes_: int | None, *, every_seconds: float = 10.0
    ) -> None:
        """`files`, `bytes_`: totals; None if unknown."""
        self.files, self.bytes, self.every_seconds = files, bytes_, every_seconds
        self.done = self.on_disk = self.received = 0
        self._start = self._last = time.monotonic()
        self._lock = threading.Lock()
        on_terminal = sys.stderr.isatty()
        self._bar = tqdm(total=bytes_, unit="B", unit_scale=True, disable=not on_terminal)

    def count(self, on_disk: int, received: int = 0) -> None:
        """Add bytes to `on_disk` and `received`; safe to call from any thread."""
        with self._lock:
            self.on_disk += on_disk
            self.received += received

    def finished(self) -> None:
        """Count one finished file."""
        self.done += 1
        self.show(last=self.done == self.files)

    def show(self, last: bool = False) -> None:
        """Update the bar, and log a line if `every_seconds` have passed or with `last`."""
        if not self._bar.disable:
            self._bar.n = self.on_disk
            self._bar.set_description_str(f"{self.done}/{self.files or '?'} files")
        now = time.monotonic()
        if last or now - self._last >= self.every_seconds:
            self._last = now
            line = self.line(now - self._start)
            logging.info("%s", line) if self._bar.disable else _log_file_only(line)

    def line(self, seconds: float) -> str:
        """The log line after `seconds` of run time."""
        rate = self.received / seconds if seconds else 0.0
        left = self.seconds_left(seconds)
        return (
            f"{self.done}/{self.files or '?'} files, {tqdm.format_sizeof(self.on_disk)}B, "
            f"{tqdm.format_sizeof(rate)}B/s, "
            f"{'?' if left is None else tqdm.format_interval(left)} left"
        )

    def seconds_left(self, seconds: float) -> float | None:
        """Estimated remaining time in seconds: from bytes if all sizes are known, else from files.

        None if nothing is done yet. `seconds`: run time so far.
        """
        if self.bytes is not None and self.received:
            return max(0, self.bytes - self.on_disk) * seconds / self.received
        if self.files is not None and self.done:
            return (self.files - self.done) * seconds / self.done
        return None

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()
