"""One clip: its actor boxes read, its masks made and coded, its rows written out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from occludenet_build.actor_masks import DETAIL, group
from occludenet_build.actor_masks.backend import Clip, Masker
from occludenet_build.actor_masks.doubts import KINDS, Doubts, described
from occludenet_build.core import masks, tables
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import short_hash
from occludenet_build.core.ledger import Result, attempt
from occludenet_build.core.video.source import check_indexed


@dataclass(frozen=True)
class Job:
    """A row of select, the folder of detect's stores, and what the row of the result repeats."""

    row: dict[str, Any]
    boxes: Path
    facts: dict[str, Any]


def make(job: Job, masker: Masker) -> Result:
    """The masks of one clip, or a row that says why there are none."""
    row = {"clip": job.row["clip"]} | job.facts
    return attempt(row, lambda: _found(job, masker), skipped=("no_mask", "no_actor"))


def _found(job: Job, masker: Masker) -> tuple[dict[str, Any], pa.Table]:
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
        "doubts": described(doubted),
        "masks_hash": short_hash(*(f"{r['frame']}:{r['rle'].hex()}" for r in rows)),
    }
    return facts, tables.from_rows(rows, DETAIL)


def _coded(job: Job, masker: Masker) -> tuple[list[dict[str, Any]], tuple[int, int]]:
    """Detail rows and the masks' (H, W); what is kept per frame is a few hundred bytes."""
    found = _found_people(job)
    clip, doubts = _clip(job, found), Doubts()
    people = group.members(clip.boxes, _rows(found, actor=False))
    rows: list[dict[str, Any]] = []
    wanted = job.row["height"], job.row["width"]
    for number, mask in group.found(masker, clip, people):
        if mask.shape != wanted:
            size = f"{mask.shape[1]}x{mask.shape[0]}"
            raise ItemError(
                "corrupt", f"frame {number} is {size}, the clip {wanted[1]}x{wanted[0]}"
            )
        counts = masks.encode(mask)
        area = masks.area(counts, *wanted)
        kinds = doubts.of(number, mask, clip.boxes[number], clip.tracks.get(number))
        row = {"clip": job.row["clip"], "frame": number, "area": area, "rle": counts}
        rows.append(row | {"doubt": " ".join(kinds) or None})
    if not rows:
        raise ItemError("no_mask", f"in none of {len(clip.boxes)} frames with a box")
    return rows, wanted


def _clip(job: Job, people: pa.Table | None) -> Clip:
    path = Path(job.row["path"])
    mine = list(_rows(people, actor=True))
    if not mine:
        raise ItemError("no_actor")
    check_indexed(path, job.row["sha256"])
    sides = ("x1", "y1", "x2", "y2")
    boxes = {row["frame"]: np.array([row[side] for side in sides], np.float32) for row in mine}
    who = {row["frame"]: (row["shot"], row["track"]) for row in mine}
    return Clip(path, boxes, job.row["frames"], who)


def _found_people(job: Job) -> pa.Table | None:
    """The clip's rows of detect, detected and filled; None where it has none."""
    groups = tables.ClipGroups(job.boxes / job.row["detect_shard"] / "detail.parquet")
    try:
        return groups.read(job.row["clip"])
    finally:
        groups.close()


def _rows(people: pa.Table | None, *, actor: bool) -> Iterator[dict[str, Any]]:
    """The actor's rows, or everybody else's. As Python's own they are large, and a crowd has many:
    they come batch by batch."""
    for batch in people.to_batches(max_chunksize=4096) if people is not None else ():
        yield from (row for row in batch.to_pylist() if row["actor"] == actor)
