"""Command line of index, and the choice of candidates.

The docstring of the package documents inputs and outputs.
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
from occludenet_build.core.failures import check_items
from occludenet_build.release.published import match_videos, read_published
from occludenet_build.sources.index import INDEX, SHARD
from occludenet_build.sources.index.facts import probe_videos


def draw_candidates(rows: list[dict[str, Any]], config: Config) -> None:
    """Set shard, rank and candidate of the usable rows, in place.

    A hash gives shard and order, so that adding a video moves no other video to another shard.
    """
    cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row["status"] == "ok":
            row["shard"] = seeds.shard_of(row["clip"], config.index.shards)
            cells.setdefault((row["split"], row["label"]), []).append(row)
    for (split, _), members in cells.items():
        quota = getattr(config.select.quota, split)
        limit = math.inf if quota is None else math.ceil(config.index.oversample * quota)
        members.sort(key=lambda r: seeds.selection_key(config.seed, r["clip"]))
        for rank, row in enumerate(members):
            row |= {"rank": rank, "candidate": rank < limit}


def mark_published(rows: list[dict[str, Any]], release: str | None) -> None:
    """Make the usable videos that a release names the candidates, whatever the quota."""
    pairs = match_videos(read_published(release), rows)
    matched = {video["clip"] for _, video in pairs if video is not None}
    for row in rows:
        if row["status"] == "ok":
            row["candidate"] = row["clip"] in matched
    logging.info("%d published source clips, %d among the videos", len(pairs), len(matched))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the stage."""
    parser.add_argument("--videos", type=Path, required=True, help="table of the stage acquire")
    parser.add_argument("--out", type=Path, required=True, help="index/videos.parquet")
    parser.add_argument("--threads", type=int, default=1, help="worker processes")


def run(args: argparse.Namespace, config: cfg.Config) -> None:
    """Probe the videos, choose the candidates, and write the index and its shards."""
    listed = tables.read_rows(args.videos)
    facts = probe_videos(
        [row for row in listed if row["status"] == "ok"],
        config.index,
        args.out.parent / "store" / "all",
        args.threads,
    )
    check_items("index", facts.values(), args.out, config.failures)
    # each as it is merged: 300,000 rows of facts are 0.7 GB
    rows = [_merge(row, facts.pop(row["clip"], None)) for row in listed]
    ledger.mark_duplicates(rows)
    draw_candidates(rows, config)
    if config.select.assignment == "published":
        mark_published(rows, config.select.published)
    table = tables.from_rows(rows, INDEX)
    tables.write_table(table, args.out)
    _write_shards(rows, args.out.parent / "shards", config.index.shards)
    ledger.log_summary(table)
    _log_damage(rows)


def _log_damage(rows: list[dict[str, Any]]) -> None:
    """Log what is usable, but not whole: concealed frames, and sound that is left out."""
    usable = [row for row in rows if row["status"] == "ok"]
    for column, what in (
        ("corrupt_frames", "frames in which the decoder concealed damage"),
        ("audio_unknown", "sound streams in a codec that is not known here, which are left out"),
    ):
        found = [row for row in usable if row[column]]
        if found:
            logging.warning(
                "%d of %d videos have %s, %d in all, first %s",
                *(len(found), len(usable), what, sum(row[column] for row in found)),
                found[0]["clip"],
            )


def _merge(listed: dict[str, Any], facts: dict[str, Any] | None) -> dict[str, Any]:
    """Join a listed video with its properties; its key becomes a hash of its content."""
    row = listed | (facts or {})
    row["key"] = files.short_hash(row["clip"], row.get("sha256") or row.get("reason") or "")
    row["seconds"] = None
    return row


def _write_shards(rows: list[dict[str, Any]], folder: Path, shards: int) -> None:
    # Ranks depend on the other videos: with them, adding one video would change all shards.
    names = [name for name in SHARD.names if name not in ("rank", "candidate")]
    schema = pa.schema([SHARD.field(name) for name in names])
    candidates = tables.by_shard(r for r in rows if r["status"] == "ok" and r["candidate"])
    for shard in seeds.shard_names(shards):
        plain = [{name: row.get(name) for name in names} for row in candidates.get(shard, ())]
        tables.write_if_changed(tables.from_rows(plain, schema), folder / f"{shard}.parquet")
