"""The command line of detect, and the ledger key of each clip."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import logging
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

import occludenet_build.people.detect as stage
from occludenet_build.config import Config
from occludenet_build.config.backends import DETECTORS, with_backend_version
from occludenet_build.config.people import Detect
from occludenet_build.core import ledger, pool, tables
from occludenet_build.core.build import shard_rows, source_identity
from occludenet_build.core.engines import weights_key
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.failures import check_items
from occludenet_build.core.files import sha256_file
from occludenet_build.core.settings import is_url
from occludenet_build.core.torch_models import checkpoint_file
from occludenet_build.core.versions import results_version
from occludenet_build.people.detect import inference
from occludenet_build.people.detectors import boxfile, exports
from occludenet_build.people.detectors.interface import GivenBoxes, IndexedClip, runs_network
from occludenet_build.sources.weights import local_file, with_exported_model

KEY_SETTINGS = (
    "backend",
    "actor",
    "tracker",
    "track_iou",
    "join_seconds",
    "join_overlap",
    "join_size",
    "min_track_seconds",
    "max_gap_seconds",
)
"""Settings that change the results of every backend, and so belong to a clip's key."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of detect."""
    parser.add_argument(
        "--videos", type=Path, required=True, help="the clips: index/shards/S.parquet"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="the manifest to write: detect/S.parquet"
    )
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="weights, or the JSON file that acquire wrote for them; overrides detect.weights",
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        help="CPU threads, or worker processes for motion and file; default: 1",
    )


def run(args: argparse.Namespace, config: Config) -> None:
    """Detect the people in the clips of one shard; clips in the ledger are not repeated."""
    settings = config.detect
    named = None
    if runs_network(settings):
        named = _resolve_export_folder(args.weights or settings.weights)
        weights = local_file(named, settings.weights_sha256, "detect.weights")
        settings = dataclasses.replace(settings, weights=weights)
    settings = with_exported_model(settings, named, "detect")
    clips = shard_rows(args.videos, args.out)
    jobs = {job.clip.name: job for job in make_jobs(clips, settings)}
    if settings.backend == "file":
        _check_boxes(jobs, args.videos, settings)
    with ledger.locked_ledger(
        args.out.parent / "store" / args.out.stem, stage.ROWS, stage.BOXES
    ) as clip_ledger:
        todo = {clip: job.key for clip, job in jobs.items()}
        ledger.work_through(clip_ledger, todo, partial(_make, jobs, args.threads))
        check_items("detect", clip_ledger.results(list(jobs)), args.out, config.failures)
        table = clip_ledger.close(list(jobs), args.out)
    ledger.log_summary(table)
    log_refusals(table)


def _check_boxes(jobs: dict[str, inference.DetectJob], videos: Path, settings: Detect) -> None:
    """Raise UserError where no row of the box file names a clip of any shard; log other lacks."""
    found = sum(job.clip.given is not None for job in jobs.values())
    if jobs and not found:
        shards = sorted({videos, *videos.parent.glob("[0-9][0-9][0-9].parquet")})
        every_clip = {row["clip"] for path in shards for row in tables.read_rows(path)}
        boxfile.require_names(str(settings.boxes), every_clip)
    if found < len(jobs):
        logging.warning("%s names %d of %d clips", settings.boxes, found, len(jobs))


def log_refusals(table: pa.Table) -> None:
    """Log what to do about the clips that the backend motion refused; table: of ROWS."""
    reasons = Counter(table["reason"].to_pylist())
    refused = {reason: reasons[reason] for reason in inference.REFUSALS if reasons[reason]}
    if refused:
        logging.info(
            "motion: %d of %d clips refused (%s): for these give a detector with weights, "
            "detect.backend yolo or torchvision, or your own boxes, detect.backend file",
            sum(refused.values()),
            len(table),
            ", ".join(f"{count} {reason}" for reason, count in refused.items()),
        )


def _resolve_export_folder(weights: str | None) -> str | None:
    """The .xml file where `weights` is the folder of an OpenVINO export."""
    is_local = weights is not None and not is_url(weights)
    return str(exports.model_file(Path(str(weights)))) if is_local else weights


def make_jobs(rows: list[dict[str, Any]], settings: Detect) -> Iterator[inference.DetectJob]:
    """One job per row of the index, with a key that covers everything its results depend on."""
    given = _given_boxes(rows, settings)
    weights = _weights_hash(settings)
    version = with_backend_version(results_version("detect"), "detect", settings.backend)
    names = (*KEY_SETTINGS, *DETECTORS[settings.backend].matters)
    matters = {name: getattr(settings, name) for name in names}
    for row in rows:
        boxes = given.get(row["clip"])
        inputs = (source_identity(row), weights_key(weights, settings.engine), _boxes_hash(boxes))
        yield inference.DetectJob(
            clip=_clip(row, boxes),
            key=ledger.result_key("detect", version, matters, *inputs),
            settings=settings,
            weights_sha256=weights,
        )


def _clip(row: dict[str, Any], given: GivenBoxes | None) -> IndexedClip:
    return IndexedClip(
        name=row["clip"],
        path=row["path"],
        width=row["width"],
        height=row["height"],
        frames=row["frames"],
        fps=row["fps"],
        given=given,
        sha256=row["sha256"],
    )


def _given_boxes(rows: list[dict[str, Any]], settings: Detect) -> dict[str, GivenBoxes]:
    """Clip -> the user's boxes; empty for other backends than file."""
    if settings.backend != "file":
        return {}
    if settings.boxes is None:
        raise UserError("detect.boxes: wanted a file for detect.backend file, got nothing; set it")
    paths = {row["clip"]: row["path"] for row in rows}
    clips = {row["clip"]: (row["width"], row["height"], row["frames"]) for row in rows}
    return boxfile.read_boxes(settings.boxes, clips, settings.actor == "file", paths)


def _boxes_hash(given: GivenBoxes | None) -> str:
    if given is None:
        return ""
    digest = hashlib.blake2b(digest_size=16)
    for values in (given.frames, given.boxes, given.scores, given.tracks, given.actors):
        digest.update(b"" if values is None else values.tobytes())
    return digest.hexdigest()


def _weights_hash(settings: Detect) -> str | None:
    if not runs_network(settings):
        return None
    files = exports.model_files(checkpoint_file(settings.weights, settings.backend))
    if len(files) == 1:
        return sha256_file(files[0])
    digest = hashlib.sha256()
    for path in files:
        digest.update(checkpoint_file(path, settings.backend).read_bytes())
    return digest.hexdigest()


def _make(
    jobs: dict[str, inference.DetectJob], threads: int, missing: list[str]
) -> Iterator[ledger.ClipResult]:
    settings = jobs[missing[0]].settings
    todo = (jobs[clip] for clip in missing)
    logging.info("backend %s", settings.backend)
    # A network: one model for all clips, which uses all threads. Else: one process per thread.
    if runs_network(settings):
        return inference.detect_in_batches(todo, settings, threads)
    return pool.in_processes(inference.detect_clip, todo, threads, _lost)


def _lost(job: inference.DetectJob, error: ItemError) -> ledger.ClipResult:
    return ledger.lost(inference.initial_row(job), error)
