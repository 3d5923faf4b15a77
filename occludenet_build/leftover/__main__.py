"""The command line of leftover; the contract is in the package's docstring."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import occludenet_build.leftover as room
from occludenet_build import stage
from occludenet_build.config import Config
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import write_json
from occludenet_build.leftover.compare import Shard, compared, summary


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=Path, help="select/shards/S.parquet, to list")
    parser.add_argument("--erased", type=Path, help="counterfactual/S.parquet, to list")
    parser.add_argument("--root", type=Path, default=Path(), help="the build's folder, to list")
    parser.add_argument("--videos", type=Path, nargs="*", help="what was listed, to compare")
    parser.add_argument("--found", type=Path, nargs="*", help="what detect found in them")
    parser.add_argument("--boxes", type=Path, help="detect/store, of the source clips")
    parser.add_argument("--masks", type=Path, nargs="*", default=[], help="actor_masks/*.parquet")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")


def work(args: argparse.Namespace, config: Config) -> None:
    _check(config)
    if args.clips and args.erased:
        _list(args)
    elif args.videos and args.found and args.boxes:
        _compare(args, config.counterfactual.fill)
    else:
        raise UserError(
            "leftover: wanted --clips and --erased, to list, or --videos, --found and --boxes, to "
            "compare, got neither; see --help"
        )


def _check(config: Config) -> None:
    erased = config.counterfactual
    if not erased.splits or not erased.files:
        raise UserError(
            "leftover: wanted counterfactual clips to look at, counterfactual.splits is "
            f"{list(erased.splits)} and files {str(erased.files).lower()}; change them"
        )
    if config.detect.backend == "file":
        raise UserError(
            "leftover: wanted a detector that looks at the counterfactuals, detect.backend file "
            "has no boxes for them; set another detect.backend"
        )


def _list(args: argparse.Namespace) -> None:
    chosen = {row["clip"]: row for row in tables.read_rows(args.clips)}
    made = [row for row in tables.read_rows(args.erased) if row["status"] == "ok"]
    rows = [
        _video(chosen[row["clip"]], scale, args.root / file, sha256)
        for row in made
        for scale, file, sha256 in zip(row["scales"], row["files"], row["file_hashes"], strict=True)
    ]
    tables.write(tables.from_rows(rows, room.VIDEOS), args.out)
    logging.info("%d counterfactual clips of %d source clips", len(rows), len(made))


def _video(chosen: dict[str, Any], scale: float, path: Path, sha256: str) -> dict[str, Any]:
    copied = ("split", "label", "width", "height", "frames", "fps", "detect_shard")
    row = {name: chosen[name] for name in copied}
    row |= {"clip": f"{scale:.2f}_{chosen['clip']}", "source": chosen["clip"], "scale": scale}
    return row | {"path": str(path), "sha256": sha256}


def _compare(args: argparse.Namespace, fill: str) -> None:
    found = {path.stem: path for path in args.found}
    masks = {path.stem: path for path in args.masks}
    rows: list[dict[str, Any]] = []
    for videos in args.videos:
        if videos.stem not in found:
            raise UserError(f"leftover: wanted what detect found in {videos}, got no such --found")
        shard = Shard(videos, found[videos.stem], masks.get(videos.stem))
        rows.extend(compared(shard, args.boxes, fill))
    tables.write(tables.from_rows(rows, room.CLIPS), args.out)
    sums = summary(rows, fill)
    write_json(args.out.parent / "summary.json", sums)
    share = "none" if sums["residual"] is None else f"{100 * sums['residual']:.1f} %"
    logging.info(
        "fill %s: the actor is found in %s of %d erased frames, %d clips",
        fill,
        share,
        sums["erased_frames"],
        sums["clips"],
    )


if __name__ == "__main__":
    stage.run("leftover", room.__doc__, arguments, work)
