"""The poses of a clip as skeletons of kinetics-skeleton, from the table of the stage poses.

The table has a row per set, frame and person, with OpenPose's 18 joints in pixels of the displayed
picture; kinetics-skeleton has `pose`, x and y of each joint in turn as shares of the picture, and
`score`. Without the table no clip has skeletons.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.core.build import OpenFiles
from occludenet_build.dataset.clips import ExportClip

Row = dict[str, Any]
_COLUMNS = ["set", "frame", "track", "actor", "state", "x", "y", "score"]


class Skeletons:
    """The skeletons of the clips of a build, from poses/store/<shard>/detail.parquet."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "poses" / "store"
        self._files = OpenFiles()

    @property
    def known(self) -> bool:
        """Whether the stage poses has run."""
        return self.folder.is_dir()

    def of(self, clip: ExportClip) -> list[Row]:
        """An entry {frame_index, skeleton} per frame, from 0; empty if the clip has no pose.

        In a frame the actor comes first, then the others in the order of their tracks; those
        without a track are last.
        """
        by_frame: dict[int, list[Row]] = {}
        for row in sorted(self._rows(clip), key=_order):
            by_frame.setdefault(row["frame"], []).append(_skeleton(row, clip))
        if not by_frame:
            return []
        return [
            {"frame_index": number, "skeleton": by_frame.get(number, [])}
            for number in range(clip.frames)
        ]

    def _rows(self, clip: ExportClip) -> list[Row]:
        # a table that is not there has no clips
        table = self._files[self.folder / clip.shard / "detail.parquet"].read(clip.clip, _COLUMNS)
        rows = [] if table is None else table.to_pylist()
        return [row for row in rows if row["set"] == clip.set and row["state"] != "not_found"]

    def __enter__(self) -> Skeletons:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()


def _order(row: Row) -> tuple[int, bool, bool, int]:
    without_track = row["track"] is None
    return row["frame"], not row["actor"], without_track, -1 if without_track else row["track"]


def _skeleton(row: Row, clip: ExportClip) -> Row:
    joints = np.stack([np.asarray(row["x"]) / clip.width, np.asarray(row["y"]) / clip.height], 1)
    shares = np.clip(joints, 0, 1).ravel()
    return {
        "pose": [round(float(share), 4) for share in shares],
        "score": [round(float(score), 4) for score in row["score"]],
    }
