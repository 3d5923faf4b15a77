"""actor_masks: the mask of the actor in every frame that has an actor box.

Reads   a shard of select's clips and detect's boxes: <boxes>/<detect_shard>/detail.parquet
Writes  <out>                          a row per clip, ROWS below
        <folder of out>/store/<shard>/ the ledger; its detail.parquet holds the masks, DETAIL below

Masks are COCO run-length codes in the size of the displayed picture. A frame for which the backend
returns no mask has no row; a clip without any mask is skipped as no_mask.

Backends (actor_masks.backend)
  grabcut     needs no weights; weak with a moving camera, where the background is unknown
  sam         segment-anything, prompted with the box of every frame
  mobile-sam  the same with the package mobile_sam and its small model
  sam2        the package sam2, prompted with the box of the first frame of each run of frames with
              boxes of one track, and propagated through the run
  yolo-seg    the person of an ultralytics segmentation model whose box overlaps most

With actor_masks.every k > 1 the backend masks every k-th frame, and optical flow the frames between
(maskers/mask_propagation.py). A group (detect.actor all) is masked person by person
(maskers/group_masks.py). Masks that look wrong are counted and listed by frame (mask_quality.py).
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.ledger import STATUS
from occludenet_build.core.tables import column

ROWS = pa.schema(
    [
        *STATUS,
        column("masked_frames", "int32", "frames with a mask"),
        column("height", "int32", "height of the masks, pixels: of the displayed picture"),
        column("width", "int32", "width of the masks, pixels"),
        column("jumps", "int32", "masks that differ suddenly from the frame before"),
        column("leaking_frames", "int32", "masks that leave the grown box by more than 5 %"),
        column("thin_frames", "int32", "masks that cover less than 15 % of the box"),
        column(
            "doubts", "string", "these three as text, with the first frame of each; null if none"
        ),
        column("masks_hash", "string", "hash over all masks of the clip"),
        column("backend", "string", "backend that made the masks"),
        column("weights_sha256", "string", "hash of its checkpoint; null without weights"),
    ]
)
"""The manifest: a row per clip."""

DETAIL = pa.schema(
    [
        column("clip", "string", "id of the source clip"),
        column("frame", "int32", "frame number from 0, in display order"),
        column("area", "int32", "area of the mask, pixels"),
        column("rle", "binary", "COCO run-length code (counts) of the mask, (height, width)"),
        column("doubt", "string", "jump, leaking, thin, separated by spaces; null if none"),
    ]
)
"""The masks: a row per frame with a mask."""
