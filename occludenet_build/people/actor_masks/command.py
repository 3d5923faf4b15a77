"""The command line of actor_masks, and the ledger key of each clip."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.config.backends import MASKERS
from occludenet_build.config.people import ActorMasks
from occludenet_build.core import ledger
from occludenet_build.core.build import shard_rows, source_identity
from occludenet_build.core.engines import backend_text, weights_key
from occludenet_build.core.errors import UserError
from occludenet_build.core.failures import check_items
from occludenet_build.core.versions import results_version
from occludenet_build.people import actor_masks
from occludenet_build.people.actor_masks import one_clip
from occludenet_build.people.maskers.registry import mask_clips
from occludenet_build.sources.weights import with_local_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of actor_masks."""
    parser.add_argument(
        "--clips", type=Path, required=True, help="the clips: select/shards/S.parquet"
    )
    parser.add_argument("--boxes", type=Path, required=True, help="the folder detect/store")
    parser.add_argument(
        "--out", type=Path, required=True, help="the manifest to write: actor_masks/S.parquet"
    )
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="weights, or the JSON file that acquire wrote for them; overrides actor_masks.weights",
    )
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="CPU threads; default: 1"
    )


def run(args: argparse.Namespace, config: Config) -> None:
    """Mask the actor in the clips of one shard; clips in the ledger are not repeated.

    Raises UserError where actor_masks.every is above 1 for a backend that needs every frame.
    """
    _check_every(config.actor_masks)
    settings, weights_sha256 = with_local_weights(config.actor_masks, args.weights, "actor_masks")
    clips = {row["clip"]: row for row in shard_rows(args.clips, args.out) if row["status"] == "ok"}
    keys = {clip: key_of(row, settings, weights_sha256) for clip, row in clips.items()}
    backend = backend_text(settings.backend, settings.engine)
    facts = {"backend": backend, "weights_sha256": weights_sha256}

    def make(missing: list[str]) -> Iterator[ledger.ClipResult]:
        jobs = (
            one_clip.MaskJob(clips[clip], args.boxes, facts | {"key": keys[clip]})
            for clip in missing
        )
        return mask_clips(settings, jobs, args.threads, one_clip.mask_clip, one_clip.lost_clip)

    store = args.out.parent / "store" / args.out.stem
    with ledger.locked_ledger(store, actor_masks.ROWS, actor_masks.DETAIL) as clip_ledger:
        ledger.work_through(clip_ledger, keys, make)
        check_items("actor_masks", clip_ledger.results(list(clips)), args.out, config.failures)
        table = clip_ledger.close(list(clips), args.out)
    ledger.log_summary(table)


def _check_every(settings: ActorMasks) -> None:
    if MASKERS[settings.backend].every_frame and settings.every > 1:
        raise UserError(
            f"actor_masks.every: wanted 1 for the backend {settings.backend}, which propagates "
            f"masks from frame to frame itself, got {settings.every}; change one of them"
        )


def key_of(row: dict[str, Any], settings: ActorMasks, weights_sha256: str | None) -> str:
    """The ledger key of a clip, a hash over everything that its masks depend on."""
    matters = {name: getattr(settings, name) for name in MASKERS[settings.backend].matters}
    return ledger.result_key(
        "actor_masks",
        results_version("actor_masks"),
        {"backend": settings.backend} | matters,
        source_identity(row),
        row["boxes_hash"],
        weights_key(weights_sha256, settings.engine),
    )
