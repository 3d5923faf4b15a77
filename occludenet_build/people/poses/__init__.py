"""poses: the joints of the actor and of other people, on the clean twin and on each occluded clip.

    occludenet poses find --clips select/shards/S.parquet --composite composite/S.parquet
        --boxes detect/store --root BUILD --out poses/S.parquet
    occludenet poses summary --poses poses --composite composite --root BUILD
        --out poses/summary.csv --sheet poses/sheet.jpg
        How many of the actor's joints are found on the clean twins, and how many on the occluded
        clips, where the occluder covers them and beside it.

Reads   a shard of select's clips, composite's table of them with its store, the clips below --root,
        detect's boxes, and of poses.backend: weights, or the user's file
Writes  <out>                          a row per source clip, ROWS below
        <folder of out>/store/<shard>/ the ledger; its detail.parquet holds the poses, DETAIL below
        summary.csv                    a row per set, place and joint, SUMMARY below
        sheet.jpg                      skeletons of some clips, drawn over their frames

Joints are OpenPose's 18, in its order (model COCO): nose, neck, right shoulder, elbow, wrist, left
shoulder, elbow, wrist, right hip, knee, ankle, left hip, knee, ankle, right eye, left eye, right
ear, left ear; left and right are the person's own. COCO's 17 keypoints have no neck: it is put
between the shoulders, with the lower of their scores (media.imaging.skeletons).

Backends (poses.backend)
  ultralytics  pose models of ultralytics (YOLO11-pose and others with COCO's 17 keypoints)
  file         the user's poses: kinetics-skeleton JSON files, or a table (posers/posefile.py)
  miniworld    the joints of drawn figures, those under the occluder not found (posers/given.py)

Whose a pose is follows from the boxes of detect, which were found in the source clip and hold in
all of its sets: the poses of a frame are assigned to its boxes by IoU, or by lying inside
(posers/matching.py). A box without a pose is a row in the state not_found, a pose without a box one
in the state no_track. Filled boxes of detect count as boxes.

A clip that composite did not make is left out. One that does not decode or is not the file that was
made is failed; one that poses.file lacks is `skipped: no_poses`, and sets that it lacks are left
out. Another backend, model, file of poses, box or clip makes a clip's poses again; device, batch
and threads do not.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.ledger import STATUS
from occludenet_build.core.poses import JOINT_COUNT
from occludenet_build.core.tables import column

_NUMBERS = pa.list_(pa.float32(), JOINT_COUNT)

ROWS = pa.schema(
    [
        *STATUS,
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("frames", "int32", "number of frames"),
        column("sets", pa.list_(pa.string()), "the sets that were searched: clean, D-25, ..."),
        column("actor_rows", "int32", "boxes of the actor, per set; more than one a frame if the "
               "actor is a group"),
        column("actor_found", pa.list_(pa.int32()), "of them those with a pose, in the order of "
               "sets"),
        column("people_rows", "int32", "boxes of other people, per set"),
        column("people_found", pa.list_(pa.int32()), "of them those with a pose, by set"),
        column("no_track", pa.list_(pa.int32()), "poses without a box, by set"),
        column("poses_hash", "string", "hash over all rows of the clip"),
        column("backend", "string", "backend that found the poses"),
        column("weights_sha256", "string", "hash of its weights; null without"),
    ]
)  # fmt: skip
"""The manifest: a row per source clip."""

DETAIL = pa.schema(
    [
        column("clip", "string", "id of the source clip"),
        column("set", "string", "clean for the clean twin, else D-<scale in percent>"),
        column("frame", "int32", "frame number from 0, in display order"),
        column("track", "int32", "track number of detect; null for a pose without a box"),
        column("actor", "bool", "whether it is the actor, or a member of an actor that is a group"),
        column("state", "string", "found; not_found: a box without a pose; no_track: a pose "
               "without a box"),
        column("x", _NUMBERS, "x of OpenPose's 18 joints, pixels of the displayed picture; 0 where "
               "the score is 0"),
        column("y", _NUMBERS, "y of the joints, pixels"),
        column("score", _NUMBERS, "score of the joints, 0 to 1; 0: not found"),
        column("under", pa.list_(pa.bool_(), JOINT_COUNT), "whether the place where the joint is "
               "found on the clean twin lies under this set's occluder; false on the clean twin, "
               "where it is not found there, and for a pose without a box"),
    ]
)  # fmt: skip
"""The poses: a row per set, frame and person, ordered by them; one row group per clip."""

SUMMARY = {
    "set": "clean, or the occluded clips of a size (D-25, ...), in the order of sizes",
    "place": "all joints, those under the occluder, or those beside it",
    "joint": "name of the joint, or all",
    "clips": "source clips that count",
    "rows": "boxes of the actor in them",
    "joints": "N: place all: joints of these boxes; else those found on the clean twin, by place",
    "found": "of them those found on the clips of the set (score at least poses.joint_score)",
    "share": "found / joints",
    "clean_share": "the same share on the clean twins of the same boxes",
    "gap": "clean_share - share: what the occluders cost",
    "moved": "of the joints found on both, the share that lies more than a tenth of the person's "
    "height away from its place on the clean twin; empty where none is found on both",
}
"""Columns of summary.csv."""
