"""The command line of actor_masks; the package's docstring is its contract."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from occludenet_build import config as cfg
from occludenet_build.config.backends import MASKERS, Backend
from occludenet_build.core import ledger, tables, torch_models
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.core.versions import results_version
from occludenet_build.people import actor_masks
from occludenet_build.people.actor_masks import one_clip
from occludenet_build.people.maskers.registry import mask_clips
from occludenet_build.sources.weights import local_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=Path, required=True, help="select/shards/S.parquet")
    parser.add_argument("--boxes", type=Path, required=True, help="folder detect/store")
    parser.add_argument("--out", type=Path, required=True, help="actor_masks/S.parquet")
    parser.add_argument(
        "--weights", metavar="FILE", help="or acquire's note of one; wins over actor_masks.weights"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="default: 1")


def run(args: argparse.Namespace, config: cfg.Config) -> None:
    mine = config.actor_masks
    backend = MASKERS[mine.backend]
    if backend.every_frame and mine.every > 1:
        raise UserError(
            f"actor_masks.every: wanted 1 for the backend {mine.backend}, which goes from frame "
            f"to frame itself, got {mine.every}; change one of them"
        )
    if backend.network:
        named = args.weights or mine.weights
        found = local_file(named, mine.weights_sha256, "actor_masks.weights")
        mine = dataclasses.replace(mine, weights=found)
    weights_sha256 = _weights_sha256(mine, backend)
    clips = {row["clip"]: row for row in tables.read_rows(args.clips) if row["status"] == "ok"}
    keys = {clip: key_of(row, mine, weights_sha256) for clip, row in clips.items()}
    facts = {"backend": mine.backend, "weights_sha256": weights_sha256}

    def make(missing: list[str]) -> Iterator[ledger.Result]:
        jobs = (
            one_clip.MaskJob(clips[clip], args.boxes, facts | {"key": keys[clip]})
            for clip in missing
        )
        return mask_clips(mine, jobs, args.threads)

    store = args.out.parent / "store" / args.out.stem
    with ledger.hold(store, actor_masks.ROWS, actor_masks.DETAIL) as book:
        ledger.work_through(book, keys, make)
        table = book.close(list(clips), args.out)
    ledger.log_summary(table)


def _weights_sha256(settings: cfg.ActorMasks, backend: Backend) -> str | None:
    if not backend.network:
        return None
    path = torch_models.checkpoint_file(settings.weights, settings.backend)
    logging.info("%s: weights %s", settings.backend, path)
    return sha256_file(path)


def key_of(row: dict[str, Any], settings: cfg.ActorMasks, weights_sha256: str | None) -> str:
    """The ledger key of a clip: everything that its masks depend on."""
    matters = {name: getattr(settings, name) for name in MASKERS[settings.backend].matters}
    return ledger.key(
        "actor_masks",
        results_version("actor_masks"),
        {"backend": settings.backend} | matters,
        row["sha256"],
        row["boxes_hash"],
        weights_sha256 or "",
    )
