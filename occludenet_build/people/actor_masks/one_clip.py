"""One clip: its actor boxes read, its masks made and coded, its rows written out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build.core import tables
from occludenet_build.core.build import Boxes, Store
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import short_hash
from occludenet_build.core.ledger import Result, attempt
from occludenet_build.media.imaging import masks
from occludenet_build.media.video.source import check_indexed
from occludenet_build.people.actor_masks import DETAIL
from occludenet_build.people.actor_masks.mask_quality import KINDS, MaskChecker, describe_doubts
from occludenet_build.people.maskers import group_masks
from occludenet_build.people.maskers.interface import Clip, Masker


@dataclass(frozen=True)
class MaskJob:
    """A row of select, the folder of detect's stores, and what the row of the result repeats."""

    row: dict[str, Any]
    boxes: Path
    facts: dict[str, Any]


def mask_clip(job: MaskJob, masker: Masker) -> Result:
    """The masks of one clip, or a row that says why there are none."""
    row = {"clip": job.row["clip"]} | job.facts
    return attempt(row, lambda: _found(job, masker), skipped=("no_mask", "no_actor"))


def _found(job: MaskJob, masker: Masker) -> tuple[dict[str, Any], pa.Table]:
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
    """Detail rows and the masks' (H, W); what is kept per frame is a few hundred bytes."""
    boxes = _people(job)
    clip, doubts = _clip(job, boxes.actor), MaskChecker()
    people = group_masks.group_members(clip.boxes, boxes.others)
    rows: list[dict[str, Any]] = []
    wanted = job.row["height"], job.row["width"]
    for number, mask in group_masks.masks_of_actor(masker, clip, people):
        if mask.shape != wanted:
            size = f"{mask.shape[1]}x{mask.shape[0]}"
            raise ItemError(
                "corrupt", f"frame {number} is {size}, the clip {wanted[1]}x{wanted[0]}"
            )
        counts = masks.encode(mask)
        area = masks.area(counts, *wanted)
        kinds = doubts.check(number, mask, clip.boxes[number], clip.tracks.get(number))
        row = {"clip": job.row["clip"], "frame": number, "area": area, "rle": counts}
        rows.append(row | {"doubt": " ".join(kinds) or None})
    if not rows:
        raise ItemError("no_mask", f"in none of {len(clip.boxes)} frames with a box")
    return rows, wanted


def _clip(job: MaskJob, actor: Boxes) -> Clip:
    path = Path(job.row["path"])
    if not len(actor):
        raise ItemError("no_actor")
    check_indexed(path, job.row["sha256"])
    who = zip(actor.shots.tolist(), actor.tracks.tolist(), strict=True)
    tracks = dict(zip(actor.frames.tolist(), who, strict=True))
    return Clip(path, actor.one_by_frame(), job.row["frames"], tracks)


def _people(job: MaskJob) -> Boxes:
    """Everybody's boxes, detected and filled. As arrays: rows of a crowd would be Python objects
    a hundred times as large."""
    with Store(job.boxes) as store:
        return Boxes.of(store.rows(job.row["clip"], job.row["detect_shard"]))
