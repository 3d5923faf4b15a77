"""Command line of annotate, and the CSV files and links that it writes beside the clips.

The docstring of the package documents inputs and outputs.
"""

from __future__ import annotations

import argparse
import logging
import os
import uuid
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from occludenet_build.config import Config
from occludenet_build.core import seeds, tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import write_json, write_text
from occludenet_build.dataset.annotate import CLIPS
from occludenet_build.dataset.annotate.merge import BuildTables, candidate_rows, join_tables
from occludenet_build.release import csv_format
from occludenet_build.release.csv_format import Listed, Overall, Record, format_csv
from occludenet_build.release.terms import CLEAN, SPLITS, list_folder, percent, scale_folder

Row = dict[str, Any]


def write_dataset(
    folder: Path,
    rows: list[Row],
    pixel_ratios: dict[str, float],
    splits: Iterable[str],
    scales: Iterable[float],
) -> None:
    """Write CSV files and links for the occluded clips of `rows` into the dataset folder.

    `rows` have the columns of CLIPS and keep their order. `pixel_ratios`: occluder -> opaque part
    of the cut-out's picture, percent. Every split and scale gets a list, even an empty one.
    """
    occluded = [row for row in rows if row["set"] != CLEAN]
    texts, links = {}, {}
    for split in sorted(splits, key=SPLITS.index):
        in_split = [row for row in occluded if row["split"] == split]
        texts[f"{split}_d.csv"] = format_csv(
            Overall, (_overall(row, pixel_ratios) for row in in_split)
        )
        for share in _percents(scales, in_split):
            listed = [_listed(row) for row in in_split if _tree_parts(row)[1] == share]
            texts[f"{split}_{share}.csv"] = format_csv(Listed, listed)
            if listed:
                links[list_folder(split, share)] = scale_folder(split, share)
    _write_texts(folder / "annotations", texts)
    _write_links(folder, links)


def _percents(scales: Iterable[float], rows: list[Row]) -> list[str]:
    found = {percent(scale) for scale in scales} | {_tree_parts(row)[1] for row in rows}
    return sorted(found, key=float)


def _tree_parts(row: Row) -> tuple[str, str, str, str]:
    """Return (split, percent, class folder, file name) of a clip in the dataset tree."""
    parts = PurePosixPath(row["file"]).parts
    if len(parts) != 5 or parts[1] != row["split"] or not parts[2].endswith("%"):
        raise UserError(
            f"annotate: {row['clip']}: wanted a file <dataset>/{row['split']}/<scale>%/<class>/"
            f"<clip>, got {row['file']!r}; run composite again"
        )
    return parts[1], parts[2].removesuffix("%"), parts[3], parts[4]


def _listed(row: Row) -> Record:
    split, share, class_folder, name = _tree_parts(row)
    return Listed(f"{list_folder(split, share)}/{class_folder}/{name}", row["label_id"])


def _overall(row: Row, pixel_ratios: dict[str, float]) -> Record:
    if row["occluder"] not in pixel_ratios:
        raise UserError(
            f"annotate: {row['clip']}: wanted the occluder {row['occluder']!r} in the bank, it is "
            "missing; run select and composite again"
        )
    return Overall(
        action_class=row["label"],
        file_name=_tree_parts(row)[3],
        occluder_type=row["category"],
        occluder_file_name=PurePosixPath(row["occluder"]).name,
        occluder_pixel_ratio=pixel_ratios[row["occluder"]],
        occluder_size_ratio=row["scale"],
        occlusion_duration=row["occlusion_seconds"],
        video_duration=row["duration_seconds"],
        fps=row["fps"],
        clip_generation_time=row["generation_seconds"],
    )


