"""Command line of occluders; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from occludenet_build import config as cfg
from occludenet_build.core import pool, seeds, tables
from occludenet_build.core.build import read_json
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.failures import check_items
from occludenet_build.core.files import csv_text, folder_lock, sha256_file, write_json, write_text
from occludenet_build.core.progress import progress
from occludenet_build.occlusion import occluders
from occludenet_build.occlusion.occluders.cutout import PhotoJob, cut_photo, lost_photo
from occludenet_build.occlusion.occluders.near_duplicates import refuse_near_duplicates
from occludenet_build.occlusion.occluders.summary import bank_summary, write_sheets
from occludenet_build.occlusion.occluders.user_cutouts import (
    UserPicture,
    cut_user_picture,
    lost_user_picture,
    user_pictures,
)
from occludenet_build.sources.coco.instances import read_photos
from occludenet_build.sources.coco.photo import Photo
from occludenet_build.sources.coco.selection import Row


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of occluders."""
    parser.add_argument("--coco", type=Path, metavar="FILE", help="acquire/coco.json")
    parser.add_argument("--images", type=Path, metavar="DIR", help="photos, instead of --coco")
    parser.add_argument("--instances", type=Path, metavar="FILE", help="COCO instances JSON")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the table to write"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="worker processes")


def run(args: argparse.Namespace, config: cfg.Config) -> None:
    """Cut out the occluders and write the bank.

    Raises UserError where photos or instances are missing, or no cut-out is left.
    """
    images, instances = _sources(args)
    settings = config.occluders
    folder = args.out.parent
    with folder_lock(folder):
        jobs = list(cutout_jobs(images, instances, folder, config))
        cut = pool.in_processes(write_cutouts, jobs, args.threads, lost_picture)
        made = progress(cut, len(jobs), "picture")
        rows = sorted((row for part in made for row in part), key=_order)
        check_items("occluders", rows, args.out, config.failures)
        if settings.gates.apply:
            refuse_near_duplicates(rows, settings.gates.near_duplicate)
        check_disjoint(rows)
        categories = _categories(rows, settings.categories)
        summary = bank_summary(rows, categories, settings.min_pixels, vars(settings.split))
        _log_summary(summary)
        if not any(row["status"] == "ok" for row in rows):
            raise UserError(_no_cutout(rows, summary, args.out))
        (folder / REFUSED).unlink(missing_ok=True)
        summary["sheets"] = write_sheets(folder, rows, categories, config.seed)
        tables.write_if_changed(tables.from_rows(rows, occluders.SCHEMA), args.out)
        write_json(folder / "summary.json", summary)
        _remove_stale(folder, rows, categories)


REFUSED = "refused.csv"
"""Beside the table: its rows, if there is no cut-out. Snakemake removes the table of a failed
job."""


def _no_cutout(rows: list[Row], summary: Mapping[str, Any], out: Path) -> str:
    """Write the table all the same; return the error message."""
    tables.write_if_changed(tables.from_rows(rows, occluders.SCHEMA), out)
    columns = ("category", "source", "coco_image", "coco_annotation", "reason", "detail")
    refused = out.parent / REFUSED
    write_text(refused, csv_text(columns, ([row.get(name) for name in columns] for row in rows)))
    first = next((row for row in rows if row["status"] == "failed"), rows[0] if rows else None)
    if first is None:
        return f"occluders: not one cut-out. {'. '.join(summary['lines'])}"
    detail = f" ({first['detail']})" if first["detail"] else ""
    return (
        f"occluders: not one cut-out. {'. '.join(summary['lines'])}. First: {first['source']}: "
        f"{first['reason']}{detail}; {refused} has all"
    )


def cutout_jobs(
    images: Path, instances: Path, folder: Path, config: cfg.Config
) -> Iterator[PhotoJob | UserPicture]:
    """A job per photo with a wanted instance, then one per picture of the user's own."""
    settings, seed = config.occluders, config.seed
    for photo in read_photos(instances, settings.categories):
        yield PhotoJob(
            photo, images, folder, settings, photo_split(photo, vars(settings.split), seed)
        )
    yield from user_pictures(folder, settings, seed)


