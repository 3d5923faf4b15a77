"""The command line of occluders; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from occludenet_build import config as cfg
from occludenet_build import occluders
from occludenet_build.coco.filters import Row
from occludenet_build.coco.instances import photos
from occludenet_build.coco.photo import Photo
from occludenet_build.core import pool, seeds, tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import exclusive, sha256_file, write_json
from occludenet_build.core.progress import progress
from occludenet_build.occluders.cutout import Job, cut
from occludenet_build.occluders.near_duplicates import refuse_near_duplicates
from occludenet_build.occluders.summary import summary, write_sheets
from occludenet_build.occluders.user_cutouts import Own, own_pictures, take


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stage's command line."""
    parser.add_argument("--coco", type=Path, metavar="FILE", help="acquire/coco.json")
    parser.add_argument("--images", type=Path, metavar="DIR", help="photos, instead of --coco")
    parser.add_argument("--instances", type=Path, metavar="FILE", help="COCO instances JSON")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the table")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="worker processes")


def run(args: argparse.Namespace, config: cfg.Config) -> None:
    """Cut out the occluders and write the bank.

    Raises UserError where photos or instances are missing, or not one cut-out is left.
    """
    images, instances = _sources(args)
    wanted = config.occluders
    folder = args.out.parent
    with exclusive(folder):
        jobs = list(jobs_of(images, instances, folder, config))
        made = progress(pool.in_processes(rows_of, jobs, args.threads), len(jobs), "picture")
        rows = sorted((row for part in made for row in part), key=_order)
        if wanted.gates.apply:
            refuse_near_duplicates(rows, wanted.gates.near_duplicate)
        check_disjoint(rows)
        categories = _categories(rows, wanted.categories)
        found = summary(rows, categories, wanted.min_pixels, vars(wanted.split))
        _say(found)
        if not any(row["status"] == "ok" for row in rows):
            raise UserError(f"occluders: not one cut-out. {'. '.join(found['lines'])}")
        found["sheets"] = write_sheets(folder, rows, categories, config.seed)
        tables.write_if_changed(tables.from_rows(rows, occluders.SCHEMA), args.out)
        write_json(folder / "summary.json", found)
        _remove_stale(folder, rows, categories)


def jobs_of(images: Path, instances: Path, folder: Path, config: cfg.Config) -> Iterator[Job | Own]:
    """The photos of COCO that hold a wanted instance, then the user's own pictures."""
    wanted, seed = config.occluders, config.seed
    for photo in photos(instances, wanted.categories):
        yield Job(photo, images, folder, wanted, split_of(photo, vars(wanted.split), seed))
    yield from own_pictures(folder, wanted, seed)


def rows_of(job: Job | Own) -> list[Row]:
    """The table's rows of a job; its PNGs are written."""
    return cut(job) if isinstance(job, Job) else take(job)


def split_of(photo: Photo, fractions: dict[str, float], seed: int) -> str:
    """The split of a photo and with it of all its cut-outs: no photo stands in two."""
    return seeds.split_of(fractions, seed, str(photo.image), "occluder split")


def _categories(rows: Iterable[Row], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Those that are set, then those that only own pictures have."""
    brought = {row["category"] for row in rows if row["status"] == "ok"}
    return *wanted, *sorted(brought - set(wanted))


def _order(row: Row) -> tuple[str, int, int, str]:
    photo, annotation = row.get("coco_image"), row.get("coco_annotation")
    return row["category"], photo or 0, annotation or 0, row["source"] or ""


def _sources(args: argparse.Namespace) -> tuple[Path, Path]:
    """(folder of photos, instances file), both there."""
    images, instances = args.images, args.instances
    if args.coco is not None and images is None and instances is None:
        images, instances = _acquired(args.coco)
    elif args.coco is not None or images is None or instances is None:
        raise UserError("occluders: wanted either --coco, or --images with --instances")
    if not images.is_dir():
        raise UserError(f"occluders: wanted a folder of COCO images, {images} is not one")
    if not instances.is_file():
        raise UserError(f"occluders: wanted a COCO instances JSON, {instances} is missing")
    return images, instances


def _acquired(path: Path) -> tuple[Path, Path]:
    try:
        noted = json.loads(path.read_text())
        images, instances = Path(noted["images"]), Path(noted["instances"])
        wanted_hash = noted["instances_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"occluders: wanted acquire's coco.json, {path}: {error!r}") from error
    if instances.is_file() and sha256_file(instances) != wanted_hash:
        raise UserError(f"occluders: {instances} has changed since acquire ran; run acquire again")
    return images, instances


def check_disjoint(rows: Iterable[Mapping[str, Any]]) -> None:
    """Raises RuntimeError if an occluder name or a photo stands in two splits."""
    seen: dict[str, str] = {}
    for row in rows:
        if row["status"] == "ok":
            photo = row.get("coco_image")
            for item in (row["occluder"], *([] if photo is None else [f"photo {photo}"])):
                if seen.setdefault(item, row["split"]) != row["split"]:
                    raise RuntimeError(f"{item} stands in {seen[item]} and in {row['split']}")


def _say(found: Mapping[str, Any]) -> None:
    for name, count in found["categories"].items():
        splits = ", ".join(f"{n} {split}" for split, n in count["splits"].items())
        release = f"; the release has {count['release']}" if count["release"] else ""
        logging.info("%s: %d of %d kept (%s)%s", name, count["kept"], count["instances"],
                     splits, release)  # fmt: skip
        refused = ", ".join(f"{n} {reason}" for reason, n in sorted(count["reasons"].items()))
        if refused:
            logging.info("%s: not kept: %s", name, refused)
    for line in found["lines"]:
        logging.warning("%s", line)


# The leading dot and .part are what a killed run left of a file.
_OURS = re.compile(
    r"\.?((\d{12,}_\d{7,}|\d{7,}_dog_\d{12,})_\d+\.\d\d(_\d+)?"
    r"|own_[A-Za-z0-9._-]*_[0-9a-f]{6})(\.part)?\.png"
)


def _remove_stale(
    folder: Path, rows: Iterable[Mapping[str, Any]], categories: tuple[str, ...]
) -> None:
    """Remove cut-outs of earlier settings: files with a name of ours that no row names."""
    named = {folder / row["file"] for row in rows if row["status"] == "ok"}
    for path in (folder / "png").glob("*/*.png"):
        if path not in named and _OURS.fullmatch(path.name):
            path.unlink()
    for category in (folder / "png").glob("*/"):
        if category.name not in categories and not any(category.iterdir()):
            category.rmdir()
