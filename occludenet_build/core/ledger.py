"""Ledger of a shard: finished clips are identified by a key and are not computed again.

A stage that processes the clips of a shard keeps, in `<stage>/store/<shard>/`:

    journal/          finished clips: their rows and detail rows, in groups, each written
                      atomically (core.journal)
    rows.parquet      the rows of all clips of the last complete run
    detail.parquet    their detail rows, one row group per clip

The key of a clip is a hash of everything that determines its result: source, boxes, settings and
the version of the stage's results. If the columns of a stored row differ from the current schema,
the clip is computed again. Snakemake sees only the manifest `<stage>/<shard>.parquet`, a copy of
the rows without the values that differ between equal runs. Snakemake deletes the manifest before a
rerun; the store remains. A kill -9 loses at most the clips in progress and those of one group
(core.commits).
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from occludenet_build.core import tables
from occludenet_build.core.commits import Commits
from occludenet_build.core.errors import TRANSIENT, ItemError, as_item_error
from occludenet_build.core.files import folder_lock, replacing, short_hash
from occludenet_build.core.journal import ClipResult, Journal, log_damage
from occludenet_build.core.progress import progress
from occludenet_build.core.tables import column

STATUS = [
    column("clip", "string", "id of the source clip"),
    column("status", "string", "ok, skipped (not selected or not usable) or failed"),
    column("reason", "string", "why it is not ok, a key of core.errors.REASONS; null if ok"),
    column("detail", "string", "details of the reason; null if ok"),
    column("key", "string", "hash of everything that determines this row"),
    column("seconds", "float64", "wall-clock time of this clip, seconds"),
]
"""The first columns of every manifest."""


def attempt(
    row: dict[str, Any],
    make: Callable[[], tuple[dict[str, Any], pa.Table | None]],
    skipped: Collection[str] = (),
) -> ClipResult:
    """Process one clip: call `make`, which returns (columns, detail rows), and complete `row`.

    `row` holds the clip and its key. Any exception becomes the row's reason, with the status
    skipped for the reasons in `skipped` and failed for all others; only those that concern the
    whole job are raised (errors.as_item_error).
    """
    begun, detail = time.monotonic(), None
    try:
        columns, detail = make()
        row = row | {"status": "ok", "reason": None, "detail": None} | columns
    except Exception as error:
        row = row | failed_columns(error, skipped)
    return ClipResult(row | {"seconds": time.monotonic() - begun}, detail)


def failed_columns(error: Exception, skipped: Collection[str] = ()) -> dict[str, Any]:
    """Status, reason and detail of an item whose work ended with this exception.

    Raises `error` itself if it concerns the whole job (errors.as_item_error).
    """
    found = as_item_error(error)
    status = "skipped" if found.reason in skipped else "failed"
    return {"status": status, "reason": found.reason, "detail": found.detail or None}


def lost(row: dict[str, Any], error: ItemError) -> ClipResult:
    """The result of a clip whose worker had to be ended or died (core.pool)."""
    return ClipResult(row | failed_columns(error) | {"seconds": None})


def result_key(stage: str, version: str, settings: dict[str, Any], *inputs: str) -> str:
    """Key of one clip: hash of the stage, the version of its results, settings and input hashes."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return short_hash(stage, version, text, *inputs)


