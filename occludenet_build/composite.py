"""composite: OccludeNet-D. An occluder on the moving actor, at every scale, with ground truth.

Reads a shard of the selection, the boxes of detect and the cut-outs. Writes, below --root:

    <dataset>/<split>/<25%>/<class>/<0.25>_<clip>.mp4   the occluded clips
    <dataset>-clean/<split>/<class>/<clip>.mp4          the same encoder, no occluder
    composite/<shard>.parquet                           CLIPS below, a row per source clip
    composite/store/<shard>/detail.parquet              compositing.truth.TRUTH, a row per frame

Video is H.264 in MP4 with the source's pts, rotation, pixel aspect and colour tags. Sound is
copied; what MP4 cannot carry is encoded as AAC, and the row says so.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build import config as cfg
from occludenet_build import stage
from occludenet_build.compositing.jobs import (
    ActorBoxes,
    inputs_of,
    intact,
    job_of,
    remove_stale,
)
from occludenet_build.compositing.render import ClipJob, Rendered, render
from occludenet_build.compositing.truth import TRUTH
from occludenet_build.core import files, ledger, tables
from occludenet_build.core.code import digest
from occludenet_build.core.errors import ItemError
from occludenet_build.core.pool import in_processes
from occludenet_build.core.tables import column

CLIPS = pa.schema(
    [
        *ledger.STATUS,
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("category", "string", "occluder type"),
        column("occluder", "string", "name of the cut-out"),
        column("frames", "int32", "frames, as many as the source has"),
        column("occluded_frames", "int32", "frames in which the actor's box is hidden in part"),
        column("fps", "float64", "average frame rate, frames per second"),
        column("duration_seconds", "float64", "duration of the picture, seconds"),
        column("pix_fmt", "string", "pixel format of the outputs"),
        column("sound", "string", "copied, encoded (as AAC) or none"),
        column("scales", pa.list_(pa.float64()), "nominal scales, in the order of files"),
        column("files", pa.list_(pa.string()), "occluded clips, relative to the build"),
        column("file_hashes", pa.list_(pa.string()), "their sha256"),
        column("clean_file", "string", "the clean twin, relative to the build; null if not made"),
        column("clean_hash", "string", "its sha256"),
        column("truth_hash", "string", "hash of the ground-truth rows"),
    ]
)
_FROM_SELECT = ("label", "split", "category", "occluder", "frames", "fps", "duration_seconds")
FILES = ("files", "clean_file")
"""The columns that name files."""


def main() -> None:
    stage.run("composite", __doc__, _arguments, _work)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=Path, required=True, help="select/shards/NNN.parquet")
    parser.add_argument("--boxes", type=Path, required=True, help="detect/store")
    parser.add_argument("--bank", type=Path, required=True, help="folder of the cut-outs")
    parser.add_argument("--root", type=Path, required=True, help="the build's folder")
    parser.add_argument("--out", type=Path, required=True, help="composite/NNN.parquet")
    parser.add_argument("--threads", type=int, default=1, help="worker processes")


def _work(args: argparse.Namespace, config: cfg.Config) -> None:
    rows = {row["clip"]: row for row in tables.read_rows(args.clips)}
    settings, code = config.composite, digest("composite")
    keys = {clip: _key(row, settings, code) for clip, row in rows.items()}
    boxes = ActorBoxes(args.boxes)
    store = args.out.parent / "store" / args.out.stem
    with ledger.hold(store, CLIPS, TRUTH) as book:

        def make(clips: list[str]) -> Iterator[ledger.Result]:
            jobs = ((_job(rows[c], boxes, settings, args), rows[c], keys[c]) for c in clips)
            yield from in_processes(partial(_make, settings=settings), jobs, args.threads)

        ledger.work_through(book, keys, make, lambda row: intact(args.root, row, FILES))
        before = book.kept_rows()
        table = book.close(sorted(rows), args.out)
        remove_stale(before, table, args.root, FILES)
    ledger.log_summary(table)


def _key(row: dict[str, Any], settings: cfg.Composite, code: str) -> str:
    return ledger.key("composite", code, vars(settings), *inputs_of(row))


def _job(
    row: dict[str, Any], boxes: ActorBoxes, settings: cfg.Composite, args: argparse.Namespace
) -> ClipJob:
    job = job_of(row, boxes, args.bank, args.root, settings.dataset, settings.scales)
    clean = f"{settings.dataset}-clean/{row['split']}/{row['label']}/{row['clip']}.mp4"
    return dataclasses.replace(job, clean=clean if settings.clean_twin else None)


def _make(job: tuple[ClipJob, dict[str, Any], str], settings: cfg.Composite) -> ledger.Result:
    """Render one clip and describe what came out."""
    clip_job, chosen, key = job
    start = time.monotonic()
    row: dict[str, Any] = {"clip": clip_job.clip, "status": "ok", "key": key, "reason": None}
    row |= {name: chosen[name] for name in _FROM_SELECT}
    detail = None
    try:
        rendered = render(clip_job, settings)
        detail = rendered.truth.table()
        row |= _facts(clip_job, rendered) | {"truth_hash": tables.digest(detail)}
    except ItemError as error:
        detail = None
        row |= {"status": "failed", "reason": error.reason, "detail": error.detail}
    return ledger.Result(row | {"seconds": time.monotonic() - start}, detail)


def _facts(job: ClipJob, rendered: Rendered) -> dict[str, Any]:
    """The row of a rendered clip; raises ItemError where nothing came to be occluded."""
    occluded = [rendered.truth.occluded_frames.get(scale, 0) for scale in job.targets]
    if not min(occluded):
        for name in job.outputs:
            (job.root / name).unlink(missing_ok=True)
        raise ItemError("no_occluded_frame", f"occluded frames by scale: {occluded}")
    return {
        "occluded_frames": max(occluded),
        "pix_fmt": rendered.pix_fmt,
        "sound": rendered.sound,
        "scales": list(job.targets),
        "files": list(job.targets.values()),
        "file_hashes": [files.sha256_file(job.root / name) for name in job.targets.values()],
        "clean_file": job.clean,
        "clean_hash": files.sha256_file(job.root / job.clean) if job.clean else None,
    }


if __name__ == "__main__":
    main()
