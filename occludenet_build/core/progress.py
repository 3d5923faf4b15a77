"""Long work shows where it is: a bar on a terminal, plain lines in the log."""

from __future__ import annotations

import logging
import sys
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
