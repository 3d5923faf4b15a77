"""The masks of one clip: reads its boxes, runs the masker, and makes the rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build.core import tables
from occludenet_build.core.build import ClipBoxes, DetailStore
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import short_hash
from occludenet_build.core.ledger import ClipResult, attempt, lost
from occludenet_build.media.imaging import masks
from occludenet_build.media.video.source import check_indexed
from occludenet_build.people.actor_masks import DETAIL
from occludenet_build.people.actor_masks.mask_quality import KINDS, MaskChecker, describe_doubts
from occludenet_build.people.maskers import group_masks
from occludenet_build.people.maskers.interface import BoxedClip, Masker


@dataclass(frozen=True)
class MaskJob:
    """Everything that a worker process needs for one clip."""

    row: dict[str, Any]
    """The clip's row in select's table."""
    boxes: Path
    """The folder detect/store."""
    facts: dict[str, Any]
    """Columns that are known before masking."""


def mask_clip(job: MaskJob, masker: Masker) -> ClipResult:
    """The masks of one clip, or a row with the reason why there are none."""
    return attempt(_known(job), lambda: _masked(job, masker), skipped=("no_mask", "no_actor"))


def lost_clip(job: MaskJob, error: ItemError) -> ClipResult:
    """The row of a clip whose worker had to be ended or died."""
    return lost(_known(job), error)


def _known(job: MaskJob) -> dict[str, Any]:
    return {"clip": job.row["clip"]} | job.facts


def _masked(job: MaskJob, masker: Masker) -> tuple[dict[str, Any], pa.Table]:
    """The manifest's columns and the rows of DETAIL."""
    rows, shape = _coded(job, masker)
    doubted = [(row["frame"], (row["doubt"] or "").split()) for row in rows]
    counts = {kind: sum(kind in kinds for _, kinds in doubted) for kind in KINDS}
    facts = {
        "masked_frames": len(rows),
        "height": shape[0],
        "width": shape[1],
        "jumps": counts["jump"],
        "leaking_frames": counts["leaking"],
        "thin_frames": counts["thin"],
        "doubts": describe_doubts(doubted),
        "masks_hash": short_hash(*(f"{r['frame']}:{r['rle'].hex()}" for r in rows)),
    }
    return facts, tables.from_rows(rows, DETAIL)


def _coded(job: MaskJob, masker: Masker) -> tuple[list[dict[str, Any]], tuple[int, int]]:
    """Rows of DETAIL and the masks' (H, W); masks are kept encoded, a few hundred bytes each."""
    boxes = _people(job)
    clip, checker = _clip(job, boxes.actor), MaskChecker()
    people = group_masks.group_members(clip.boxes, boxes.others)
    rows: list[dict[str, Any]] = []
    shape = job.row["height"], job.row["width"]
    for number, mask in group_masks.masks_of_actor(masker, clip, people):
        if mask.shape != shape:
            size = f"{mask.shape[1]}x{mask.shape[0]}"
            raise ItemError("corrupt", f"frame {number} is {size}, the clip {shape[1]}x{shape[0]}")
        counts = masks.encode(mask)
        area = masks.area(counts, *shape)
        kinds = checker.check(number, mask, clip.boxes[number], clip.tracks.get(number))
        row = {"clip": job.row["clip"], "frame": number, "area": area, "rle": counts}
        rows.append(row | {"doubt": " ".join(kinds) or None})
    if not rows:
        raise ItemError("no_mask", f"in none of {len(clip.boxes)} frames with a box")
    return rows, shape


def _clip(job: MaskJob, actor: ClipBoxes) -> BoxedClip:
    path = Path(job.row["path"])
    if not len(actor):
        raise ItemError("no_actor")
    check_indexed(path, job.row["sha256"])
    tracks = dict(zip(actor.frames.tolist(), actor.keys, strict=True))
    return BoxedClip(path, actor.one_by_frame(), job.row["frames"], tracks)


def _people(job: MaskJob) -> ClipBoxes:
    """The boxes of all people, detected and filled.

    As arrays: Python objects for the rows of a crowd take a hundred times the memory.
    """
    with DetailStore(job.boxes) as store:
        return ClipBoxes.of(store.rows(job.row["clip"], job.row["detect_shard"]))
