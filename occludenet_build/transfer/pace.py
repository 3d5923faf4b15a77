"""Servers that ask to be left alone for a while: all downloads from one wait, the others go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """Any thread may call."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def pause(self, host: str, seconds: float) -> None:
        with self._lock:
            self._until[host] = max(self._until.get(host, 0.0), time.monotonic() + seconds)

    def wait(self, host: str, sleep: Callable[[float], None]) -> None:
        """Return when the host may be asked; `sleep` is called with the seconds until then."""
        while True:
            with self._lock:
                seconds = self._until.get(host, 0.0) - time.monotonic()
            if seconds <= 0:
                return
            sleep(seconds)
