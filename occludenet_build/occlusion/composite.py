"""composite: makes the occluded clips, their clean twins and the counterfactuals, clip by clip.

Occluded clips show an occluder on the moving actor, at each scale, with ground truth.
Counterfactuals, do(A = a) with O fixed, are the same clips with the actor erased. One pass over a
source clip writes all of its outputs.

Reads, for one shard, the selection, the boxes of detect, the cut-outs and, where needed, the masks
of actor_masks. Writes, below --root:

    <dataset>/<split>/<25%>/<class>/<0.25>_<clip>.mp4   the occluded clips
    <dataset>-clean/<split>/<class>/<clip>.mp4          the same encoder, no occluder
    composite/<shard>.parquet                           CLIPS below, a row per source clip
    composite/store/<shard>/detail.parquet              a row per frame and scale,
                                                        occlusion.ground_truth.TRUTH

and for the splits in counterfactual.splits

    <dataset>-counterfactual/<split>/<25%>/<class>/<0.25>_<clip>.mp4
    counterfactual/<shard>.parquet                      ERASED below, a row per source clip

Video is H.264 in MP4 with the source's pts, rotation, pixel aspect and colour tags. Sound is
copied; a codec that MP4 cannot carry is encoded as AAC, and the row says so. Where the sha256 of a
source is not the indexed one, its row fails with source_changed. Occluded clips and counterfactuals
have separate ledger keys: other masks remake the counterfactuals and nothing else, except with
scale_mode `target`, which measures by the masks. A counterfactual differs from its occluded clip in
the actor only; frames in which the actor has no mask are left unchanged, and the row counts the
erased ones, and the unerased ones that may show the actor: beyond counterfactual.max_unerased of
them the clip is skipped as not_erased. With counterfactual.files false there are rows and no files:
train then erases the actor when it reads an occluded clip, with the masks and the ground truth in
annotate/frames.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build import config as cfg
from occludenet_build.core import files, ledger, tables
from occludenet_build.core.build import ClipBoxes, DetailStore, shard_rows
from occludenet_build.core.commits import Commits
from occludenet_build.core.errors import UserError
from occludenet_build.core.failures import check_items
from occludenet_build.core.files import files_exist, listed_files, remove_stale
from occludenet_build.core.pool import in_processes
from occludenet_build.core.progress import progress
from occludenet_build.core.tables import column
from occludenet_build.core.versions import results_version
from occludenet_build.media.video.encoder import available_encoder
from occludenet_build.occlusion import counterfactual
from occludenet_build.occlusion.clip_results import ClipTask, lost_clip, make_clip
from occludenet_build.occlusion.counterfactual import Erasure
from occludenet_build.occlusion.ground_truth import TRUTH
from occludenet_build.occlusion.jobs import (
    actor_boxes,
    clip_job,
    erased_outputs,
    key_inputs,
    occluded_outputs,
)

_OF_CLIP = [
    column("label", "string", "class name"),
    column("split", "string", "train, val or test"),
    column("frames", "int32", "number of frames, equal to that of the source"),
]
_FILES = [
    column("scales", pa.list_(pa.float64()), "nominal scales, in the order of files"),
    column("files", pa.list_(pa.string()), "the clips' files, relative to the build"),
    column("file_hashes", pa.list_(pa.string()), "their sha256"),
]
_MADE_WITH = [
    column("encoder", "string", "the encoder that was used, with its version"),
    column("instruction_set", "string", "newest processor instructions that it used"),
    column("libraries", "string", "versions of the libraries that decode, scale and blend"),
]

CLIPS = pa.schema(
    [
        *ledger.STATUS,
        *_OF_CLIP,
        column("category", "string", "occluder type"),
        column("occluder", "string", "name of the cut-out"),
        column("other_occluders", pa.list_(pa.string()), "further cut-outs on the clip"),
        column("occluded_frames", "int32", "frames in which some of the actor's box is hidden"),
        column("fps", "float64", "average frame rate, frames per second"),
        column("duration_seconds", "float64", "duration of the picture, seconds"),
        column("pix_fmt", "string", "pixel format of the outputs"),
        column("sound", "string", "copied, encoded (as AAC) or none"),
        *_FILES,
        column("factors", pa.list_(pa.float64()), "size of the occluder at each scale: the scale "
               "itself; with scale_mode target the solved size"),
        column("shares", pa.list_(pa.float64()), "scale_mode target: mean hidden share of the "
               "actor; else null"),
        column("clean_file", "string", "the clean twin, relative to the build; null if none"),
        column("clean_hash", "string", "its sha256"),
        column("truth_hash", "string", "hash of the ground-truth rows"),
        *_MADE_WITH,
    ]
)  # fmt: skip
"""Columns of composite/<shard>.parquet."""

ERASED = pa.schema(
    [
        *ledger.STATUS,
        *_OF_CLIP,
        column("actor_frames", "int32", "frames with an actor box"),
        column("erased_frames", "int32", "frames in which the actor was erased"),
        column("unerased_frames", "int32", "frames without a mask that may show the actor"),
        *_FILES,
        *_MADE_WITH,
    ]
)
"""Columns of counterfactual/<shard>.parquet."""

FILES = ("files", "clean_file")
"""Columns that name files."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of composite."""
    parser.add_argument("--clips", type=Path, required=True, help="select/shards/NNN.parquet")
    parser.add_argument("--boxes", type=Path, required=True, help="detect/store")
    parser.add_argument("--bank", type=Path, required=True, help="folder of the cut-outs")
    parser.add_argument("--masks", type=Path, help="actor_masks/NNN.parquet")
    parser.add_argument("--root", type=Path, required=True, help="the build's folder")
    parser.add_argument("--out", type=Path, required=True, help="composite/NNN.parquet")
    parser.add_argument("--erased", type=Path, help="counterfactual/NNN.parquet; needs --masks")
    parser.add_argument("--threads", type=int, default=1, help="worker processes")


