"""Two detectors on one clip: how far their boxes agree, frame by frame; and means over clips."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from occludenet_build.core import boxes as geometry
from occludenet_build.core.build import Boxes

Row = dict[str, Any]

WORST = 20
"""So many clips the summary names."""
_COUNTS = ("actor_frames", "compared_frames", "agreeing_frames", "only_first", "only_second")


def compare(first: Boxes, second: Boxes, least_iou: float) -> Row:
    """The columns of CLIPS that the boxes of two detectors in one clip tell.

    Boxes that the second detector's tracks fill in do not count: nobody was seen there.
    """
    second = second.detected
    mine, everybody = first.actor.by_frame(), first.by_frame()
    theirs, their_actor = second.by_frame(), second.actor.by_frame()
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
    """Largest IoU between boxes (N, 4) and (M, 4), N, M > 0."""
    return float(geometry.iou(first, second).max())


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
