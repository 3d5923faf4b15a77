"""Choose an intact file among several files of a clip, and keep the results of the checks.

A check reads all packets of a file and decodes its first frame, as `transfer` does for a downloaded
video; `index` decodes all frames. A result is valid while size and times of the file are unchanged.
That the disk does not give a file now (it is away, sick or forbidden) is no result.

Checking a file takes less time than recording an item in the ledger. Therefore the items are
buckets of files, by a hash of the file name: about a thousand files each for all of Kinetics-400.
If a file of a bucket changes, only that file is checked again.
"""

from __future__ import annotations

import logging
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build.core import files, ledger, seeds, tables
from occludenet_build.core.errors import TRANSIENT, as_item_error
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.core.tables import column
from occludenet_build.media.video.probe import skim
from occludenet_build.sources.kinetics.clip import KineticsClip, RouteResult

_BUCKETS = 256
_FILES_PER_PROCESS = 50
"""Number of files that one process checks in the time in which another starts."""
_ROWS = pa.schema(ledger.STATUS)
_DETAIL = pa.schema(
    [
        column("clip", "string", "name of the bucket"),
        column("file", "string", "path of the file"),
        column("stamp", "string", "size and times of the file"),
        column("reason", "string", "reason of a fault, from core.errors.REASONS; null if intact"),
        column("detail", "string", "description of the fault; null if intact"),
    ]
)


@dataclass(frozen=True)
class Candidate:
    """A file that may be used for a clip."""

    path: Path
    origin: str
    """Archive or mirror of the file."""
    is_replacement: bool = False


def choose_candidates(
    candidates: Mapping[KineticsClip, list[Candidate]], folder: Path, threads: int
) -> Iterator[RouteResult]:
    """Yield a ClipResult for each clip, with the best of its files.

    Intact files come first, then replacements, then the order of names. The results of the checks
    are kept in <folder>/checks.
    """
    paths = [file.path for several in candidates.values() for file in several]
    known = _verdicts(paths, folder / "checks", threads)
    for clip, several in candidates.items():
        verdicts = {file: known[_ledger_name(file.path)] for file in several}
        sound = [file for file in several if verdicts[file].reason is None]
        best = min(sound or several, key=lambda file: (not file.is_replacement, str(file.path)))
        yield _found(clip, best, verdicts[best])


def _found(clip: KineticsClip, file: Candidate, verdict: _Verdict) -> RouteResult:
    if verdict.is_passing:
        return _lost(clip, file, verdict.reason, verdict.detail)
    try:
        size = file.path.stat().st_size
    except OSError as error:  # it went away after its check
        return _lost(clip, file, as_item_error(error).reason, ascii(error))
    if verdict.reason is not None:
        detail = verdict.detail
        return RouteResult(clip, "corrupt", verdict.reason, detail, file.origin, file.path, size)
    status = "replaced" if file.is_replacement else "present"
    return RouteResult(clip, status, origin=file.origin, path=file.path, bytes=size)


def _lost(
    clip: KineticsClip, file: Candidate, reason: str | None, detail: str | None
) -> RouteResult:
    return RouteResult(clip, "missing", reason, detail, file.origin, passing=True)


@dataclass(frozen=True)
class _Verdict:
    """The result of the check of one file, valid for this stamp."""

    file: str
    stamp: str
    reason: str | None = None
    """None if intact."""
    detail: str | None = None

    @property
    def is_passing(self) -> bool:
        """Whether the disk did not give the file: no fact about it, so it is checked again."""
        return self.reason in TRANSIENT


def _ledger_name(path: Path) -> str:
    """Absolute path of a file in UTF-8, whatever the encoding on disk."""
    return os.fsencode(path.absolute()).decode("utf-8", "backslashreplace")


