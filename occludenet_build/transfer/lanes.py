"""Which download may start next: in the order given, but never too many from one server."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from occludenet_build.transfer.item import Download

AHEAD = 1000
"""Downloads that are read ahead to find one of another server: memory stays bounded."""


class Lanes:
    def __init__(self, todo: Iterable[Download], per_host: int) -> None:
        self._source = iter(todo)
        self._per_host = per_host
        self._waiting: dict[str, deque[Download]] = {}
        self._count = 0
        self._active: Counter[str] = Counter()

    def next(self) -> Download | None:
        """The next one that may start now, or None."""
        for host in self._waiting:
            if self._active[host] < self._per_host:
                return self._start(self._taken(host))
        while self._count < AHEAD:
            item = next(self._source, None)
            if item is None:
                return None
            if self._active[item.host] < self._per_host:
                return self._start(item)
            self._waiting.setdefault(item.host, deque()).append(item)
            self._count += 1
        return None

    def done(self, item: Download) -> None:
        self._active[item.host] -= 1
        if not self._active[item.host]:
            del self._active[item.host]

    def _taken(self, host: str) -> Download:
        lane = self._waiting[host]
        item = lane.popleft()
        self._count -= 1
        if not lane:
            del self._waiting[host]
        return item

    def _start(self, item: Download) -> Download:
        self._active[item.host] += 1
        return item
