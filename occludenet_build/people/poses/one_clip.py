"""The poses of one source clip, set by set: runs the backend, assigns tracks, makes the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from occludenet_build.core import tables
from occludenet_build.core.build import ClipBoxes, DetailStore
from occludenet_build.core.errors import ItemError
from occludenet_build.core.ledger import ClipResult, attempt, lost
from occludenet_build.core.poses import FOUND, JOINT_COUNT, NO_TRACK, NOT_FOUND
from occludenet_build.media.imaging import masks
from occludenet_build.people.posers.given import under_mask
from occludenet_build.people.posers.interface import FramePoses, GivenPoses, PosedClip, Poser
from occludenet_build.people.posers.matching import matched, people_of
from occludenet_build.people.poses import DETAIL
from occludenet_build.release.terms import CLEAN, set_name


@dataclass(frozen=True)
class SetFile:
    """The clip of one set."""

    name: str
    path: Path
    sha256: str
    scale: float | None
    """Nominal size of the occluder; None for the clean twin."""
    given: GivenPoses | None = None
    """The user's poses of this set."""


@dataclass(frozen=True)
class PoseJob:
    """Everything that a worker process needs for one source clip."""

    row: dict[str, Any]
    """Of composite: clip, label, split, frames; of select: width, height, detect_shard."""
    sets: tuple[SetFile, ...]
    boxes: Path
    """The folder detect/store."""
    truth: Path
    """The folder composite/store."""
    shard: str
    """Of composite."""
    facts: dict[str, Any]
    """Columns that are known before."""
    problem: ItemError | None = None
    """What is wrong with the clip's own file of poses."""


def pose_clip(job: PoseJob, poser: Poser) -> ClipResult:
    """The poses of one clip, or a row with the reason why there are none."""
    return attempt(_known(job), lambda: _posed(job, poser), skipped=("no_poses",))


def lost_clip(job: PoseJob, error: ItemError) -> ClipResult:
    """The row of a clip whose worker had to be ended or died."""
    return lost(_known(job), error)


def _known(job: PoseJob) -> dict[str, Any]:
    return {name: job.row[name] for name in ("clip", "label", "split", "frames")} | job.facts


@dataclass
class _SetRows:
    """The rows of one set: first those of the people's M boxes, then poses without a box."""

    people: ClipBoxes
    joints: np.ndarray
    """float32 (M, 18, 3)."""
    found: np.ndarray
    """bool (M,)."""
    under: np.ndarray
    """bool (M, 18)."""
    stray: list[tuple[int, np.ndarray]] = field(default_factory=list)
    """(frame, joints float32 (18, 3)) of poses without a box."""

    @staticmethod
    def empty(people: ClipBoxes) -> _SetRows:
        count = len(people)
        joints = np.zeros((count, JOINT_COUNT, 3), np.float32)
        under = np.zeros((count, JOINT_COUNT), np.bool_)
        return _SetRows(people, joints, np.zeros(count, np.bool_), under)

    def add(self, poses: FramePoses) -> None:
        """Assign the poses of a frame to its boxes."""
        first, last = np.searchsorted(self.people.frames, [poses.frame, poses.frame + 1])
        pairs = dict(matched(poses.boxes, self.people.xyxy[first:last]))
        for number, joints in enumerate(poses.joints):
            if number in pairs:
                self.joints[first + pairs[number]] = joints
                self.found[first + pairs[number]] = True
            else:
                self.stray.append((poses.frame, joints))

    def counts(self) -> dict[str, int]:
        actor = self.people.is_actor
        found = {"actor": self.found & actor, "people": self.found & ~actor}
        return {name: int(rows.sum()) for name, rows in found.items()} | {"stray": len(self.stray)}


def _posed(job: PoseJob, poser: Poser) -> tuple[dict[str, Any], pa.Table]:
    """The manifest's columns and the rows of DETAIL."""
    if job.problem is not None:
        raise job.problem
    if not job.sets:
        raise ItemError("no_poses")
    with DetailStore(job.boxes) as store:
        boxes = ClipBoxes.of(store.rows(job.row["clip"], job.row["detect_shard"]))
    people, occluders = people_of(boxes), _occluders(job)
    parts: dict[str, _SetRows] = {}
    for one in job.sets:
        occluder = occluders.get(round(one.scale, 6), {}) if one.scale is not None else {}
        parts[one.name] = rows = _SetRows.empty(people)
        for poses in poser.poses(_clip(job, one, occluder)):
            rows.add(poses)
        if CLEAN in parts and one.name != CLEAN:
            _mark_under(rows, parts[CLEAN], occluder, job.row)
    detail = pa.concat_tables([_table(job.row["clip"], *part) for part in parts.items()])
    return _facts(people, parts, detail), detail


