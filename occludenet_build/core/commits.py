"""Finished clips are committed in groups: short clips do not each wait for the disk.

What is not committed is lost by a kill -9 and computed again: at most as many clips, and as many
seconds of work, as `bound_loss` sets, besides the clips in progress. A clip that takes longer is
committed at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from occludenet_build.core.files import publish_all


class Result(Protocol):
    """journal.ClipResult; the modules of tables are not needed to set the bound."""

    @property
    def row(self) -> dict[str, Any]:
        """The row of the clip."""


class Ledger(Protocol):
    """ledger.ShardLedger."""

    def commit(self, *results: Any) -> None:
        """Write finished clips together."""


@dataclass
class _Bound:
    """What a group has at most."""

    clips: int = 32
    seconds: float = 10.0


_bound = _Bound()


def bound_loss(clips: int, seconds: float) -> None:
    """Set the size of all later groups: clips, and seconds of work on them."""
    _bound.clips, _bound.seconds = clips, seconds


class Commits:
    """Commits finished clips to their ledgers: the files of a group first, then its rows.

    As a context manager it commits the last group at the end, also where an exception ends it.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._results: dict[Ledger, list[Result]] = {}
        self._files: list[Path] = []
        self._clips, self._seconds = 0, 0.0

    def add(self, parts: Iterable[tuple[Ledger, Result]], files: Collection[Path] = ()) -> None:
        """Add a finished clip, with a result in each of its ledgers, and commit a full group.

        `files`: those of the clip that have their temporary names (files.publish_all).
        """
        for ledger, result in parts:
            self._results.setdefault(ledger, []).append(result)
            self._seconds += result.row.get("seconds") or 0
        self._files += files
        self._clips += 1
        if self._clips >= _bound.clips or self._seconds >= _bound.seconds:
            self.commit()

    def commit(self) -> None:
        """Commit what was added: a row is written when the files that it names are on the disk."""
        results, written = self._results, self._files
        self._begin()  # a group that fails is not tried again
        if written:
            publish_all(written)
        for ledger, group in results.items():
            ledger.commit(*group)

    def __enter__(self) -> Commits:
        return self

    def __exit__(self, *_: object) -> None:
        self.commit()
