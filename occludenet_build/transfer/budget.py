"""When too much fails, the whole stops with one line instead of failing to its end."""

from __future__ import annotations

from collections import Counter

from occludenet_build.config import Downloads
from occludenet_build.core.errors import UserError
from occludenet_build.transfer.item import Outcome, shown

NETWORK = ("timed_out", "connection_lost", "server_error", "too_many_requests")
"""Reasons that, one after another, mean that nothing gets through."""


class Budget:
    """`total` counts all items of the list, those of earlier runs included; `failed_before` those
    of them that failed for good. Without a total the share is known at the end only."""

    def __init__(self, settings: Downloads, total: int | None, failed_before: int = 0) -> None:
        self._settings, self._total = settings, total
        self._failed, self._done, self._streak = failed_before, failed_before, 0
        self._reasons: Counter[str] = Counter()

    def count(self, outcome: Outcome) -> None:
        """Raises UserError when the budget is spent, or nothing gets through any more."""
        self._done += 1
        if outcome.status == "ok":
            self._streak = 0
            return
        self._failed += 1
        self._reasons[outcome.reason or ""] += 1
        self._streak = self._streak + 1 if outcome.reason in NETWORK else 0
        if self._streak >= self._settings.give_up_after:
            raise UserError(
                f"downloads: the last {self._streak} failed, {_last(outcome)}; is the network up? "
                "Start again later: what is finished is kept, and so is every part of a file"
            )
        if self._total is not None:
            self._refuse(self._total, outcome)

    def end(self, last_failure: Outcome | None) -> None:
        """The verdict where no total was known."""
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
    return f"the last {shown(outcome.download.url)} ({outcome.reason}{detail})"
