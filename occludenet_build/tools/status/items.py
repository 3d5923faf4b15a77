"""Finished and failed items of a job: in its tables, or in the journal of a job in progress.

Tables are read without core.tables, which would ask the workflow to make a damaged one again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from occludenet_build.core import tables
from occludenet_build.core.build import store_folder
from occludenet_build.core.journal import peek
from occludenet_build.tools.status.jobs import Job, Log, read_log

MOST_ENTRIES = 2000
"""Entries of a journal that are read for their reasons; all are counted."""

_BEGUN = re.compile(r": (\d+) clips, (\d+) finished before, (\d+) to do$", re.M)
_METER = re.compile(r"\b(\d+)/(\d+) \[\d")


@dataclass
class Tally:
    """Items of a job or a stage."""

    total: int | None = 0
    """All items; None if that is not known."""
    done: int = 0
    """Those with a result, whatever it is."""
    reused: int = 0
    """Those of `done` that an earlier run of the same job had finished."""
    failed: Counter[str] = field(default_factory=Counter)
    """Reason -> items that failed, in any table of the job."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Reason -> items that were left out, in the first table of the job."""

    def add(self, other: Tally) -> None:
        """Add the items of another job."""
        known = self.total is not None and other.total is not None
        self.total = (self.total or 0) + (other.total or 0) if known else None
        self.done, self.reused = self.done + other.done, self.reused + other.reused
        self.failed += other.failed
        self.skipped += other.skipped


Counts = Counter[tuple[str, str | None]]
"""(status, reason) -> rows."""


class TableCounts:
    """Counts of rows by status and reason, read again only when a table has changed."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int], Counts | None]] = {}
        self.damaged: set[Path] = set()

    def read(self, path: Path) -> Counts | None:
        """The counts of a table; None if it has no status, is missing or does not read."""
        try:
            stat = path.stat()
        except OSError:
            return None
        stamp = stat.st_mtime_ns, stat.st_size
        if path not in self._known or self._known[path][0] != stamp:
            self._known[path] = stamp, self._count(path)
        return self._known[path][1]

    def _count(self, path: Path) -> Counts | None:
        self.damaged.discard(path)
        try:
            with pq.ParquetFile(path) as file:
                if not {"status", "reason"} <= set(file.schema_arrow.names):
                    return None
                counts: Counts = Counter()
                for batch in file.iter_batches(columns=["status", "reason"]):
                    counts.update(zip(*(c.to_pylist() for c in batch.columns), strict=True))
                return counts
        except tables.UNREADABLE:
            self.damaged.add(path)
            return None


def tables_of(build: Path, job: Job) -> list[Path]:
    """The Parquet tables that a job writes."""
    return [build / path for path in job.planned.outputs if path.endswith(".parquet")]


def tally(build: Path, job: Job, counted: TableCounts, expected: int | None) -> Tally | None:
    """The items of a job; None if its stage has none.

    `expected`: the number of its items by the table that it reads; None if that is not known.
    """
    if job.state == "done":
        return _finished(build, job, counted)
    if job.state in ("waiting", "queued"):
        kept, _ = _journal(build, job, most=0)  # of a run that was killed
        return Tally(expected, kept, kept) if kept or expected is not None else None
    return _in_progress(build, job, read_log(job.log), expected)


def _finished(build: Path, job: Job, counted: TableCounts) -> Tally | None:
    found = [c for path in tables_of(build, job) if (c := counted.read(path)) is not None]
    if not found:
        return None
    number = found[0].total()
    result = Tally(number, number)
    for (status, reason), rows in found[0].items():
        if status == "skipped":
            result.skipped[reason or "?"] += rows
    for counts in found:
        for (status, reason), rows in counts.items():
            if status == "failed":
                result.failed[reason or "?"] += rows
    return result


def _in_progress(build: Path, job: Job, log: Log, expected: int | None) -> Tally | None:
    """The items of a job that runs or was stopped, by its log and its journal."""
    begun, meters = _BEGUN.search(log.text), _METER.findall(log.text)
    entries, rows = _journal(build, job)
    if begun is None and not entries:
        return Tally(expected) if expected is not None else None
    total, reused = (int(begun[1]), int(begun[2])) if begun else (expected, 0)
    logged = reused + (int(meters[-1][0]) if begun and meters else 0)
    done = max(logged, entries)
    result = Tally(total, done if total is None else min(total, done), min(reused, done))
    for row in rows:
        kind = {"failed": result.failed, "skipped": result.skipped}.get(row.get("status", ""))
        if kind is not None:
            kind[row.get("reason") or "?"] += 1
    return result


def _journal(build: Path, job: Job, most: int = MOST_ENTRIES) -> tuple[int, list[dict[str, Any]]]:
    """(clips in the journal of a job's first table, the rows of at most `most` of them)."""
    stores = stores_of(build, job)
    return peek(stores[0], most) if stores else (0, [])


def stores_of(build: Path, job: Job) -> list[Path]:
    """The stores of a job: those of its shard, or the one for all items."""
    manifests = tables_of(build, job) or [build / job.name]
    stores = [store_folder(path) for path in manifests]
    stores += [path.parent / "store" / "all" for path in manifests[:1]]
    return [store for store in stores if store.is_dir()]


def share_done(job: Job) -> float:
    """How much of a job without items is done, 0 to 1, by the meter in its log."""
    if job.state == "done":
        return 1.0
    meters = _METER.findall(read_log(job.log).text) if job.state == "running" else []
    return min(1.0, int(meters[-1][0]) / max(1, int(meters[-1][1]))) if meters else 0.0


def failed_rows(build: Path, job: Job) -> Iterator[dict[str, Any]]:
    """The rows of the items of a job that failed, with their table; damaged tables have none."""
    if job.state != "done":
        for store in stores_of(build, job):
            _, rows = peek(store, MOST_ENTRIES)
            yield from (row for row in rows if row.get("status") == "failed")
        return
    for path in tables_of(build, job):
        try:
            with pq.ParquetFile(path) as file:
                names = file.schema_arrow.names
                if not {"status", "reason"} <= set(names):
                    continue
                wanted = ["clip", "occluder", "source", "file", "status", "reason", "detail"]
                for batch in file.iter_batches(columns=[n for n in wanted if n in names]):
                    yield from (r for r in batch.to_pylist() if r["status"] == "failed")
        except tables.UNREADABLE:
            continue
