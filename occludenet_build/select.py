"""select: which clips are occluded, and by what. The second checkpoint of the workflow.

Reads the index, the manifests of detect and the occluder bank. Writes, next to --out:

    clips.parquet       a row per candidate (CLIPS below): chosen, or why not
    shards/NNN.parquet  the chosen clips of each shard of the rooms that make clips

A clip with an actor gets the occluder type that a hash of its name gives it, among the types that
its split has. Of each class and type, the first clips in the order of the draw are taken, up to
the class's quota divided by the number of types; candidates without an actor are passed over, so
a shortfall appears only when the candidates run out. Every choice is a function of the clip's own
name: one more video moves no other clip, unless it takes its place in a full quota. A shard table
is rewritten only when it changes.
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build import config as cfg
from occludenet_build import stage
from occludenet_build.core import ledger, seeds, tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.tables import column

CLIPS = pa.schema(
    [
        column("clip", "string", "id of the source clip"),
        column("status", "string", "ok: chosen; skipped: not"),
        column("reason", "string", "why not chosen, from core.errors.REASONS"),
        column("detail", "string", "what exactly"),
        column("path", "string", "the source file"),
        column("sha256", "string", "hash of the source file"),
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("shard", "string", "shard of the rooms that make clips"),
        column("detect_shard", "string", "shard of detect that holds its boxes"),
        column("boxes_hash", "string", "hash of its boxes"),
        column("category", "string", "occluder type"),
        column("occluder", "string", "name of the cut-out"),
        column("occluder_file", "string", "the cut-out, relative to the bank's folder"),
        column("occluder_sha256", "string", "hash of the cut-out"),
        column("frames", "int32", "frames of the source"),
        column("width", "int32", "displayed picture, pixels"),
        column("height", "int32", "displayed picture, pixels"),
        column("fps", "float64", "average frame rate, frames per second"),
        column("duration_seconds", "float64", "duration of the picture, seconds"),
        column("pts_hash", "string", "hash of all pts of the source"),
    ]
)

_FROM_INDEX = ("path", "sha256", "label", "split", "frames", "width", "height", "fps")


def main() -> None:
    stage.run("select", __doc__, _arguments, _work)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--index", type=Path, required=True, help="index/videos.parquet")
    parser.add_argument("--detect", type=Path, nargs="+", required=True, help="its manifests")
    parser.add_argument("--occluders", type=Path, required=True, help="occluders.parquet")
    parser.add_argument("--out", type=Path, required=True, help="select/clips.parquet")


def _work(args: argparse.Namespace, config: cfg.Config) -> None:
    indexed = {r["clip"]: r for r in tables.read_rows(args.index) if r["candidate"]}
    bank = _bank(tables.read_rows(args.occluders))
    rows = [
        _candidate(indexed[found["clip"]], found, path.stem, bank, config)
        for path in args.detect
        for found in tables.read_rows(path)
        if found["clip"] in indexed
    ]
    _apply_quotas(rows, indexed, bank, config)
    rows.sort(key=lambda r: r["clip"])
    table = tables.from_rows(rows, CLIPS)
    ledger.log_summary(table)
    _report_shortfalls(rows, bank, config.select.quota)
    tables.write(table, args.out)
    for shard in seeds.shard_names(config.select.shards):
        mine = [r for r in rows if r["status"] == "ok" and r["shard"] == shard]
        path = args.out.parent / "shards" / f"{shard}.parquet"
        tables.write_if_changed(tables.from_rows(mine, CLIPS), path)


Bank = dict[str, dict[str, dict[str, dict[str, Any]]]]
"""split -> category -> occluder name -> its row."""


def _bank(rows: list[dict[str, Any]]) -> Bank:
    bank: Bank = {split: defaultdict(dict) for split in ("train", "val", "test")}
    for row in rows:
        if row["status"] == "ok":
            bank[row["split"]][row["category"]][row["occluder"]] = row
    return bank


def _candidate(
    video: dict[str, Any], found: dict[str, Any], detect_shard: str, bank: Bank, config: cfg.Config
) -> dict[str, Any]:
    """The row of one candidate, as if there were no quota."""
    clip = video["clip"]
    row = {"clip": clip, "status": "skipped"} | {name: video[name] for name in _FROM_INDEX}
    row["duration_seconds"], row["pts_hash"] = video["duration_seconds"], video["pts_hash"]
    if found["status"] != "ok":
        return row | {"reason": found["reason"], "detail": found["detail"]}
    wanted = max(config.select.min_actor_frames, config.select.min_actor_share * video["frames"])
    if found["actor_frames"] < wanted:
        detail = f"{found['actor_frames']} of {video['frames']} frames, wanted {wanted:g}"
        return row | {"reason": "too_few_actor_frames", "detail": detail}
    types = bank[video["split"]]
    if not types:
        return row | {"reason": "no_occluder", "detail": f"split {video['split']}"}
    category = seeds.choose(types, config.seed, clip, "category")
    occluder = types[category][seeds.choose(types[category], config.seed, clip, "occluder")]
    return row | {
        "status": "ok",
        "shard": seeds.shard_of(clip, config.select.shards),
        "detect_shard": detect_shard,
        "boxes_hash": found["boxes_hash"],
        "category": category,
        "occluder": occluder["occluder"],
        "occluder_file": occluder["file"],
        "occluder_sha256": occluder["sha256"],
    }


def _apply_quotas(
    rows: list[dict[str, Any]], indexed: dict[str, dict[str, Any]], bank: Bank, config: cfg.Config
) -> None:
    """Keep the first clips of each class and type, in the order of the draw."""
    cells: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["status"] == "ok":
            cells[row["split"], row["label"], row["category"]].append(row)
    for (split, _, category), members in cells.items():
        limit = _cell_quota(split, category, bank, config.select.quota)
        members.sort(key=lambda r: indexed[r["clip"]]["rank"])
        for row in members[limit:] if limit is not None else ():
            row |= {"status": "skipped", "reason": "quota", "detail": f"{limit} of {category}"}


def _cell_quota(split: str, category: str, bank: Bank, quotas: cfg.Quota) -> int | None:
    """The class's quota divided by its types; the first types take what is left over."""
    quota, types = getattr(quotas, split), sorted(bank[split])
    if quota is None:
        return None
    return quota // len(types) + (types.index(category) < quota % len(types))


def _report_shortfalls(rows: list[dict[str, Any]], bank: Bank, quotas: cfg.Quota) -> None:
    chosen = Counter((r["split"], r["label"]) for r in rows if r["status"] == "ok")
    if not chosen:
        why = Counter(r["reason"] for r in rows)
        raise UserError(
            "select: wanted at least one clip with an actor and an occluder for its split, got "
            f"none of {len(rows)}: {dict(why)}; see the reports of index, detect and occluders"
        )
    for split in bank:
        classes = {r["label"] for r in rows if r["split"] == split}
        quota = getattr(quotas, split)
        short = [c for c in classes if quota is not None and chosen[split, c] < quota]
        total = sum(n for (s, _), n in chosen.items() if s == split)
        logging.info(
            "%s: %d clips of %d classes, %d classes below the quota of %s",
            split,
            total,
            len(classes),
            len(short),
            quota,
        )


if __name__ == "__main__":
    main()
