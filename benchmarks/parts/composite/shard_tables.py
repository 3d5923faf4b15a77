"""The input tables of composite for a shard of drawn clips, and its jobs."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from occludenet_build.config.occlusion import Composite, Counterfactual
from occludenet_build.core import tables
from occludenet_build.core.files import sha256_file
from occludenet_build.occlusion import select
from occludenet_build.occlusion.clip_results import ClipTask
from occludenet_build.occlusion.counterfactual import Erasure
from occludenet_build.occlusion.geometry import ActorBox
from occludenet_build.occlusion.jobs import clip_job, erased_outputs, occluded_outputs
from occludenet_build.people import actor_masks
from occludenet_build.people.detect import BOXES
from parts.composite.synthetic_clips import FPS, Clip, write_cutout

Row = dict[str, Any]
SPLIT = "test"


@dataclass(frozen=True)
class Shard:
    """Clips of one size; `folder` holds the tables and the cut-out."""

    folder: Path
    clips: tuple[Clip, ...]
    name: str = "000"
    detect_shard: str | None = None
    """Shard of detect with the boxes of all clips; None: one shard per clip."""

    @property
    def cutout(self) -> Path:
        """The occluder, an RGBA PNG."""
        return self.folder / "bank" / "bag.png"

    @property
    def table(self) -> Path:
        """select's table of the shard."""
        return self.folder / "select" / f"{self.name}.parquet"

    @property
    def boxes(self) -> Path:
        """detect's store."""
        return self.folder / "detect"

    @property
    def masks(self) -> Path:
        """actor_masks' table of the shard."""
        return self.folder / "actor_masks" / "000.parquet"

    def write(self) -> Shard:
        """Write the clips, the cut-out and the tables of select and detect."""
        write_cutout(self.cutout)
        for clip in self.clips:
            clip.path.parent.mkdir(parents=True, exist_ok=True)
            clip.write()
            boxes = tables.from_rows(box_rows(clip), BOXES)
            tables.write_table(boxes, self.boxes / clip.name / "detail.parquet")
        tables.write_table(tables.from_rows(self.rows.values(), select.CLIPS), self.table)
        return self

    def write_masks(self) -> None:
        """Write the tables of actor_masks, for a shard of one clip (one row group)."""
        (clip,) = self.clips
        row = {"clip": clip.name, "status": "ok", "masks_hash": clip.name}
        tables.write_table(tables.from_rows([row], actor_masks.ROWS), self.masks)
        rows = [{"clip": clip.name, "frame": n, "rle": rle} for n, rle in clip.masks.items()]
        detail = tables.from_rows(rows, actor_masks.DETAIL)
        tables.write_table(detail, self.masks.parent / "store" / "000" / "detail.parquet")

    @cached_property
    def rows(self) -> dict[str, Row]:
        """Clip -> its row of the selection."""
        return {clip.name: self._row(clip) for clip in self.clips}

    def _row(self, clip: Clip) -> Row:
        row = {"clip": clip.name, "status": "ok", "path": str(clip.path), "label": clip.label}
        row |= {"split": SPLIT, "category": "suitcase", "occluder": "bag.png", "fps": float(FPS)}
        row |= {
            "detect_shard": self.detect_shard or clip.name,
            "boxes_hash": clip.name,
            "occluder_file": "bag.png",
        }
        row |= {"sha256": sha256_file(clip.path), "occluder_sha256": sha256_file(self.cutout)}
        row |= {"other_occluders": [], "other_files": [], "other_sha256": []}
        return row | {"frames": clip.frames, "duration_seconds": clip.frames / FPS}

    def due(
        self, clip: Clip, settings: Composite, root: Path, parts: Collection[str] = ("occluded",)
    ) -> ClipTask:
        """The job of a clip; `parts`: occluded, erased, or both."""
        row = self.rows[clip.name]
        boxes = {number: ActorBox(box) for number, box in clip.boxes.items()}
        job = clip_job(row, boxes, self.cutout.parent, root, settings, seed=0)
        outputs = occluded_outputs(row, settings) if "occluded" in parts else ()
        if "erased" in parts:
            outputs += erased_outputs(row, settings)
            fill = Counterfactual()
            erasure = Erasure(fill.fill, fill.dilate)
            job = dataclasses.replace(job, masks=clip.masks, erasure=erasure)
        job = dataclasses.replace(job, outputs=outputs)
        key, erased_key = ("key" if part in parts else None for part in ("occluded", "erased"))
        return ClipTask(job, row, key, erased_key, None)


def box_rows(clip: Clip) -> list[Row]:
    """The rows of detect of a clip, one per frame with the actor."""
    same = {"clip": clip.name, "score": 0.9, "track": 0, "actor": True, "filled": False}
    return [
        same | {"frame": number} | dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
        for number, box in clip.boxes.items()
    ]
