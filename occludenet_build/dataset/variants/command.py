"""The command line of variants; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import occludenet_build.dataset.variants as stage
from occludenet_build.config import Config
from occludenet_build.core import ledger, seeds, tables
from occludenet_build.core.build import ClipBoxes, DetailStore, shard_rows, source_identity
from occludenet_build.core.errors import UserError
from occludenet_build.core.failures import check_items
from occludenet_build.core.files import csv_text, files_exist, remove_stale, write_text
from occludenet_build.core.pool import in_processes
from occludenet_build.core.versions import results_version
from occludenet_build.dataset.variants import compose, items, pairs, plates
from occludenet_build.occlusion.counterfactual import count_unerased

Row = dict[str, Any]
REQUIRED = {
    "plates": ("clips", "select", "composite", "masks", "boxes", "root"),
    "pairs": ("plates",),
    "make": ("clips", "select", "composite", "masks", "plates", "pairs", "root"),
    "collect": ("items", "root"),
}
"""Action -> required options."""
FILES = ("file",)
"""Columns that name files."""
_DRAW = "variants"
"""Purpose of the draw of variants.clips."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options."""
    parser.add_argument("what", choices=REQUIRED, help="action; see above")
    parser.add_argument("--clips", type=Path, help="select/shards/S.parquet")
    parser.add_argument("--select", type=Path, help="select/clips.parquet, of all shards")
    parser.add_argument("--composite", type=Path, help="composite/S.parquet")
    parser.add_argument("--masks", type=Path, help="plates: actor_masks/S.parquet; make: folder")
    parser.add_argument("--boxes", type=Path, help="plates: detect/store")
    parser.add_argument("--plates", type=Path, help="the folder variants/plates")
    parser.add_argument("--pairs", type=Path, help="make: variants/pairs.parquet")
    parser.add_argument("--items", type=Path, help="collect: the folder variants/items")
    parser.add_argument("--shards", type=int, metavar="N", help="tables in a folder; default: all")
    parser.add_argument("--root", type=Path, help="the build's folder")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.parquet")
    parser.add_argument("--threads", type=int, default=1, help="worker processes")


def run(args: argparse.Namespace, config: Config) -> None:
    """Run one of the actions. Raises UserError where an option is missing."""
    missing = [f"--{name}" for name in REQUIRED[args.what] if getattr(args, name) is None]
    if missing:
        raise UserError(f"variants {args.what}: wanted {', '.join(missing)}, got nothing; give it")
    ACTIONS[args.what](args, config)


def _plates(args: argparse.Namespace, config: Config) -> None:
    jobs = {job.known["clip"]: job for job in _plate_jobs(args, config)}
    todo = {clip: job.known["key"] for clip, job in jobs.items()}

    def make(due: list[str]) -> Iterator[ledger.ClipResult]:
        tasks = (jobs[clip] for clip in due)
        yield from in_processes(plates.plate_of, tasks, args.threads, plates.lost_plate)

    _work(args, config, stage.PLATES, todo, make)


def _plate_jobs(args: argparse.Namespace, config: Config) -> Iterator[plates.PlateJob]:
    made = {row["clip"] for row in tables.read_rows(args.composite) if row["status"] == "ok"}
    drawn = _drawn(args.select, config)
    masked = {row["clip"]: row for row in tables.read_rows(args.masks)}
    dilate, limit = config.counterfactual.dilate, config.counterfactual.max_unerased
    with DetailStore(args.masks.parent / "store") as rles, DetailStore(args.boxes) as boxes:
        for row in shard_rows(args.clips, args.out):
            clip = row["clip"]
            if clip not in made or clip not in drawn:
                continue
            footage = items.footage_of(row, rles)
            of_clip = ClipBoxes.of(boxes.rows(clip, row["detect_shard"]))
            unerased = count_unerased(of_clip, footage.masks)
            hashed = masked.get(clip, {}).get("masks_hash") or "none"
            used = (source_identity(row), hashed, f"{unerased}")
            version = results_version("variants", "plates")
            settings = {"dilate": dilate, "max_unerased": limit}
            key = ledger.result_key("plates", version, settings, clip, *used)
            known = {"clip": clip, "key": key, "label": row["label"], "shard": args.out.stem}
            yield plates.PlateJob(
                footage=footage,
                known=known | {"masks_hash": hashed},
                file=f"{items.TREE}/plates/pictures/{clip}.png",
                root=args.root,
                dilate=dilate,
                unerased=unerased,
                max_unerased=limit,
            )


def _drawn(select: Path, config: Config) -> set[str]:
    """The clips of evaluate.split, or variants.clips of them, drawn by hash."""
    rows = tables.read_table(select, ["clip", "status", "split"]).to_pylist()
    chosen = [
        r["clip"] for r in rows if r["status"] == "ok" and r["split"] == config.evaluate.split
    ]
    chosen.sort(key=lambda clip: seeds.uniform_integer(config.seed, clip, _DRAW))
    return set(chosen[: config.variants.clips])


