"""Which of several files of a clip is taken: a sound one. Whether files are sound is remembered.

A file is read to its end and its first frame decoded, as `transfer` does for a video that it
fetches; that all frames decode is found out by `index`. A verdict holds while size and times of the
file are the same.

Reading a file takes less time than recording a finished item, so the items of the ledger are
buckets of files, by a hash of the name: about a thousand files each for all of Kinetics-400. Of a
bucket in which something has changed only the files that have changed are read.
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
from occludenet_build.core.errors import ItemError
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.core.tables import column
from occludenet_build.media.video.probe import skim
from occludenet_build.sources.kinetics.clip import ClipResult, KineticsClip

_BUCKETS = 256
_FILES_PER_PROCESS = 50
"""Files that are read in the time in which a process starts."""
_ROWS = pa.schema(ledger.STATUS)
_DETAIL = pa.schema(
    [
        column("clip", "string", "bucket that the file's name falls into"),
        column("file", "string", "path"),
        column("stamp", "string", "its size in bytes and its times"),
        column("reason", "string", "why it is not sound, from core.errors.REASONS; null if it is"),
        column("detail", "string", "what exactly"),
    ]
)


@dataclass(frozen=True)
class Candidate:
    """A file that may be a clip's."""

    path: Path
    origin: str
    """Archive or mirror that it comes from."""
    is_replacement: bool = False


def choose_candidates(
    candidates: Mapping[KineticsClip, list[Candidate]], folder: Path, threads: int
) -> Iterator[ClipResult]:
    """A Found for each clip: its file is a sound one, of those a replacement, of those the first
    by name. What was found of the files is kept in <folder>/checks."""
    paths = [file.path for several in candidates.values() for file in several]
    known = _verdicts(paths, folder / "checks", threads)
    for clip, several in candidates.items():
        told = {file: known[_ledger_name(file.path)] for file in several}
        sound = [file for file in several if told[file].reason is None]
        best = min(sound or several, key=lambda file: (not file.is_replacement, str(file.path)))
        yield _found(clip, best, told[best])


def _found(clip: KineticsClip, file: Candidate, verdict: _Verdict) -> ClipResult:
    if verdict.reason == "missing":
        return ClipResult(clip, "missing", verdict.reason, verdict.detail, file.origin)
    size = file.path.stat().st_size
    if verdict.reason is not None:
        detail = verdict.detail
        return ClipResult(clip, "corrupt", verdict.reason, detail, file.origin, file.path, size)
    status = "replaced" if file.is_replacement else "present"
    return ClipResult(clip, status, origin=file.origin, path=file.path, bytes=size)


@dataclass(frozen=True)
class _Verdict:
    """Of one file, with this stamp."""

    file: str
    stamp: str
    reason: str | None = None
    """None: sound."""
    detail: str | None = None


def _ledger_name(path: Path) -> str:
    """A file's name here: UTF-8, whatever the disk has."""
    return os.fsencode(path.absolute()).decode("utf-8", "backslashreplace")


def _verdicts(paths: Sequence[Path], store: Path, threads: int) -> dict[str, _Verdict]:
    """Name -> verdict. Finished buckets are known to the next run, also after a kill."""
    buckets: dict[str, dict[str, tuple[Path, str]]] = defaultdict(dict)
    for path in paths:
        name = _ledger_name(path)
        buckets[seeds.shard_of(name, _BUCKETS)][name] = path, _stamp(path)
    with ledger.hold(store, _ROWS, _DETAIL) as kept:
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
    logging.info("%d files, %d of them not sound", len(known), bad)
    return known


def _stamp(path: Path) -> str:
    """With the time of the last change of any kind: what is unpacked again has the archive's time,
    and may be the same size, though now it is whole."""
    try:
        return f"{files.stamp(path)} {path.stat().st_ctime_ns}"
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
    """A bucket, with the files that are to be looked at."""

    bucket: str
    key: str
    due: tuple[tuple[str, Path, str], ...]
    """Name, path, stamp."""
    known: tuple[_Verdict, ...]
    """Those of its other files, and of files that another selection has asked for."""


def _check_buckets(tasks: Sequence[_Task], threads: int) -> Iterator[ledger.Result]:
    count = sum(len(task.due) for task in tasks)
    logging.info("%d files to look at", count)
    workers = min(threads, count // _FILES_PER_PROCESS)
    for row, found in in_processes(_check_bucket, tasks, workers):
        detail = [vars(verdict) | {"clip": row["clip"]} for verdict in found]
        yield ledger.Result(row, tables.from_rows(detail, _DETAIL))


def _task(name: str, bucket: Mapping[str, tuple[Path, str]], known: list[_Verdict]) -> _Task:
    stamps = {file: stamp for file, (_, stamp) in bucket.items()}
    holds = tuple(v for v in known if stamps.get(v.file, v.stamp) == v.stamp)
    there = {verdict.file for verdict in holds}
    due = tuple((f, path, stamp) for f, (path, stamp) in bucket.items() if f not in there)
    return _Task(name, _key(bucket), due, holds)


def _check_bucket(task: _Task) -> tuple[dict[str, Any], list[_Verdict]]:
    start = time.monotonic()
    found = [*task.known, *(_check_file(*file) for file in task.due)]
    row = {"clip": task.bucket, "status": "ok", "reason": None, "detail": None, "key": task.key}
    seconds = time.monotonic() - start
    return row | {"seconds": seconds}, sorted(found, key=lambda verdict: verdict.file)


def _check_file(name: str, path: Path, stamp: str) -> _Verdict:
    try:
        skim(path)
    except ItemError as error:
        return _Verdict(name, stamp, error.reason, error.detail or None)
    except (OSError, ValueError) as error:  # a disk or a name that does not read
        return _Verdict(name, stamp, "unreadable", ascii(error))
    return _Verdict(name, stamp)
