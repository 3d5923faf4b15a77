"""Failed items of a build, each with what its job's log says of it, and the jobs that stopped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occludenet_build.tools.status.items import failed_rows
from occludenet_build.tools.status.jobs import Job

MOST_LINES = 3
"""Log lines per item."""
_LAST_LINES = 5
"""Last lines of the log of a stopped job."""


@dataclass(frozen=True)
class Failure:
    """A failed item; or a job that stopped, which has no item."""

    stage: str
    job: str
    item: str | None
    reason: str
    detail: str | None
    log: str
    """Path of the log below the build."""
    lines: tuple[str, ...]
    """The lines of the log that name the item, with their numbers; of a job, its last lines."""

    def text(self) -> str:
        """The failure as lines for people."""
        what = f"{self.job}: {self.item}: {self.reason}" if self.item else f"{self.job}: stopped"
        detail = f": {self.detail}" if self.detail else ""
        return "\n".join([what + detail, *(f"    {self.log}:{line}" for line in self.lines)])


def failures(build: Path, jobs: Iterable[Job]) -> Iterator[Failure]:
    """All failed items in the order of the stages, a job at a time; then stopped jobs as such."""
    for job in jobs:
        rows = list(failed_rows(build, job))
        names = {_name(row) for row in rows}
        found = _mentions(job.log, names) if rows else {}
        for row in rows:
            said = tuple(found.get(_name(row), ()))
            yield _failure(job, _name(row), row.get("reason") or "?", row.get("detail"), said)
        if job.state == "stopped":
            yield _failure(job, None, "stopped", None, tuple(_last(job.log)))


def _failure(
    job: Job, item: str | None, reason: str, detail: str | None, lines: tuple[str, ...]
) -> Failure:
    return Failure(job.planned.stage, job.name, item, reason, detail, job.planned.log, lines)


def _name(row: dict[str, Any]) -> str:
    """What identifies an item: its clip, or the file of a cut-out."""
    return next((str(row[k]) for k in ("clip", "occluder", "source", "file") if row.get(k)), "?")


def _mentions(log: Path, names: set[str]) -> dict[str, list[str]]:
    """Item -> the first lines of a log that name it."""
    found: dict[str, list[str]] = {}
    for number, line in _lines(log):
        # stages write `HH:MM:SS stage: ITEM: ...`; the rest of a line may name files
        words = {word for part in line.split(": ")[1:] for word in (part, *part.split())}
        for name in names & words:
            if len(found.setdefault(name, [])) < MOST_LINES:
                found[name].append(f"{number}: {line}")
    return found


def _last(log: Path) -> list[str]:
    kept: list[str] = []
    for number, line in _lines(log):
        kept = [*kept, f"{number}: {line}"][-_LAST_LINES:]
    return kept


def _lines(log: Path) -> Iterator[tuple[int, str]]:
    try:
        with open(log, errors="replace") as stream:
            for number, line in enumerate(stream, 1):
                yield number, line.rstrip("\n")
    except OSError:
        return
