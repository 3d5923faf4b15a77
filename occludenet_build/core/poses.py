"""Read access to the poses of a build: the table of the stage poses, clip by clip and set by set.

The stages that use poses (exports, IntegralAction) read them here; the columns are documented in
people.poses.DETAIL. Joints are OpenPose's 18, in the order of media.imaging.skeletons.JOINTS.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from occludenet_build.core.build import detail_file, read_clip_rows

JOINT_COUNT = 18
FOUND, NOT_FOUND, NO_TRACK = "found", "not_found", "no_track"
"""States of a row: the person of a track, and their pose; the track without a pose in this frame; a
pose that belongs to none of our tracks."""


@dataclass(frozen=True)
class ClipPoses:
    """The N poses of one clip in one set, ordered by frame; see people.poses.DETAIL."""

    frames: np.ndarray
    """int32 (N,): frame numbers from 0, display order, ascending."""
    tracks: np.ndarray
    """int32 (N,): track number of detect; -1 for a pose without a track."""
    is_actor: np.ndarray
    """bool (N,): whether the row is of the actor, or of a member of an actor that is a group."""
    is_found: np.ndarray
    """bool (N,): whether there is a pose; else the joints are 0."""
    joints: np.ndarray
    """float32 (N, 18, 3): x and y in pixels of the displayed picture, score 0 to 1."""
    is_under: np.ndarray
    """bool (N, 18): whether the joint's place on the clean twin lies under the occluder."""

    @staticmethod
    def of(rows: pa.Table | None, name: str | None = None) -> ClipPoses:
        """Convert rows of DETAIL of one clip; `name`: those of this set only; None: no poses."""
        if rows is not None and name is not None:
            rows = rows.filter(pc.equal(rows["set"], name))
        if rows is None or not len(rows):
            return _empty()
        joints = np.stack([_lists(rows, axis) for axis in ("x", "y", "score")], axis=-1)
        tracks = rows["track"].fill_null(-1)
        return ClipPoses(
            np.asarray(rows["frame"], np.int32),
            np.asarray(tracks, np.int32),
            np.asarray(rows["actor"], np.bool_),
            np.asarray(pc.not_equal(rows["state"], NOT_FOUND), np.bool_),
            joints.astype(np.float32),
            _lists(rows, "under").astype(np.bool_),
        )

    def __len__(self) -> int:
        return len(self.frames)

    def where(self, kept: np.ndarray) -> ClipPoses:
        """The poses where `kept`, bool (N,), is true, or in the order of the indices `kept`."""
        return ClipPoses(*(values[kept] for values in vars(self).values()))

    @property
    def actor(self) -> ClipPoses:
        """The rows of the actor."""
        return self.where(self.is_actor)

    @property
    def found(self) -> ClipPoses:
        """The rows that have a pose."""
        return self.where(self.is_found)

    def by_frame(self) -> dict[int, np.ndarray]:
        """Map each frame to the joints of its K rows, float32 (K, 18, 3)."""
        numbers, starts = np.unique(self.frames, return_index=True)
        parts = np.split(self.joints, starts[1:])
        return dict(zip(numbers.tolist(), parts, strict=False))


def read_poses(manifest: Path, clip: str, name: str) -> ClipPoses:
    """The poses of one clip in one set (clean, D-25, ...); empty where the stage has none.

    `manifest`: poses/<shard>.parquet. Raises UserError if the file of the shard is damaged.
    """
    return ClipPoses.of(read_clip_rows(detail_file(manifest), clip), name)


def _lists(rows: pa.Table, name: str) -> np.ndarray:
    """A column of lists of 18 values as an array (N, 18)."""
    flat = rows[name].combine_chunks().flatten()
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(len(rows), JOINT_COUNT)


def _empty() -> ClipPoses:
    none, flags = np.zeros(0, np.int32), np.zeros(0, np.bool_)
    joints = np.zeros((0, JOINT_COUNT, 3), np.float32)
    return ClipPoses(none, none, flags, flags, joints, np.zeros((0, JOINT_COUNT), np.bool_))
