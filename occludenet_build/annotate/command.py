"""The command line of annotate; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import logging
from functools import partial
from pathlib import Path

from occludenet_build.annotate import CLIPS
from occludenet_build.annotate.dataset import write_dataset
from occludenet_build.annotate.merge import Doors, candidates, join
from occludenet_build.config import Config
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import write_json
from occludenet_build.release import csv_format
from occludenet_build.release.terms import CLEAN


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = partial(parser.add_argument, type=Path)
    add("--rewrite", nargs=2, metavar=("IN.csv", "OUT.csv"), help="read a release CSV, write it")
    add("--select", metavar="FILE", help="select/clips.parquet")
    add("--occluders", metavar="FILE", help="occluders/occluders.parquet")
    add("--composite", nargs="+", metavar="FILE", help="manifests composite/NNN.parquet")
    add("--masks", nargs="*", default=[], metavar="FILE", help="manifests of actor_masks")
    add("--counterfactual", nargs="*", default=[], metavar="FILE", help="its manifests")
    add("--root", metavar="FOLDER", help="the build's folder")
    add("--out", metavar="FILE", help="annotate/clips.parquet; the rest is written beside it")
    parser.add_argument("--threads", type=int, default=1, help="worker processes; default: 1")


def run(args: argparse.Namespace, config: Config) -> None:
    if args.rewrite:
        count = csv_format.rewrite(*args.rewrite)
        logging.info("%d rows, the same bytes: %s", count, args.rewrite[1])
        return
    for name in ("select", "occluders", "composite", "root", "out"):
        if getattr(args, name) is None:
            raise UserError(f"wanted --{name} (or --rewrite IN OUT), got nothing; see --help")
    _annotate(args, config)


def _annotate(args: argparse.Namespace, config: Config) -> None:
    doors = Doors(args.select, args.occluders, args.composite, args.counterfactual, args.masks)
    frames = args.out.parent / "frames"
    # the median wants the whole clip, which nobody has at load time
    erase_clean = config.counterfactual.fill != "median"
    rows, labels = join(doors, frames, args.threads, erase_clean=erase_clean)
    splits = {row["split"] for row in candidates(args.select)}
    folder = args.root / config.composite.dataset
    write_dataset(folder, rows, _pixel_ratios(args.occluders), splits, config.composite.scales)
    _remove_old_shards(frames, args.composite)
    write_json(args.out.parent / "labels.json", labels)
    tables.write(tables.from_rows(rows, CLIPS), args.out)
    occluded = sum(row["set"] != CLEAN for row in rows)
    logging.info("done: %d occluded clips, %d clean; %s", occluded, len(rows) - occluded, folder)


def _pixel_ratios(bank: Path) -> dict[str, float]:
    table = tables.read(bank, ["occluder", "pixel_ratio"])
    return dict(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))


def _remove_old_shards(folder: Path, manifests: list[Path]) -> None:
    """A build with fewer shards leaves tables of frames that no shard writes any more."""
    for path in folder.glob("*.parquet"):
        if path.name not in {manifest.name for manifest in manifests}:
            path.unlink()
