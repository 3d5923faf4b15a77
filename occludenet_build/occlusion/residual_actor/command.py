"""Command line of residual_actor; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import occludenet_build.occlusion.residual_actor as stage
from occludenet_build.config import Config
from occludenet_build.core import seeds, tables
from occludenet_build.core.build import read_json
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import write_json
from occludenet_build.occlusion.residual_actor.compare import (
    ResidualShard,
    residual_rows,
    residual_summary,
)

REQUIRED = {
    "list": ("clips", "made"),
    "compare": ("videos", "found", "boxes"),
    "sample": ("clips",),
    "fills": ("summaries",),
}
"""Action -> required options."""
_DRAW = "leftover"
"""Purpose of the random draw: the stage's former name, since another name draws other clips."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options."""
    parser.add_argument("what", choices=REQUIRED, help="action; see above")
    parser.add_argument("--clips", type=Path, help="list: select/shards/S.parquet; sample: all")
    parser.add_argument("--made", type=Path, help="list: counterfactual/S.parquet")
    parser.add_argument("--root", type=Path, default=Path(), help="list: the build's folder")
    parser.add_argument(
        "--videos", type=Path, nargs="*", help="compare: tables of list, or their folder"
    )
    parser.add_argument(
        "--found", type=Path, nargs="*", help="compare: tables of detect, or their folder"
    )
    parser.add_argument("--boxes", type=Path, help="compare: detect/store, of the source clips")
    parser.add_argument("--masks", type=Path, nargs="*", default=[], help="actor_masks/*.parquet")
    parser.add_argument(
        "--shards", type=int, metavar="N", help="compare: tables in each folder given; default: all"
    )
    parser.add_argument("--fill", help="compare: name of the fill (default: counterfactual.fill)")
    parser.add_argument("--summaries", type=Path, nargs="*", help="fills: summary.json of each")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")


def run(args: argparse.Namespace, config: Config) -> None:
    """Run one of the actions.

    Raises UserError where an option is missing or the build has no counterfactuals to compare.
    """
    missing = [f"--{name}" for name in REQUIRED[args.what] if not getattr(args, name)]
    if missing:
        raise UserError(
            f"residual_actor {args.what}: wanted {', '.join(missing)}, got nothing; give it"
        )
    _check(config)
    if args.what == "list":
        _list(args)
    elif args.what == "compare":
        _compare(args, args.fill or config.counterfactual.fill)
    elif args.what == "sample":
        _sample(args, config)
    else:
        _fills(args)


def _check(config: Config) -> None:
    erased = config.counterfactual
    if not erased.splits or not erased.files:
        raise UserError(
            "residual_actor: wanted counterfactual clips to look at, counterfactual.splits is "
            f"{list(erased.splits)} and files {str(erased.files).lower()}; change them"
        )
    if config.detect.backend == "file":
        raise UserError(
            "residual_actor: wanted a detector that looks at the counterfactuals, detect.backend "
            "file has no boxes for them; set another detect.backend"
        )


def _list(args: argparse.Namespace) -> None:
    chosen = {row["clip"]: row for row in tables.read_rows(args.clips)}
    rows = tables.read_rows(args.made)
    made = [row for row in rows if row["status"] == "ok" and row["clip"] in chosen]
    rows = [
        _video(chosen[row["clip"]], scale, args.root / file, sha256)
        for row in made
        for scale, file, sha256 in zip(row["scales"], row["files"], row["file_hashes"], strict=True)
    ]
    tables.write_table(tables.from_rows(rows, stage.VIDEOS), args.out)
    logging.info("%d clips of %d source clips", len(rows), len(made))


def _video(chosen: dict[str, Any], scale: float, path: Path, sha256: str) -> dict[str, Any]:
    copied = ("split", "label", "width", "height", "frames", "fps", "detect_shard")
    row = {name: chosen[name] for name in copied}
    row |= {"clip": f"{scale:.2f}_{chosen['clip']}", "source": chosen["clip"], "scale": scale}
    return row | {"path": str(path), "sha256": sha256}


def _compare(args: argparse.Namespace, fill: str) -> None:
    found = {path.stem: path for path in seeds.shard_tables(args.found, args.shards)}
    masks = {path.stem: path for path in seeds.shard_tables(args.masks, args.shards)}
    rows: list[dict[str, Any]] = []
    for videos in seeds.shard_tables(args.videos, args.shards):
        if videos.stem not in found:
            raise UserError(
                f"residual_actor: wanted what detect found in {videos}, got no such --found"
            )
        shard = ResidualShard(videos, found[videos.stem], masks.get(videos.stem))
        rows.extend(residual_rows(shard, args.boxes, fill))
    tables.write_table(tables.from_rows(rows, stage.CLIPS), args.out)
    sums = residual_summary(rows, fill)
    write_json(args.out.parent / "summary.json", sums)
    logging.info(
        "fill %s: the actor is found in %s of %d erased frames, %d clips",
        fill,
        _share(sums),
        sums["erased_frames"],
        sums["clips"],
    )


def _sample(args: argparse.Namespace, config: Config) -> None:
    """Write a table per shard, also for shards without clips, since each is a job."""
    table = tables.read_table(args.clips)
    usable = {
        row["clip"]: row["shard"]
        for row in table.select(["clip", "status", "split", "shard"]).to_pylist()
        if row["status"] == "ok" and row["split"] in config.counterfactual.splits
    }
    order = sorted(usable, key=lambda clip: seeds.uniform_integer(config.seed, clip, _DRAW))
    drawn = set(order[: config.residual_actor.clips])
    for shard in seeds.shard_names(config.select.shards):
        in_shard = [clip for clip in drawn if usable[clip] == shard]
        tables.write_table(
            table.filter(pc.is_in(table["clip"], pa.array(in_shard, pa.string()))),
            args.out / f"{shard}.parquet",
        )
    logging.info("%d of %d clips with counterfactuals", len(drawn), len(usable))


def _fills(args: argparse.Namespace) -> None:
    found = {path.parent.name: read_json(path) for path in args.summaries}
    write_json(args.out, found)
    for fill, sums in found.items():
        logging.info("%-8s %s of %d frames", fill, _share(sums), sums["erased_frames"])


def _share(sums: dict[str, Any]) -> str:
    return "none" if sums["residual"] is None else f"{100 * sums['residual']:.1f} %"
