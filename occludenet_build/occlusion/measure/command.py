"""The command line of measure, and the ledger key of each clip."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import occludenet_build.occlusion.measure as stage
from occludenet_build.config import ActorMasks, Config
from occludenet_build.config.backends import MASKERS
from occludenet_build.config.measure import Measure
from occludenet_build.core import ledger, seeds, tables
from occludenet_build.core.build import shard_rows, source_identity
from occludenet_build.core.engines import backend_text, weights_key
from occludenet_build.core.errors import UserError
from occludenet_build.core.failures import check_items
from occludenet_build.core.files import replacing
from occludenet_build.core.versions import results_version
from occludenet_build.occlusion.measure import one_clip, still_objects
from occludenet_build.occlusion.measure.listing import camera_of, clips_of, write_listing
from occludenet_build.occlusion.measure.one_clip import MeasureJob
from occludenet_build.occlusion.measure.table import SetTables, write_set
from occludenet_build.people.maskers.registry import mask_clips
from occludenet_build.sources.weights import with_local_weights

_NOT_IN_KEY = ("sets", "shards", "occluders")
"""Settings that do not change the result of a clip; the masks in `occluders` count by content."""

_NEEDS = {
    "list": ("root",),
    "clips": ("videos", "detect"),
    "table": ("index", "shards"),
}
"""Part of the work -> the options that it needs besides --clips, --set and --out."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of measure."""
    add = partial(parser.add_argument, type=Path)
    parser.add_argument("part", choices=_NEEDS, help="which part of the work to do; see above")
    add("--clips", required=True, metavar="FILE", help="segments/ or recordings/clips.parquet")
    parser.add_argument("--set", required=True, metavar="NAME", help="the set: S, I, M, ...")
    add("--out", required=True, metavar="FILE", help="the table to write")
    add("--root", metavar="FOLDER", help="list: the build folder")
    add("--videos", metavar="FILE", help="clips: the shard of the index")
    add("--detect", metavar="FILE", help="clips: detect's manifest of the shard")
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="clips: weights, or the JSON file that acquire wrote for them; overrides "
        "actor_masks.weights",
    )
    add("--index", metavar="FILE", help="table: index/videos.parquet of the set")
    add("--shards", metavar="FOLDER", help="table: the manifests of the shards")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="clips: CPU threads, or processes"
    )


def run(args: argparse.Namespace, config: Config) -> None:
    """Do one part of the work. Raises UserError where an option is missing."""
    for name in _NEEDS[args.part]:
        if getattr(args, name) is None:
            raise UserError(f"measure {args.part}: wanted --{name}, got nothing; see --help")
    if args.part == "list":
        write_listing(args.clips, args.set, args.root, args.out)
    elif args.part == "clips":
        _measure_shard(args, config)
    else:
        names = seeds.shard_names(config.section(Measure).shards)
        manifests = [args.shards / f"{name}.parquet" for name in names]
        given = SetTables(args.clips, args.index, manifests)
        write_set(given, args.set, config.counterfactual, args.out)


def _measure_shard(args: argparse.Namespace, config: Config) -> None:
    """Measure the clips of one shard; clips in the ledger are not repeated."""
    masker, weights = with_local_weights(config.actor_masks, args.weights, "actor_masks")
    jobs = make_jobs(args, config.section(Measure), masker, weights)
    keys = {clip: job.facts["key"] for clip, job in jobs.items()}

    def make(missing: list[str]) -> Iterator[ledger.ClipResult]:
        due = (jobs[clip] for clip in missing)
        return mask_clips(masker, due, args.threads, one_clip.measure_clip, one_clip.lost_clip)

    store = args.out.parent / "store" / args.out.stem
    with ledger.locked_ledger(store, stage.ROWS, stage.FRAMES) as clip_ledger:
        ledger.work_through(clip_ledger, keys, make)
        check_items("measure", clip_ledger.results(list(keys)), args.out, config.failures)
        table = clip_ledger.close(list(keys), args.out)
        _copy(clip_ledger.detail_path, args.out.parent.parent / "frames" / args.out.name)
    ledger.log_summary(table)


def _copy(detail: Path, out: Path) -> None:
    with replacing(out) as temporary:
        shutil.copyfile(detail, temporary)


def make_jobs(
    args: argparse.Namespace, settings: Measure, masker: ActorMasks, weights: str | None
) -> dict[str, MeasureJob]:
    """Clip -> its job, with a key that covers everything its results depend on.

    weights: hash of the masker's. Raises UserError where a mask of an object cannot be read.
    """
    cameras = {row["clip"]: camera_of(row) for row in clips_of(args.clips, args.set)}
    found = {row["clip"]: row for row in tables.read_rows(args.detect)}
    folder = Path(settings.occluders) if settings.occluders else None
    jobs = {}
    for row in shard_rows(args.videos, args.out):
        objects = still_objects.object_files(folder, cameras.get(row["clip"], ""))
        detected = found.get(row["clip"])
        facts = {
            "backend": backend_text(masker.backend, masker.engine),
            "weights_sha256": weights,
        }
        job = MeasureJob(
            row=row,
            boxes=args.detect.parent / "store",
            found=detected,
            set=args.set,
            objects=objects,
            settings=settings,
            facts=facts | {"key": _key(row, detected, objects, settings, masker, weights)},
        )
        jobs[row["clip"]] = job
    if folder is not None and not any(job.objects for job in jobs.values()):
        logging.warning("measure.occluders: %s has no masks of the cameras of this shard", folder)
    return jobs


def _key(
    row: dict[str, Any],
    found: dict[str, Any] | None,
    objects: dict[str, Path],
    settings: Measure,
    masker: ActorMasks,
    weights: str | None,
) -> str:
    own = {k: v for k, v in dataclasses.asdict(settings).items() if k not in _NOT_IN_KEY}
    matters = {name: getattr(masker, name) for name in MASKERS[masker.backend].matters}
    boxes = (found["boxes_hash"] or found["reason"] or "") if found else "not searched"
    return ledger.result_key(
        "measure",
        results_version("measure"),
        own | {"backend": masker.backend} | matters,
        source_identity(row),
        boxes,
        weights_key(weights, masker.engine),
        still_objects.digest(objects),
    )
