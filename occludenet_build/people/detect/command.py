"""The command line of detect; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import occludenet_build.people.detect as stage
from occludenet_build.config import Config
from occludenet_build.config.backends import DETECTORS
from occludenet_build.config.people import Detect
from occludenet_build.core import ledger, pool, tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.core.settings import is_url
from occludenet_build.core.torch_models import checkpoint_file
from occludenet_build.core.versions import results_version
from occludenet_build.people.detect import inference
from occludenet_build.people.detectors import boxfile, exports
from occludenet_build.people.detectors.interface import Clip, GivenBoxes, runs_network
from occludenet_build.sources.weights import local_file

ALWAYS_MATTER = (
    "backend",
    "actor",
    "tracker",
    "track_iou",
    "min_track_seconds",
    "max_gap_seconds",
)
"""The settings that change the rows of every backend."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--videos", type=Path, required=True, help="index/shards/S.parquet")
    parser.add_argument("--out", type=Path, required=True, help="detect/S.parquet")
    parser.add_argument(
        "--weights", metavar="FILE", help="or acquire's note of one; wins over detect.weights"
    )
    parser.add_argument("--threads", type=int, default=1, help="default: 1")


def run(args: argparse.Namespace, config: Config) -> None:
    settings = config.detect
    if runs_network(settings):
        named = _named_file(args.weights or settings.weights)
        found = local_file(named, settings.weights_sha256, "detect.weights")
        settings = dataclasses.replace(settings, weights=found)
    wanted = tables.read_rows(args.videos)
    jobs = {job.clip.name: job for job in make_jobs(wanted, settings)}
    with ledger.hold(args.out.parent / "store" / args.out.stem, stage.ROWS, stage.BOXES) as book:
        todo = {clip: job.key for clip, job in jobs.items()}
        ledger.work_through(book, todo, partial(_make, jobs, args.threads))
        table = book.close(list(jobs), args.out)
    ledger.log_summary(table)


def _named_file(weights: str | None) -> str | None:
    """An OpenVINO export may be named by its folder."""
    is_here = weights is not None and not is_url(weights)
    return str(exports.model_file(Path(str(weights)))) if is_here else weights


def make_jobs(rows: list[dict[str, Any]], settings: Detect) -> Iterator[inference.DetectJob]:
    """One job per row of the index, with the key that covers all it depends on."""
    given = _given(rows, settings)
    weights = _weights_hash(settings)
    version = results_version("detect")
    mattering = (*ALWAYS_MATTER, *DETECTORS[settings.backend].matters)
    matters = {name: getattr(settings, name) for name in mattering}
    for row in rows:
        boxes = given.get(row["clip"])
        inputs = (row["sha256"], weights or "", _hash(boxes))
        yield inference.DetectJob(
            clip=_clip(row, boxes),
            key=ledger.key("detect", version, matters, *inputs),
            settings=settings,
            weights_sha256=weights,
        )


def _clip(row: dict[str, Any], given: GivenBoxes | None) -> Clip:
    return Clip(
        name=row["clip"],
        path=row["path"],
        width=row["width"],
        height=row["height"],
        frames=row["frames"],
        fps=row["fps"],
        given=given,
    )


def _given(rows: list[dict[str, Any]], settings: Detect) -> dict[str, GivenBoxes]:
    if settings.backend != "file":
        return {}
    if settings.boxes is None:
        raise UserError("detect.boxes: wanted a file for detect.backend file, got nothing; set it")
    clips = {row["clip"]: (row["width"], row["height"], row["frames"]) for row in rows}
    return boxfile.read_boxes(settings.boxes, clips, wants_actor=settings.actor == "file")


def _hash(given: GivenBoxes | None) -> str:
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
) -> Iterator[ledger.Result]:
    settings = jobs[missing[0]].settings
    todo = (jobs[clip] for clip in missing)
    logging.info("backend %s", settings.backend)
    # One model for all clips, which uses all threads itself; the others are as many processes.
    if runs_network(settings):
        return inference.detect_in_batches(todo, settings, threads)
    return pool.in_processes(inference.detect_clip, todo, threads)
