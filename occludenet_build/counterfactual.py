"""counterfactual: do(A = a), O fixed. The occluded clips once more, with the actor erased.

Reads a shard of the selection, the boxes of detect, the masks of actor_masks and the cut-outs.
Writes, below --root:

    <dataset>-counterfactual/<split>/<25%>/<class>/<0.25>_<clip>.mp4
    counterfactual/<shard>.parquet                      CLIPS below, a row per source clip

The same decoder, occluder, encoder settings, pts and sound as composite: a pair differs in the
actor alone. Frames in which the actor has no mask stay as they are and are counted.
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
from occludenet_build.compositing.erase import Erasure
from occludenet_build.compositing.jobs import (
    ActorBoxes,
    inputs_of,
    intact,
    job_of,
    remove_stale,
)
from occludenet_build.compositing.render import ClipJob, render
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
        column("frames", "int32", "frames, as many as the source has"),
        column("actor_frames", "int32", "frames with an actor box"),
        column("erased_frames", "int32", "frames in which the actor was erased"),
        column("scales", pa.list_(pa.float64()), "nominal scales, in the order of files"),
        column("files", pa.list_(pa.string()), "clips, relative to the build"),
        column("file_hashes", pa.list_(pa.string()), "their sha256"),
    ]
)
FILES = ("files",)
"""The columns that name files."""


def main() -> None:
    stage.run("counterfactual", __doc__, _arguments, _work)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=Path, required=True, help="select/shards/NNN.parquet")
    parser.add_argument("--boxes", type=Path, required=True, help="detect/store")
    parser.add_argument("--masks", type=Path, required=True, help="actor_masks/NNN.parquet")
    parser.add_argument("--bank", type=Path, required=True, help="folder of the cut-outs")
    parser.add_argument("--root", type=Path, required=True, help="the build's folder")
    parser.add_argument("--out", type=Path, required=True, help="counterfactual/NNN.parquet")
    parser.add_argument("--threads", type=int, default=1, help="worker processes")


def _work(args: argparse.Namespace, config: cfg.Config) -> None:
    wanted = config.counterfactual.splits
    chosen = {r["clip"]: r for r in tables.read_rows(args.clips) if r["split"] in wanted}
    masked = {row["clip"]: row for row in tables.read_rows(args.masks)}
    code = digest("counterfactual")
    keys = {clip: _key(row, masked[clip], config, code) for clip, row in chosen.items()}
    boxes = ActorBoxes(args.boxes)
    rles = tables.ClipGroups(args.masks.parent / "store" / args.masks.stem / "detail.parquet")
    with ledger.hold(args.out.parent / "store" / args.out.stem, CLIPS) as book:

        def make(clips: list[str]) -> Iterator[ledger.Result]:
            jobs = (
                (_job(chosen[c], boxes, rles, config, args), chosen[c], masked[c], keys[c])
                for c in clips
            )
            yield from in_processes(partial(_make, settings=config.composite), jobs, args.threads)

        ledger.work_through(book, keys, make, lambda row: intact(args.root, row, FILES))
        before = book.kept_rows()
        table = book.close(sorted(chosen), args.out)
        remove_stale(before, table, args.root, FILES)
    ledger.log_summary(table)


def _key(row: dict[str, Any], masked: dict[str, Any], config: cfg.Config, code: str) -> str:
    settings = {"composite": vars(config.composite), "counterfactual": vars(config.counterfactual)}
    masks = masked["masks_hash"] or masked["status"]
    return ledger.key("counterfactual", code, settings, *inputs_of(row), masks)


def _job(
    row: dict[str, Any],
    boxes: ActorBoxes,
    rles: tables.ClipGroups,
    config: cfg.Config,
    args: argparse.Namespace,
) -> ClipJob:
    found, settings = rles.read(row["clip"]), config.counterfactual
    pairs = zip(*(found[n].to_pylist() for n in ("frame", "rle")), strict=True) if found else ()
    dataset = f"{config.composite.dataset}-counterfactual"
    job = job_of(row, boxes, args.bank, args.root, dataset, config.composite.scales)
    return dataclasses.replace(job, erasure=Erasure(dict(pairs), settings.fill, settings.dilate))


def _make(
    job: tuple[ClipJob, dict[str, Any], dict[str, Any], str], settings: cfg.Composite
) -> ledger.Result:
    """Render one clip and describe what came out."""
    clip_job, chosen, masked, key = job
    start = time.monotonic()
    row: dict[str, Any] = {"clip": clip_job.clip, "status": "ok", "key": key, "reason": None}
    row |= {name: chosen[name] for name in ("label", "split", "frames")}
    row |= {"actor_frames": len(clip_job.boxes)}
    if masked["status"] != "ok":
        row |= {name: masked[name] for name in ("status", "reason", "detail")}
        return ledger.Result(row | {"seconds": 0.0})
    try:
        render(clip_job, settings)
        row |= _facts(clip_job)
    except ItemError as error:
        row |= {"status": "failed", "reason": error.reason, "detail": error.detail}
    return ledger.Result(row | {"seconds": time.monotonic() - start})


def _facts(job: ClipJob) -> dict[str, Any]:
    assert job.erasure is not None
    return {
        "erased_frames": len(job.erasure.rles),
        "scales": list(job.targets),
        "files": list(job.targets.values()),
        "file_hashes": [files.sha256_file(job.root / name) for name in job.targets.values()],
    }


if __name__ == "__main__":
    main()