class ShardLedger:
    """The ledger of one shard of one stage.

    Create it with `locked_ledger`, which locks the store against a second writer. A file of the
    store that does not read is said and counts as absent: its clips are computed again.
    """

    def __init__(self, store: Path, rows: pa.Schema, detail: pa.Schema | None) -> None:
        self.store, self.row_schema, self.detail_schema = store, rows, detail
        self._journal = Journal(store / "journal", detail)
        self._kept = self._read_kept()

    @property
    def detail_path(self) -> Path:
        """Path of the table of detail rows."""
        return self.store / "detail.parquet"

    def _read_kept(self) -> dict[str, dict[str, Any]]:
        """Clip -> row of the last complete run; empty if its columns differ from the schema."""
        path = self.store / "rows.parquet"
        if not path.exists() or (self.detail_schema and not self.detail_path.exists()):
            return {}
        try:
            table = tables.read_file(path)
            damaged = self._damaged_clips()
        except tables.UNREADABLE as error:
            log_damage(self.store, error)
            self.detail_path.unlink(missing_ok=True)
            return {}
        if not table.schema.equals(self.row_schema):
            return {}
        return {row["clip"]: row for row in table.to_pylist() if row["clip"] not in damaged}

    def _damaged_clips(self) -> set[str]:
        """The clips whose detail rows do not read."""
        if self.detail_schema is None:
            return set()
        groups = tables.ClipGroups(self.detail_path)
        try:
            damaged = groups.damaged()
        finally:
            groups.close()
        if damaged:
            log_damage(self.detail_path, f"{len(damaged)} clips, first {min(damaged)}")
        return damaged

    def finished(self, clip: str, clip_key: str) -> dict[str, Any] | None:
        """The row of a clip that was finished with this key; None if it must be computed.

        A clip that failed for a temporary reason (TRANSIENT) counts as not finished.
        """
        row = self._journal.rows.get(clip) or self._kept.get(clip)
        if row is None or row["key"] != clip_key or row["reason"] in TRANSIENT:
            return None
        return row

    def commit(self, *results: ClipResult) -> None:
        """Write finished clips to the journal, as one entry."""
        self._journal.add(results)

    def kept_rows(self) -> list[dict[str, Any]]:
        """The rows of the last complete run.

        Used to remove the files of clips that no longer exist.
        """
        return list(self._kept.values())

    def interrupted_rows(self) -> list[dict[str, Any]]:
        """The rows of a run that was killed: the journal, before `commit` changes it.

        With `kept_rows` they name all files that earlier runs have written.
        """
        return self._journal.before

    def results(self, order: list[str]) -> list[dict[str, Any]]:
        """The rows of the clips in `order`, all of which are computed."""
        return [self._journal.rows.get(clip) or self._kept[clip] for clip in order]

    def close(self, order: list[str], manifest: Path | None = None) -> pa.Table:
        """Merge the journal into the store and write the manifest of the clips in `order`.

        The column `seconds` is null in the manifest, so that equal results give equal bytes; the
        store keeps the times. Returns the rows with the times.
        """
        rows = self.results(order)
        if self.detail_schema is not None:
            self._merge_detail(order)
        table = tables.from_rows(rows, self.row_schema)
        tables.write_table(table, self.store / "rows.parquet")
        self._journal.remove()
        if manifest is not None:
            tables.write_table(_without_times(table), manifest)
        return table

    def _merge_detail(self, order: list[str]) -> None:
        # One clip at a time, so that memory does not grow with the shard.
        old = tables.ClipGroups(self.detail_path)
        with replacing(self.detail_path) as temporary:
            with pq.ParquetWriter(
                temporary, self.detail_schema, compression="zstd", write_page_checksum=True
            ) as writer:
                for clip in order:
                    is_new = clip in self._journal.rows
                    part = self._journal.detail(clip) if is_new else old.read(clip)
                    if part is not None and len(part):
                        part = tables.in_schema(part, self.detail_schema)
                        writer.write_table(part, row_group_size=len(part))
        old.close()


def _without_times(table: pa.Table) -> pa.Table:
    at = table.schema.get_field_index("seconds")
    return table.set_column(at, table.schema.field(at), pa.nulls(len(table), pa.float64()))


@contextmanager
def locked_ledger(
    store: Path, rows: pa.Schema, detail: pa.Schema | None = None
) -> Iterator[ShardLedger]:
    """Open the ledger of one shard and lock its store until the block ends."""
    with folder_lock(store):
        yield ShardLedger(store, rows, detail)


def work_through(
    ledger: ShardLedger,
    todo: dict[str, str],
    make: Callable[[list[str]], Iterator[ClipResult]],
    intact: Callable[[dict[str, Any]], bool] = lambda row: True,
) -> None:
    """Compute and commit the clips that are not finished.

    `todo` maps each clip to its key, `make` takes clips and yields one ClipResult per clip, and
    `intact(row)` tells whether the files of a finished clip still exist.
    """
    due = unfinished_clips(ledger, todo, intact)
    with Commits() as commits:
        for result in progress(make(due), len(due), "clip") if due else ():
            log_unexpected(result.row)
            commits.add([(ledger, result)])


def log_unexpected(row: dict[str, Any]) -> None:
    """Log a row whose reason nobody foresaw, at once, with the name of the clip."""
    if row.get("reason") in ("internal", "defect", "worker_killed", "crashed", "too_slow"):
        logging.warning("%s: %s: %s", row["clip"], row["reason"], row["detail"])


def unfinished_clips(
    ledger: ShardLedger, todo: dict[str, str], intact: Callable[[dict[str, Any]], bool]
) -> list[str]:
    """The clips of `todo` (clip -> key) that are not finished or whose files no longer exist."""
    rows = {clip: ledger.finished(clip, clip_key) for clip, clip_key in todo.items()}
    due = [clip for clip, row in rows.items() if row is None or not intact(row)]
    known = len(todo) - len(due)
    logging.info("%d clips, %d finished before, %d to do", len(todo), known, len(due))
    return due


def mark_duplicates(rows: list[dict[str, Any]]) -> None:
    """Skip files with the content of another: they could leak between splits.

    The first clip by name stays.
    """
    first: dict[str, str] = {}
    for row in sorted(rows, key=lambda r: r["clip"]):
        if row["status"] != "ok":
            continue
        if first.setdefault(row["sha256"], row["clip"]) != row["clip"]:
            row |= {"status": "skipped", "reason": "duplicate"}
            row["detail"] = f"same bytes as {first[row['sha256']]}"


def log_summary(table: pa.Table) -> None:
    """Log one line with the number of clips per status and reason."""
    counts = Counter(
        row["status"] if row["status"] == "ok" else f"{row['status']}: {row['reason']}"
        for row in table.select(["status", "reason"]).to_pylist()
    )
    logging.info("%s", ", ".join(f"{n} {what}" for what, n in sorted(counts.items())) or "0 clips")
