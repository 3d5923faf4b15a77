"""Joints of people in surveillance videos, from the user's table: which ones an edge hides.

The table is a Parquet file with a row per person and frame: `clip` (id in the index), `frame` (from
0), `x`, `y` and `score`, lists of OpenPose's 18 joints as in the tables of the stage poses; others
of its columns are ignored. Score 0 is a joint that was not found.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.poses import JOINT_COUNT

COLUMNS = ("clip", "frame", "x", "y", "score")
_TRUNK = (1, 2, 5)
"""Neck, right and left shoulder: they show whose joints these are."""
_LOW = (9, 10, 12, 13)
"""Knees and ankles: with the feet behind something, they are not found."""
_FOUND = 0.3
"""Least score of a joint that counts as found."""


@dataclass(frozen=True)
class Keypoints:
    """The joints of one video."""

    frames: np.ndarray
    """int64 (N,): frame numbers."""
    joints: np.ndarray
    """float64 (N, 18, 3): x, y in pixels of the displayed frame, and score."""

    def missing_below(
        self, frame: int, box: tuple[float, float, float, float], row: float
    ) -> float | None:
        """Share of knees and ankles that are not found below a row, of the person in a box.

        box: x1 y1 x2 y2, pixels. None where the table has nobody with their trunk in the box.
        """
        x1, y1, x2, y2 = box
        for person in self.joints[self.frames == frame]:
            trunk = person[list(_TRUNK)]
            trunk = trunk[trunk[:, 2] >= _FOUND]
            x, y = trunk[:, 0], trunk[:, 1]
            if len(trunk) and ((x > x1) & (x < x2) & (y > y1) & (y < y2)).all():
                low = person[list(_LOW)]
                found = (low[:, 2] >= _FOUND) & (low[:, 1] > row)
                return 1 - float(found.mean())
        return None


def read_keypoints(path: Path) -> dict[str, Keypoints]:
    """Video -> its joints. Raises UserError where the table is not as it should be."""
    try:
        schema = pq.read_schema(path)
        lacking = [name for name in COLUMNS if name not in schema.names]
        table = None if lacking else pq.read_table(path, columns=list(COLUMNS))
    except (*tables.UNREADABLE, OSError) as error:
        raise UserError(
            f"config: proposals.keypoints: wanted a Parquet file, got {path} ({error}); "
            "name another file"
        ) from error
    if table is None:
        raise UserError(
            f"config: proposals.keypoints: wanted the columns {', '.join(COLUMNS)} in {path}, got "
            f"no {', '.join(lacking)}; add them"
        )
    rows = table.to_pylist()
    if any(
        row[name] is None or len(row[name]) != JOINT_COUNT for row in rows for name in COLUMNS[2:]
    ):
        raise UserError(
            f"config: proposals.keypoints: wanted lists of {JOINT_COUNT} joints in {path}, got "
            "others; write OpenPose's 18 joints, score 0 for those not found"
        )
    by_clip: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_clip.setdefault(row["clip"], []).append(row)
    found: dict[str, Keypoints] = {}
    for clip, own in sorted(by_clip.items()):
        values = np.array([[row["x"], row["y"], row["score"]] for row in own], float)
        frames = np.array([row["frame"] for row in own], np.int64)
        found[clip] = Keypoints(frames, values.transpose(0, 2, 1))
    return found