def _pairs(args: argparse.Namespace, config: Config) -> None:
    files = seeds.shard_tables([args.plates], args.shards)
    rows = [row for path in files for row in tables.read_rows(path)]
    found = sorted(
        pairs.draw_pairs(rows, config.variants, config.seed), key=lambda r: (r["set"], r["clip"])
    )
    tables.write_table(tables.from_rows(found, stage.PAIRS), args.out)
    write_text(args.out.with_suffix(".csv"), pairs.pairs_csv(found))
    usable = sum(row["status"] == "ok" for row in rows)
    logging.info("%d pairs in %d sets", len(found), len({row["set"] for row in found}))
    if not usable:
        logging.warning("none of %d clips can be used; plates/*.parquet has the reasons", len(rows))


def _make(args: argparse.Namespace, config: Config) -> None:
    shard = _shard(args, config)
    clips = [row["clip"] for row in shard_rows(args.clips, args.out)]
    found = {item.name: item for item in shard.items(clips)}
    todo = {name: shard.key(item) for name, item in found.items()}

    def make(due: list[str]) -> Iterator[ledger.ClipResult]:
        tasks = (shard.job(found[name], todo[name]) for name in due)
        yield from in_processes(compose.make_variant, tasks, args.threads, compose.lost_variant)

    _work(args, config, stage.ITEMS, todo, make)


def _shard(args: argparse.Namespace, config: Config) -> items.ShardItems:
    files = seeds.shard_tables([args.plates], args.shards)
    return items.ShardItems(
        config=config,
        root=args.root,
        masks=args.masks,
        select={row["clip"]: row for row in tables.read_rows(args.select)},
        plates={row["clip"]: row for path in files for row in tables.read_rows(path)},
        pairs={(row["set"], row["clip"]): row for row in tables.read_rows(args.pairs)},
        composite=args.composite,
        pictures=items.pictures_of(config.variants.pictures),
    )


def _work(
    args: argparse.Namespace,
    config: Config,
    schema: Any,
    todo: Mapping[str, str],
    make: Any,
) -> None:
    """Work through the ledger of a shard, and remove the files of what no longer exists."""
    order = sorted(todo)
    store = args.out.parent / "store" / args.out.stem
    with ledger.locked_ledger(store, schema) as kept:
        ledger.work_through(
            kept, {name: todo[name] for name in order}, make,
            lambda row: files_exist(args.root, row, FILES),
        )  # fmt: skip
        before = kept.kept_rows()
        check_items("variants", kept.results(order), args.out, config.failures)
        table = kept.close(order, args.out)
    remove_stale(before, table, args.root, FILES)
    ledger.log_summary(table)


def _collect(args: argparse.Namespace, config: Config) -> None:
    files = seeds.shard_tables([args.items], args.shards)
    rows = [row for path in files for row in tables.read_rows(path)]
    made = sorted((row for row in rows if row["status"] == "ok"), key=lambda r: r["file"])
    names = [field.name for field in stage.CLIPS]
    listed = [
        {name: row[name] for name in names if name in row and name != "clip"}
        | {"clip": row["source"], "scale": float("nan")}
        for row in made
    ]
    tables.write_table(tables.from_rows(listed, stage.CLIPS), args.out)
    _write_lists(made, args.out.parent)
    counts = Counter(row["set"] for row in made)
    for name, count in sorted(counts.items()):
        logging.info("%-16s %d clips", name, count)
    lost = Counter(f"{row['status']}: {row['reason']}" for row in rows if row["status"] != "ok")
    for reason, count in sorted(lost.items()):
        logging.warning("%d %s", count, reason)


def _write_lists(rows: list[Row], folder: Path) -> None:
    """Write `<set>.csv` per set, with paths relative to `folder`; remove those of other sets."""
    texts = {}
    for name in sorted({row["set"] for row in rows}):
        lines = (
            [str(PurePosixPath(row["file"]).relative_to(items.TREE)), row["label"]]
            for row in rows
            if row["set"] == name
        )
        texts[f"{name}.csv"] = csv_text(["file", "label"], lines)
    for name, text in texts.items():
        write_text(folder / name, text)
    for old in folder.glob("*.csv"):
        if old.name not in texts and _is_list(old):
            old.unlink()


def _is_list(path: Path) -> bool:
    """Whether a file is a list of this stage: of clips in the folder of its own name."""
    with open(path, encoding="utf-8", errors="replace") as lines:
        head = [next(lines, "") for _ in range(2)]
    return head[0].strip() == "file,label" and head[1].startswith(f"{path.stem}/")


ACTIONS = {"plates": _plates, "pairs": _pairs, "make": _make, "collect": _collect}