def _verdicts(paths: Sequence[Path], store: Path, threads: int) -> dict[str, _Verdict]:
    """Name -> verdict. The ledger keeps finished buckets, also if the run is killed."""
    buckets: dict[str, dict[str, tuple[Path, str]]] = defaultdict(dict)
    for path in paths:
        name = _ledger_name(path)
        buckets[seeds.shard_of(name, _BUCKETS)][name] = path, _stamp(path)
    with ledger.locked_ledger(store, _ROWS, _DETAIL) as kept:
        due = [b for b in sorted(buckets) if kept.finished(b, _key(buckets[b])) is None]
        before = tables.ClipGroups(kept.detail_path)
        tasks = [_task(b, buckets[b], _read(before, b)) for b in due]
        before.close()
        for result in progress(_check_buckets(tasks, threads), len(tasks), "bucket"):
            kept.commit(result)
        others = [row["clip"] for row in kept.kept_rows() if row["clip"] not in buckets]
        kept.close([*sorted(buckets), *others])
        found = tables.ClipGroups(kept.detail_path)
        known = {v.file: v for b in buckets for v in _read(found, b) if v.file in buckets[b]}
        found.close()
    bad = sum(verdict.reason is not None for verdict in known.values())
    logging.info("%d files, %d of them not intact", len(known), bad)
    return known


def _stamp(path: Path) -> str:
    """Size, time, and time of the last status change of a file.

    A file that was unpacked again has the time of the archive, and may have its old size.
    """
    try:
        return f"{files.size_and_mtime(path)} {path.stat().st_ctime_ns}"
    except OSError:
        return "missing"


def _key(bucket: Mapping[str, tuple[Path, str]]) -> str:
    return files.short_hash(*(f"{name} {stamp}" for name, (_, stamp) in sorted(bucket.items())))


def _read(groups: tables.ClipGroups, bucket: str) -> list[_Verdict]:
    table = groups.read(bucket)
    rows = table.drop_columns(["clip"]).to_pylist() if table is not None else []
    return [_Verdict(**row) for row in rows]


@dataclass(frozen=True)
class _Task:
    """A bucket, and its files to check."""

    bucket: str
    key: str
    due: tuple[tuple[str, Path, str], ...]
    """(name, path, stamp) of each file to check."""
    known: tuple[_Verdict, ...]
    """Valid verdicts of other files of the bucket."""


def _check_buckets(tasks: Sequence[_Task], threads: int) -> Iterator[ledger.ClipResult]:
    count = sum(len(task.due) for task in tasks)
    logging.info("%d files to check", count)
    workers = min(threads, count // _FILES_PER_PROCESS)
    for row, found in in_processes(_check_bucket, tasks, workers):
        detail = [vars(verdict) | {"clip": row["clip"]} for verdict in found]
        yield ledger.ClipResult(row, tables.from_rows(detail, _DETAIL))


def _task(name: str, bucket: Mapping[str, tuple[Path, str]], known: list[_Verdict]) -> _Task:
    stamps = {file: stamp for file, (_, stamp) in bucket.items()}
    holds = tuple(v for v in known if stamps.get(v.file, v.stamp) == v.stamp and not v.is_passing)
    there = {verdict.file for verdict in holds}
    due = tuple((f, path, stamp) for f, (path, stamp) in bucket.items() if f not in there)
    return _Task(name, _key(bucket), due, holds)


def _check_bucket(task: _Task) -> tuple[dict[str, Any], list[_Verdict]]:
    start = time.monotonic()
    found = [*task.known, *(_check_file(*file) for file in task.due)]
    row: dict[str, Any] = {"clip": task.bucket, "status": "ok", "reason": None, "detail": None}
    passing = next((verdict for verdict in found if verdict.is_passing), None)
    if passing is not None:  # the next run takes up the bucket again
        row |= {"status": "failed", "reason": passing.reason, "detail": passing.detail}
    seconds = time.monotonic() - start
    row |= {"key": task.key, "seconds": seconds}
    return row, sorted(found, key=lambda verdict: verdict.file)


def _check_file(name: str, path: Path, stamp: str) -> _Verdict:
    try:
        skim(path)
    except Exception as error:
        found = as_item_error(error)
        return _Verdict(name, stamp, found.reason, found.detail or None)
    return _Verdict(name, stamp)
