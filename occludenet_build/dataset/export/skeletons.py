"""The poses of a clip as skeletons of kinetics-skeleton, from the table of the stage poses.

The table has a row per set, frame and person, with OpenPose's 18 joints in pixels of the displayed
picture; kinetics-skeleton has `pose`, x and y of each joint in turn as shares of the picture, and
`score`. Without the table no clip has skeletons.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.core.build import DetailStore
from occludenet_build.core.poses import ClipPoses
from occludenet_build.dataset.clips import ExportClip

Row = dict[str, Any]


class Skeletons:
    """The skeletons of the clips of a build, from poses/store/<shard>/detail.parquet."""

    def __init__(self, root: Path) -> None:
        self._store = DetailStore(root / "poses" / "store")

    @property
    def known(self) -> bool:
        """Whether the stage poses has run."""
        return self._store.folder.is_dir()

    def of(self, clip: ExportClip) -> list[Row]:
        """An entry {frame_index, skeleton} per frame, from 0; empty if the clip has no pose.

        In a frame the actor comes first, then the others in the order of their tracks; those
        without a track are last.
        """
        # a table that is not there has no clips
        poses = ClipPoses.of(self._store.rows(clip.clip, clip.shard), clip.set).found
        if not len(poses):
            return []
        order = np.lexsort((poses.tracks, poses.tracks < 0, ~poses.is_actor, poses.frames))
        by_frame = poses.where(order).by_frame()
        return [
            {
                "frame_index": number,
                "skeleton": [_skeleton(joints, clip) for joints in by_frame.get(number, ())],
            }
            for number in range(clip.frames)
        ]

    def __enter__(self) -> Skeletons:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()


def _skeleton(joints: np.ndarray, clip: ExportClip) -> Row:
    """Of the joints (18, 3) of a person: x and y in pixels, score."""
    places = joints[:, :2].astype(np.float64) / (clip.width, clip.height)
    return {
        "pose": [round(share, 4) for share in np.clip(places, 0, 1).ravel().tolist()],
        "score": [round(score, 4) for score in joints[:, 2].tolist()],
    }
