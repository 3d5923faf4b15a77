"""The command line of audit; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import occludenet_build.audit as stage
from occludenet_build.audit.compare import compare, summary
from occludenet_build.config import Audit, Config
from occludenet_build.core import seeds, tables
from occludenet_build.core.build import Boxes, Store
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import write_json

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("sample", "compare"))
    parser.add_argument("--clips", type=Path, help="sample: select/clips.parquet")
    parser.add_argument("--sample", type=Path, help="compare: audit/sample.parquet")
    parser.add_argument("--first", type=Path, metavar="DIR", help="compare: detect/store")
    parser.add_argument("--second", type=Path, help="compare: audit/detect/sample.parquet")
    parser.add_argument("--out", type=Path, required=True, help="the table that is written")


def run(args: argparse.Namespace, config: Config) -> None:
    needed = {"sample": ("clips",), "compare": ("sample", "first", "second")}[args.what]
    missing = [f"--{name}" for name in needed if getattr(args, name) is None]
    if missing:
        raise UserError(f"audit {args.what}: wanted {', '.join(missing)}, got nothing; give it")
    if args.what == "sample":
        chosen = [row for row in tables.read_rows(args.clips) if row["status"] == "ok"]
        rows = sample(chosen, config.audit.clips, config.seed)
        tables.write(tables.from_rows(rows, stage.SAMPLE), args.out)
        logging.info("%d of %d chosen clips", len(rows), len(chosen))
    else:
        _compare(args, config.audit)


def sample(chosen: list[Row], count: int, seed: int) -> list[Row]:
    """Rows of SAMPLE of the `count` clips that a hash puts first, sorted by name."""
    order = sorted(chosen, key=lambda row: seeds.integer(seed, row["clip"], "audit"))
    drawn = sorted(order[:count], key=lambda row: row["clip"])
    return [{name: row[name] for name in stage.SAMPLE.names} for row in drawn]


def _compare(args: argparse.Namespace, settings: Audit) -> None:
    searched = {row["clip"]: row for row in tables.read_rows(args.second)}
    rows = []
    with Store(args.first) as first, Store(args.second.parent / "store") as second:
        for clip in tables.read_rows(args.sample):
            row = _row(clip, searched.get(clip["clip"]))
            if row["status"] == "ok":
                mine = first.rows(clip["clip"], clip["detect_shard"])
                if mine is None:
                    raise UserError(
                        f"audit compare: wanted boxes of {clip['clip']} in "
                        f"{args.first}/{clip['detect_shard']}, got none; run detect"
                    )
                theirs = second.rows(clip["clip"], args.second.stem)
                row |= compare(Boxes.of(mine), Boxes.of(theirs), settings.iou)
            rows.append(row)
    tables.write(tables.from_rows(rows, stage.CLIPS), args.out)
    found = summary(rows) | {"second": _described(searched, settings)}
    write_json(args.out.parent / "summary.json", found)
    _tell(found["all"])


def _row(clip: Row, found: Row | None) -> Row:
    """What the tables say of a clip before its boxes are compared."""
    row = {name: clip[name] for name in ("clip", "label", "split", "frames")}
    if found is None:
        raise UserError(f"audit compare: wanted {clip['clip']} in --second, got none; run detect")
    if found["status"] == "failed":
        return row | {name: found[name] for name in ("status", "reason", "detail")}
    return row | {"status": "ok"}


def _described(searched: dict[str, Row], settings: Audit) -> Row:
    hashes = sorted({row["weights_sha256"] for row in searched.values() if row["weights_sha256"]})
    return {
        "backend": settings.backend,
        "weights_sha256": hashes,
        "image_size": settings.image_size,
        "iou": settings.iou,
    }


def _tell(found: Row) -> None:
    if not found["actor_frames"]:
        logging.info("%d clips, no frame with an actor", found["clips"])
        return
    logging.info(
        "%d clips, %d frames with an actor: somebody stands there for both in %.1f %%, the second "
        "finds nobody in %.1f %%, has the same actor in %.1f %%",
        found["clips"],
        found["actor_frames"],
        100 * found["agreeing_share"],
        100 * found["only_first_share"],
        100 * found["same_actor_share"],
    )
