"""Command line of select; the package's docstring is its contract."""

from __future__ import annotations

import argparse
from pathlib import Path

from occludenet_build.config import Config
from occludenet_build.core import ledger, seeds, tables
from occludenet_build.occlusion.select import CLIPS, published, quota
from occludenet_build.occlusion.select.quota import FROM_INDEX, Row

_OF_INDEX = ("clip", "status", "reason", "detail", "candidate", "rank", *FROM_INDEX)
_OF_DETECT = ("clip", "status", "reason", "detail", "actor_frames", "boxes_hash")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of select."""
    parser.add_argument("--index", type=Path, required=True, help="index/videos.parquet")
    parser.add_argument(
        "--detect", type=Path, nargs="+", required=True, help="detect's tables, or their folder"
    )
    parser.add_argument(
        "--shards", type=int, metavar="N", help="number of tables in a folder given; default: all"
    )
    parser.add_argument("--occluders", type=Path, required=True, help="occluders.parquet")
    parser.add_argument("--out", type=Path, required=True, help="select/clips.parquet")


def run(args: argparse.Namespace, config: Config) -> None:
    """Choose the clips and write the tables."""
    is_replay = config.select.assignment == "published"
    choose = published.rows_as_published if is_replay else quota.rows_by_quota
    cutouts = [row for row in tables.read_rows(args.occluders) if row["status"] == "ok"]
    detections = _detections(seeds.shard_tables(args.detect, args.shards))
    rows = choose(tables.read_rows(args.index, _OF_INDEX), detections, cutouts, config)
    rows.sort(key=lambda r: r["clip"])
    table = tables.from_rows(rows, CLIPS)
    ledger.log_summary(table)
    if is_replay:
        published.log_published(rows)
    else:
        quota.log_quotas(rows, config.select.quota)
    tables.write_table(table, args.out)
    _write_shards(rows, args.out.parent / "shards", config.select.shards)


def _detections(manifests: list[Path]) -> dict[str, Row]:
    """Clip -> row of detect, with the name of its shard."""
    return {
        row["clip"]: row | {"shard": path.stem}
        for path in manifests
        for row in tables.read_rows(path, _OF_DETECT)
    }


def _write_shards(rows: list[Row], folder: Path, shards: int) -> None:
    chosen = tables.by_shard(row for row in rows if row["status"] == "ok")
    for shard in seeds.shard_names(shards):
        table = tables.from_rows(chosen.get(shard, ()), CLIPS)
        tables.write_if_changed(table, folder / f"{shard}.parquet")