def run(args: argparse.Namespace, config: cfg.Config) -> None:
    """Make the missing clips of a shard and write its tables.

    Raises UserError where counterfactuals are requested without masks.
    """
    tables.without_pandas()
    if args.erased and config.counterfactual.splits and not args.masks:
        raise UserError("composite: wanted --masks for --erased, got none; give actor_masks' table")
    shard = CompositeShard(args, config)
    with ExitStack() as stack:
        ledgers = {"occluded": stack.enter_context(_open_ledger(args.out, CLIPS, TRUTH))}
        if args.erased:
            rows = counterfactual.without_count(ERASED)
            ledgers["erased"] = stack.enter_context(_open_ledger(args.erased, rows, None))
        _make_missing(shard, ledgers, args, config)
        for name, part_ledger in ledgers.items():
            results = part_ledger.results(sorted(shard.keys[name]))
            check_items("composite", results, args.out, config.failures)
        for (name, part_ledger), out in zip(ledgers.items(), (args.out, args.erased), strict=False):
            before = part_ledger.kept_rows()
            table = part_ledger.close(sorted(shard.keys[name]), None if name == "erased" else out)
            if name == "erased":
                counterfactual.write_with_counts(table, shard.unerased, ERASED, out)
            remove_stale(before, table, args.root, FILES)
            ledger.log_summary(table)


def _open_ledger(out: Path, rows: pa.Schema, detail: pa.Schema | None) -> Any:
    return ledger.locked_ledger(out.parent / "store" / out.stem, rows, detail)


def _make_missing(
    shard: CompositeShard,
    ledgers: dict[str, ledger.ShardLedger],
    args: argparse.Namespace,
    config: cfg.Config,
) -> None:
    """Process each clip once, for all of its missing parts."""
    missing = {
        name: set(
            ledger.unfinished_clips(
                part_ledger, shard.keys[name], lambda row: files_exist(args.root, row, FILES)
            )
        )
        for name, part_ledger in ledgers.items()
    }
    clips = sorted(set().union(*missing.values()))
    if not clips:
        return
    codec = available_encoder(config.composite.codec)
    settings = dataclasses.replace(config.composite, codec=codec)
    begun: list[Path] = []

    def tasks() -> Iterator[ClipTask]:
        for clip in clips:
            task = shard.task(clip, _parts(clip, missing), settings)
            begun.extend(args.root / out.file for out in task.job.outputs)
            yield task

    make = partial(make_clip, settings=settings, leave=True)
    lost = partial(lost_clip, settings=settings)
    with ExitStack() as stack:
        stack.callback(files.remove_temporary, begun)  # of clips that nobody waits for any more
        commits = stack.enter_context(Commits())
        results = stack.enter_context(closing(in_processes(make, tasks(), args.threads, lost)))
        for made in progress(results, len(clips), "clip"):
            rows = [result.row for result in made.values()]
            for row in rows:
                ledger.log_unexpected(row)
            written = [args.root / name for row in rows for name in listed_files(row, FILES)]
            commits.add([(ledgers[name], result) for name, result in made.items()], written)


