"""Frames of a counterfactual that may still show the actor, and the clips refused for them.

A frame is erased where the actor has a mask. Where there is none, the picture is left as it is.
That is right where nobody is there, and wrong where the actor is: the clip would say that nothing
was changed although the action can be seen. So a frame is counted as unerased if it has no mask and

  the actor has a box          the masker found nothing in it
  or a person has a box who    the tracker lost the actor, or took somebody else for the actor in
  may be the actor             this shot

Who is seen beside the actor, in other frames and at another place, is a bystander and not counted.

The setting counterfactual.max_unerased is in the ledger key of the clips that it refuses, and of no
other: a change of it remakes nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from occludenet_build.core import tables
from occludenet_build.core.build import ClipBoxes
from occludenet_build.media.imaging import boxes as geometry

APART = 0.5
"""A box with less than this share inside the actor's box, or the actor's in it, is at another
place."""


@dataclass(frozen=True)
class Unerased:
    """How many frames of a clip are not erased although a person is detected."""

    frames: int
    """Frames without a mask that may show the actor."""
    shown: int
    """Frames that may show the actor, with a mask or without."""

    @property
    def share(self) -> float:
        """`frames` / `shown`, 0 to 1; 0 without a person."""
        return self.frames / self.shown if self.shown else 0.0

    def refusal(self, limit: float) -> dict[str, str] | None:
        """Status, reason and detail of a clip whose share is above `limit`; None if it is not."""
        if self.share <= limit:
            return None
        detail = (
            f"{self.frames} of {self.shown} frames with a person have no mask of the actor "
            f"({100 * self.share:.0f} %); counterfactual.max_unerased {limit:g}"
        )
        return {"status": "skipped", "reason": "not_erased", "detail": detail}


def count_unerased(boxes: ClipBoxes, masked: Collection[int]) -> Unerased:
    """Count the frames of a clip that may show the actor without a mask.

    `boxes`: all people in the clip; `masked`: the frames with a mask.
    """
    shown = set(boxes.actor.frames.tolist()) | _lost(boxes)
    return Unerased(len(shown - set(masked)), len(shown | set(masked)))


def _lost(boxes: ClipBoxes) -> set[int]:
    """Frames without the actor's box in which somebody has a box who may be the actor."""
    actor, others = boxes.actor, boxes.others
    without = others.where(~np.isin(others.frames, actor.frames))
    may_be = ~np.isin(without.tracks, list(_bystanders(actor, others)))
    return set(without.frames[may_be].tolist())


def _bystanders(actor: ClipBoxes, others: ClipBoxes) -> set[int]:
    """Tracks that are at another place than the actor in most of the frames with both."""
    beside = others.where(np.isin(others.frames, actor.frames))
    at = np.searchsorted(actor.frames, beside.frames)
    apart = geometry.contained(actor.xyxy[at], beside.xyxy) < APART
    return {
        track
        for track in np.unique(beside.tracks).tolist()
        if apart[beside.tracks == track].mean() > 0.5
    }


COUNTED = "unerased_frames"
"""Column of the manifest that is counted in each run, from tables, and not kept in the ledger: so
builds from before it was counted keep their counterfactuals."""


def without_count(manifest: pa.Schema) -> pa.Schema:
    """The columns of the manifest that the ledger keeps."""
    return pa.schema([field for field in manifest if field.name != COUNTED])


def write_with_counts(
    table: pa.Table, counts: Mapping[str, Unerased], manifest: pa.Schema, out: Path
) -> None:
    """Write the rows of the ledger as the manifest `out`: with the counts, without times.

    `counts`: clip -> its count.
    """
    columns = {name: table[name] for name in table.column_names}
    columns["seconds"] = pa.nulls(len(table), pa.float64())
    columns[COUNTED] = pa.array(
        [counts[clip].frames for clip in table["clip"].to_pylist()], pa.int32()
    )
    ordered = {name: columns[name] for name in manifest.names}
    tables.write_table(pa.table(ordered, schema=manifest), out)