def write_cutouts(job: PhotoJob | UserPicture) -> list[Row]:
    """Write the PNGs of a job; return its table rows."""
    return cut_photo(job) if isinstance(job, PhotoJob) else cut_user_picture(job)


def lost_picture(job: PhotoJob | UserPicture, error: ItemError) -> list[Row]:
    """The rows of a picture whose worker had to be ended or died."""
    lost: Any = lost_photo if isinstance(job, PhotoJob) else lost_user_picture
    return lost(job, error)


def photo_split(photo: Photo, fractions: dict[str, float], seed: int) -> str:
    """The split of a photo, and so of all its cut-outs."""
    return seeds.split_of(fractions, seed, str(photo.image), "occluder split")


def _categories(rows: Iterable[Row], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The categories in the settings, then those of the user's own pictures only."""
    present = {row["category"] for row in rows if row["status"] == "ok"}
    return *wanted, *sorted(present - set(wanted))


def _order(row: Row) -> tuple[str, int, int, str]:
    photo, annotation = row.get("coco_image"), row.get("coco_annotation")
    return row["category"], photo or 0, annotation or 0, row["source"] or ""


def _sources(args: argparse.Namespace) -> tuple[Path, Path]:
    """(folder of photos, instances file); both exist."""
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
        note = read_json(path)
        images, instances = Path(note["images"]), Path(note["instances"])
        expected_hash = note["instances_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"occluders: wanted acquire's coco.json, {path}: {error!r}") from error
    if instances.is_file() and sha256_file(instances) != expected_hash:
        raise UserError(f"occluders: {instances} has changed since acquire ran; run acquire again")
    return images, instances


def check_disjoint(rows: Iterable[Mapping[str, Any]]) -> None:
    """Raises RuntimeError where an occluder name or a photo is in two splits."""
    seen: dict[str, str] = {}
    for row in rows:
        if row["status"] == "ok":
            photo = row.get("coco_image")
            for item in (row["occluder"], *([] if photo is None else [f"photo {photo}"])):
                if seen.setdefault(item, row["split"]) != row["split"]:
                    raise RuntimeError(f"{item} is in the splits {seen[item]} and {row['split']}")


def _log_summary(summary: Mapping[str, Any]) -> None:
    for name, count in summary["categories"].items():
        splits = ", ".join(f"{n} {split}" for split, n in count["splits"].items())
        release = f"; the release has {count['release']}" if count["release"] else ""
        logging.info("%s: %d of %d kept (%s)%s", name, count["kept"], count["instances"],
                     splits, release)  # fmt: skip
        refused = ", ".join(f"{n} {reason}" for reason, n in sorted(count["reasons"].items()))
        if refused:
            logging.info("%s: not kept: %s", name, refused)
    for line in summary["lines"]:
        logging.warning("%s", line)


# A leading dot and .part are names of temporary files that a killed run leaves.
_CUTOUT_NAME = re.compile(
    r"\.?((\d{12,}_\d{7,}|\d{7,}_dog_\d{12,})_\d+\.\d\d(_\d+)?"
    r"|own_[A-Za-z0-9._-]*_[0-9a-f]{6})(\.part)?\.png"
)


def _remove_stale(
    folder: Path, rows: Iterable[Mapping[str, Any]], categories: tuple[str, ...]
) -> None:
    """Remove cut-outs of earlier settings: files named like a cut-out that are in no row."""
    named = {folder / row["file"] for row in rows if row["status"] == "ok"}
    for path in (folder / "png").glob("*/*.png"):
        if path not in named and _CUTOUT_NAME.fullmatch(path.name):
            path.unlink()
    for category in (folder / "png").glob("*/"):
        if category.name not in categories and not any(category.iterdir()):
            category.rmdir()