def _clip(job: PoseJob, one: SetFile, occluder: Mapping[int, bytes]) -> PosedClip:
    size = job.row["width"], job.row["height"]
    return PosedClip(one.path, one.sha256, size, one.given, occluder)


def _facts(people: ClipBoxes, parts: dict[str, _SetRows], detail: pa.Table) -> dict[str, Any]:
    counted = [rows.counts() for rows in parts.values()]
    who = Counter(people.is_actor.tolist())
    return {
        "sets": list(parts),
        "actor_rows": who[True],
        "actor_found": [counts["actor"] for counts in counted],
        "people_rows": who[False],
        "people_found": [counts["people"] for counts in counted],
        "no_track": [counts["stray"] for counts in counted],
        "poses_hash": tables.table_digest(detail),
    }


def _occluders(job: PoseJob) -> dict[float, dict[int, bytes]]:
    """Scale, to six digits -> frame -> mask of the occluder, COCO RLE counts."""
    columns = ["scale", "frame", "occluder_rle"]
    with DetailStore(job.truth) as store:
        rows = store.rows(job.row["clip"], job.shard, columns)
    found: dict[float, dict[int, bytes]] = {}
    for row in [] if rows is None else rows.to_pylist():
        if row["occluder_rle"] is not None:
            # composite's ground truth holds scales as float32
            found.setdefault(round(row["scale"], 6), {})[row["frame"]] = row["occluder_rle"]
    return found


def _mark_under(
    rows: _SetRows, clean: _SetRows, occluder: Mapping[int, bytes], row: dict[str, Any]
) -> None:
    """Mark the joints whose place on the clean twin lies under the occluder."""
    for frame, rle in occluder.items():
        first, last = np.searchsorted(rows.people.frames, [frame, frame + 1])
        if first < last:
            mask = masks.decode(rle, row["height"], row["width"])
            rows.under[first:last] = under_mask(clean.joints[first:last], mask)


def _table(clip: str, name: str, rows: _SetRows) -> pa.Table:
    """The rows of DETAIL of one set, ordered by frame and track; poses without a box are last."""
    people, count = rows.people, len(rows.stray)
    nobody = np.zeros(count, np.int32)
    frames = np.concatenate([people.frames, np.array([n for n, _ in rows.stray], np.int32)])
    states = [FOUND if found else NOT_FOUND for found in rows.found] + [NO_TRACK] * count
    joints = np.concatenate([rows.joints, *(one[None] for _, one in rows.stray)])
    under = np.concatenate([rows.under, np.zeros((count, JOINT_COUNT), np.bool_)])
    is_stray = np.arange(len(frames)) >= len(people)
    tracks = np.concatenate([people.tracks, nobody])
    actor = np.concatenate([people.is_actor, nobody.astype(np.bool_)])
    order = np.argsort(frames, kind="stable")
    values = {
        "clip": pa.array([clip] * len(frames), pa.string()),
        "set": pa.array([name] * len(frames), pa.string()),
        "frame": pa.array(frames[order], pa.int32()),
        "track": pa.array(tracks[order], pa.int32(), mask=is_stray[order]),
        "actor": pa.array(actor[order]),
        "state": pa.array(states, pa.string()).take(pa.array(order)),
        "x": _lists(joints[order, :, 0]),
        "y": _lists(joints[order, :, 1]),
        "score": _lists(joints[order, :, 2]),
        "under": _lists(under[order]),
    }
    return pa.table(values, schema=DETAIL)


def _lists(values: np.ndarray) -> pa.Array:
    """A column of lists from an array (N, 18)."""
    flat = pa.array(np.ascontiguousarray(values).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, JOINT_COUNT)


def sets_of(made: dict[str, Any], root: Path) -> Iterator[SetFile]:
    """The clips of one row of composite: the clean twin first, if there is one, then each scale."""
    if made["clean_file"]:
        yield SetFile(CLEAN, root / made["clean_file"], made["clean_hash"], None)
    files = zip(made["scales"], made["files"], made["file_hashes"], strict=True)
    for scale, file, sha256 in sorted(files):
        yield SetFile(set_name(scale), root / file, sha256, scale)
