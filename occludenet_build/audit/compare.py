"""Two detectors on one clip: how far their boxes agree, frame by frame; and means over clips."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from occludenet_build.core import boxes as geometry

Row = dict[str, Any]
Boxes = dict[int, np.ndarray]
"""Frame -> boxes (N, 4) float32."""

WORST = 20
"""So many clips the summary names."""
_COUNTS = ("actor_frames", "compared_frames", "agreeing_frames", "only_first", "only_second")


def compare(first: pa.Table | None, second: pa.Table | None, least_iou: float) -> Row:
    """The columns of CLIPS that two detectors' BOXES of a clip tell."""
    mine, everybody = _boxes(first, actor=True), _boxes(first)
    theirs, their_actor = _boxes(second, seen=True), _boxes(second, actor=True, seen=True)
    both = sorted(set(mine) & set(theirs))
    overlaps = np.array([_best(mine[frame], theirs[frame]) for frame in both])
    same = [f for f in set(mine) & set(their_actor) if _best(mine[f], their_actor[f]) >= least_iou]
    return {
        "actor_frames": len(mine),
        "compared_frames": len(both),
        "mean_iou": float(overlaps.mean()) if both else None,
        "agreeing_frames": int((overlaps >= least_iou).sum()),
        "only_first": len(set(mine) - set(theirs)),
        "only_second": len(set(theirs) - set(everybody)),
        "same_actor": len(same),
    }


def _best(first: np.ndarray, second: np.ndarray) -> float:
    return float(geometry.iou(first, second).max())


def _boxes(table: pa.Table | None, actor: bool = False, seen: bool = False) -> Boxes:
    """The boxes of each frame that has any; of the actor, or without those that are filled in."""
    if table is None:
        return {}
    keep = np.ones(len(table), bool)
    if actor:
        keep &= table["actor"].to_numpy()
    if seen:
        keep &= ~table["filled"].to_numpy()
    frames = table["frame"].to_numpy()[keep]
    if not len(frames):
        return {}
    boxes = np.stack([table[side].to_numpy() for side in ("x1", "y1", "x2", "y2")], axis=1)[keep]
    numbers, starts = np.unique(frames, return_index=True)
    # rows are sorted by frame
    return dict(zip(numbers.tolist(), np.split(boxes, starts[1:]), strict=True))


def summary(rows: Iterable[Row]) -> Row:
    """Means over frames, of all clips and of each class; the clips with the least agreement."""
    compared = [row for row in rows if row["status"] == "ok"]
    labels = sorted({row["label"] for row in compared})
    worst = sorted(compared, key=lambda row: (_agreement(row), row["clip"]))[:WORST]
    return {
        "all": _means(compared),
        "classes": {
            label: _means([row for row in compared if row["label"] == label]) for label in labels
        },
        "least_agreement": [
            {"clip": row["clip"], "agreeing_share": _agreement(row)} for row in worst
        ],
    }


def _agreement(row: Row) -> float:
    return row["agreeing_frames"] / max(1, row["actor_frames"])


def _means(rows: list[Row]) -> Row:
    total = {name: sum(row[name] for row in rows) for name in (*_COUNTS, "same_actor", "frames")}
    weighted = sum(row["mean_iou"] * row["compared_frames"] for row in rows if row["mean_iou"])
    return {
        "clips": len(rows),
        "actor_frames": total["actor_frames"],
        "mean_iou": _share(weighted, total["compared_frames"]),
        "agreeing_share": _share(total["agreeing_frames"], total["actor_frames"]),
        "only_first_share": _share(total["only_first"], total["actor_frames"]),
        "only_second_share": _share(total["only_second"], total["frames"]),
        "same_actor_share": _share(total["same_actor"], total["actor_frames"]),
    }


def _share(part: float, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
