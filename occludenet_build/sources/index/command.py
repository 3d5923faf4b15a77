"""The command line of index; the package's docstring is its contract.

Which videos are searched for people: the first of each class and split, or a release's.
"""

from __future__ import annotations

import argparse
import logging
import math
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build import config as cfg
from occludenet_build.config import Config
from occludenet_build.core import files, ledger, seeds, tables
from occludenet_build.release.published import match, read
from occludenet_build.sources.index import INDEX, SHARD
from occludenet_build.sources.index.facts import probe_videos


def draw(rows: list[dict[str, Any]], config: Config) -> None:
    """Set shard, rank and candidate; the order is a hash, so no video moves another's shard."""
    cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row["status"] == "ok":
            row["shard"] = seeds.shard_of(row["clip"], config.index.shards)
            cells.setdefault((row["split"], row["label"]), []).append(row)
    for (split, _), members in cells.items():
        quota = getattr(config.select.quota, split)
        limit = math.inf if quota is None else math.ceil(config.index.oversample * quota)
        members.sort(key=lambda r: seeds.draw(config.seed, r["clip"]))
        for rank, row in enumerate(members):
            row |= {"rank": rank, "candidate": rank < limit}


def mark_published(rows: list[dict[str, Any]], release: str | None) -> None:
    """The candidates are the usable videos that a release names, whatever the quota."""
    choice = match(read(release), rows)
    there = {video["clip"] for _, video in choice if video is not None}
    for row in rows:
        if row["status"] == "ok":
            row["candidate"] = row["clip"] in there
    logging.info("%d published source clips, %d among the videos", len(choice), len(there))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--videos", type=Path, required=True, help="table of the room acquire")
    parser.add_argument("--out", type=Path, required=True, help="index/videos.parquet")
    parser.add_argument("--threads", type=int, default=1, help="worker processes")


def run(args: argparse.Namespace, config: cfg.Config) -> None:
    listed = tables.read_rows(args.videos)
    facts = probe_videos(
        [row for row in listed if row["status"] == "ok"],
        config.index,
        args.out.parent / "store" / "all",
        args.threads,
    )
    rows = [_merge(row, facts.get(row["clip"])) for row in listed]
    mark_duplicates(rows)
    draw(rows, config)
    if config.select.assignment == "published":
        mark_published(rows, config.select.published)
    table = tables.from_rows(rows, INDEX)
    tables.write(table, args.out)
    _write_shards(rows, args.out.parent / "shards", config.index.shards)
    ledger.log_summary(table)


def _merge(listed: dict[str, Any], facts: dict[str, Any] | None) -> dict[str, Any]:
    """One row; the time stamp in the ledger's key gives way to the content."""
    row = listed | (facts or {})
    row["key"] = files.short_hash(row["clip"], row.get("sha256") or row.get("reason") or "")
    row["seconds"] = None
    return row


def mark_duplicates(rows: list[dict[str, Any]]) -> None:
    """The same bytes under two names would stand in two splits: the first name keeps them."""
    first: dict[str, str] = {}
    for row in sorted(rows, key=lambda r: r["clip"]):
        if row["status"] != "ok":
            continue
        if first.setdefault(row["sha256"], row["clip"]) != row["clip"]:
            row |= {"status": "skipped", "reason": "duplicate"}
            row["detail"] = f"same bytes as {first[row['sha256']]}"


def _write_shards(rows: list[dict[str, Any]], folder: Path, shards: int) -> None:
    # A rank depends on the other videos: it stays out, or one more video would touch all shards.
    names = [name for name in SHARD.names if name not in ("rank", "candidate")]
    schema = pa.schema([SHARD.field(name) for name in names])
    for shard in seeds.shard_names(shards):
        mine = [r for r in rows if r["status"] == "ok" and r["candidate"] and r["shard"] == shard]
        plain = [{name: row.get(name) for name in names} for row in mine]
        tables.write_if_changed(tables.from_rows(plain, schema), folder / f"{shard}.parquet")