def _parts(clip: str, missing: dict[str, set[str]]) -> set[str]:
    """The missing parts of a clip."""
    return {name for name, clips in missing.items() if clip in clips}


class CompositeShard:
    """The input tables of a shard. `keys`: part (`occluded`, `erased`) -> clip -> ledger key."""

    def __init__(self, args: argparse.Namespace, config: cfg.Config) -> None:
        self._args, self._config = args, config
        self._chosen = {row["clip"]: row for row in shard_rows(args.clips, args.out)}
        self._boxes = DetailStore(args.boxes)
        self._masked = {}
        if args.masks:
            self._masked = {row["clip"]: row for row in tables.read_rows(args.masks)}
            self._rles = DetailStore(args.masks.parent / "store")
        splits = config.counterfactual.splits if args.erased else ()
        chosen = [clip for clip, row in self._chosen.items() if row["split"] in splits]
        self.unerased = {clip: self._count(clip) for clip in chosen}
        occluded = {clip: self._key(row) for clip, row in self._chosen.items()}
        erased = {clip: self._erased_key(clip, occluded[clip]) for clip in chosen}
        self.keys = {"occluded": occluded, "erased": erased}

    def _key(self, row: dict[str, Any]) -> str:
        settings, used = self._config.composite, []
        plain = dataclasses.asdict(settings)
        if settings.motion != "track" or row["other_occluders"]:
            used.append(str(self._config.seed))
        if settings.scale_mode == "target":
            used.append(self._masks_hash(row["clip"]))
        version = results_version("composite", "composite")
        return ledger.result_key("composite", version, plain, *key_inputs(row), *used)

    def _erased_key(self, clip: str, key: str) -> str:
        own = dataclasses.asdict(self._config.counterfactual)
        used = [str(self._config.seed)] if own["fill"] == "noise" else []
        del own["max_unerased"]
        refusal = self._refusal(clip)
        if refusal and refusal["reason"] == "not_erased":
            used.append(refusal["detail"])
        version = results_version("composite", "counterfactual")
        return ledger.result_key("erased", version, own, key, self._masks_hash(clip), *used)

    def _count(self, clip: str) -> counterfactual.Unerased:
        boxes = ClipBoxes.of(self._boxes.rows(clip, self._chosen[clip]["detect_shard"]))
        masks = self._args.masks
        rows = self._rles.rows(clip, masks.stem, ["frame"]) if masks else None
        masked = [] if rows is None else rows["frame"].to_pylist()
        return counterfactual.count_unerased(boxes, masked)

    def _refusal(self, clip: str) -> dict[str, Any] | None:
        masked = self._masked.get(clip)
        if masked and masked["status"] != "ok":
            return {name: masked[name] for name in ("status", "reason", "detail")}
        counted = self.unerased.get(clip)
        return counted.refusal(self._config.counterfactual.max_unerased) if counted else None

    def _masks_hash(self, clip: str) -> str:
        row = self._masked.get(clip)
        return (row["masks_hash"] or row["status"]) if row else "none"

    def task(self, clip: str, parts: set[str], settings: cfg.Composite) -> ClipTask:
        """The task of a clip; `parts`: which of `occluded` and `erased` to make."""
        chosen, refusal = self._chosen[clip], self._refusal(clip)
        outputs = occluded_outputs(chosen, settings) if "occluded" in parts else ()
        args, fill = self._args, self._config.counterfactual
        if "erased" in parts and fill.files and not refusal:
            outputs += erased_outputs(chosen, settings)
        boxes = actor_boxes(self._boxes.actor(clip, chosen["detect_shard"]))
        job = clip_job(chosen, boxes, args.bank, args.root, settings, self._config.seed)
        erasure = Erasure(fill.fill, fill.dilate, self._config.seed, clip)
        job = dataclasses.replace(job, outputs=outputs, erasure=erasure)
        if "erased" in parts or settings.scale_mode == "target":
            masks = self._rles.masks(clip, args.masks.stem) if args.masks else {}
            job = dataclasses.replace(job, masks=masks)
        keys = {part: self.keys[part][clip] for part in parts}
        return ClipTask(job, chosen, keys.get("occluded"), keys.get("erased"), refusal)