def _write_texts(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        write_text(folder / name, text)
    for old in _release_paths(folder, "*_*.csv"):
        if old.name not in texts:
            old.unlink()


def _write_links(folder: Path, links: dict[str, str]) -> None:
    for name, target in links.items():
        _link(folder / name, target)
    for old in _release_paths(folder, list_folder("*", "*")):
        if old.is_symlink() and old.name not in links:
            old.unlink()


def _release_paths(folder: Path, pattern: str) -> Iterator[Path]:
    """Paths that an earlier build may have left: their names begin with a split."""
    return (path for path in folder.glob(pattern) if path.name.split("_")[0] in SPLITS)


def _link(path: Path, target: str) -> None:
    """Create a relative link and rename it into place."""
    if path.exists() and not path.is_symlink():
        raise UserError(
            f"wanted to link {path} to {target}, got another file or folder there; move it away"
        )
    temporary = path.with_name(f".{uuid.uuid4().hex[:12]}.part")
    try:
        temporary.symlink_to(target, target_is_directory=True)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the stage."""
    add = partial(parser.add_argument, type=Path)
    add(
        "--rewrite",
        nargs=2,
        metavar=("IN.csv", "OUT.csv"),
        help="read a CSV file of the release and write it back byte for byte",
    )
    add("--select", metavar="FILE", help="select/clips.parquet")
    add("--occluders", metavar="FILE", help="occluders/occluders.parquet")
    add("--composite", nargs="+", metavar="PATH", help="tables of composite, or their folder")
    add("--masks", nargs="*", default=[], metavar="PATH", help="those of actor_masks")
    add(
        "--counterfactual",
        nargs="*",
        default=[],
        metavar="PATH",
        help="those of counterfactual",
    )
    parser.add_argument(
        "--shards",
        type=int,
        metavar="N",
        help="number of tables in each folder given; default: all",
    )
    add("--root", metavar="FOLDER", help="build folder")
    add(
        "--out",
        metavar="FILE",
        help="annotate/clips.parquet; the other outputs are written beside it",
    )
    parser.add_argument("--threads", type=int, default=1, help="worker processes; default: 1")


def run(args: argparse.Namespace, config: Config) -> None:
    """Rewrite one CSV file, or annotate a build. Raises UserError where an argument is missing."""
    if args.rewrite:
        count = csv_format.rewrite_csv(*args.rewrite)
        logging.info("%d rows written back byte for byte: %s", count, args.rewrite[1])
        return
    for name in ("select", "occluders", "composite", "root", "out"):
        if getattr(args, name) is None:
            raise UserError(f"wanted --{name} (or --rewrite IN OUT), got nothing; see --help")
    _annotate(args, config)


def _annotate(args: argparse.Namespace, config: Config) -> None:
    composite, counterfactual, masks = (
        seeds.shard_tables(given, args.shards)
        for given in (args.composite, args.counterfactual, args.masks)
    )
    build = BuildTables(args.select, args.occluders, composite, counterfactual, masks)
    frames = args.out.parent / "frames"
    # The median fill needs all frames of a clip; the training loader reads only some of them.
    erase_clean = config.counterfactual.fill != "median"
    rows, labels = join_tables(build, frames, args.threads, erase_clean=erase_clean)
    splits = {row["split"] for row in candidate_rows(args.select)}
    folder = args.root / config.composite.dataset
    write_dataset(folder, rows, _pixel_ratios(args.occluders), splits, config.composite.scales)
    _remove_old_shards(frames, composite)
    write_json(args.out.parent / "labels.json", labels)
    tables.write_table(tables.from_rows(rows, CLIPS), args.out)
    occluded = sum(row["set"] != CLEAN for row in rows)
    logging.info("done: %d occluded clips, %d clean; %s", occluded, len(rows) - occluded, folder)


def _pixel_ratios(bank: Path) -> dict[str, float]:
    table = tables.read_table(bank, ["occluder", "pixel_ratio"])
    return dict(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))


def _remove_old_shards(folder: Path, manifests: list[Path]) -> None:
    """Remove tables of frames of shards that an earlier build had and this one has not."""
    shards = {manifest.stem for manifest in manifests}
    for path in (*folder.glob("*.parquet"), *folder.parent.glob("store/*.json")):
        if path.stem not in shards:
            path.unlink()
