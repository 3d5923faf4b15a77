"""One clip: its actor boxes read, its masks made and coded, its rows written out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from occludenet_build.actor_masks import DETAIL
from occludenet_build.actor_masks.backend import Clip, Masker
from occludenet_build.core import masks, tables
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import sha256_file, short_hash
from occludenet_build.core.ledger import Result, attempt


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
    facts = {
        "masked_frames": len(rows),
        "height": shape[0],
        "width": shape[1],
        "masks_hash": short_hash(*(f"{r['frame']}:{r['rle'].hex()}" for r in rows)),
    }
    return facts, tables.from_rows(rows, DETAIL)


def _coded(job: Job, masker: Masker) -> tuple[list[dict[str, Any]], tuple[int, int]]:
    """Detail rows and the masks' (H, W); what is kept per frame is a few hundred bytes."""
    clip = _clip(job)
    rows: list[dict[str, Any]] = []
    wanted = job.row["height"], job.row["width"]
    for number, mask in masker.masks(clip):
        if mask.shape != wanted:
            found = f"{mask.shape[1]}x{mask.shape[0]}"
            raise ItemError(
                "corrupt", f"frame {number} is {found}, the clip {wanted[1]}x{wanted[0]}"
            )
        counts = masks.encode(mask)
        area = masks.area(counts, *wanted)
        rows.append({"clip": job.row["clip"], "frame": number, "area": area, "rle": counts})
    if not rows:
        raise ItemError("no_mask", f"in none of {len(clip.boxes)} frames with a box")
    return rows, wanted


def _clip(job: Job) -> Clip:
    path = Path(job.row["path"])
    boxes = actor_boxes(job.boxes / job.row["detect_shard"] / "detail.parquet", job.row["clip"])
    if not boxes:
        raise ItemError("no_actor")
    try:
        found = sha256_file(path)
    except OSError as error:
        raise ItemError("missing", error.strerror or str(error)) from error
    if found != job.row["sha256"]:
        raise ItemError("source_changed")
    return Clip(path, boxes, job.row["frames"])


def actor_boxes(detail: Path, clip: str) -> dict[int, np.ndarray]:
    """The actor's box by frame, detected and filled: float32 (4,) x1 y1 x2 y2."""
    groups = tables.ClipGroups(detail)
    try:
        table = groups.read(clip)
    finally:
        groups.close()
    rows = table.to_pylist() if table is not None else []
    return {
        row["frame"]: np.array([row[side] for side in ("x1", "y1", "x2", "y2")], np.float32)
        for row in rows
        if row["actor"]
    }
