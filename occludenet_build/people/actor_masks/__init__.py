"""actor_masks: which pixels are the actor, in every frame that has an actor box.

Reads   a shard of select's clips and detect's boxes: <boxes>/<detect_shard>/detail.parquet
Writes  <out>                          a row per clip, ROWS below
        <folder of out>/store/<shard>/ the ledger; its detail.parquet holds the masks, DETAIL below

Masks are COCO run-length codes of the displayed picture. A frame in which the backend finds nothing
has no row; a clip without any mask is skipped as no_mask. Backends (actor_masks.backend)
  grabcut     no weights; weak before a moving camera, whose background it cannot know
  sam         segment-anything, prompted with the box of every frame
  mobile-sam  the same with the package mobile_sam and its small model
  sam2        the package sam2: the box of a shot's first actor frame, propagated through the shot
  yolo-seg    the person of an ultralytics segmentation model that fits the box best
With actor_masks.every k > 1 the backend sees every k-th frame, and the masks between come from
optical flow (between.py). A group (detect.actor all) is masked person by person (group.py). Masks
that look wrong are counted, and named by frame (doubts.py).
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.ledger import STATUS
from occludenet_build.core.tables import column

ROWS = pa.schema(
    [
        *STATUS,
        column("masked_frames", "int32", "frames that have a mask"),
        column("height", "int32", "height of the masks, pixels: of the displayed picture"),
        column("width", "int32", "width of the masks, pixels"),
        column("jumps", "int32", "masks that are suddenly another than in the frame before"),
        column("leaking_frames", "int32", "masks that leave the grown box by more than 5 %"),
        column("thin_frames", "int32", "masks that cover less than 15 % of the box"),
        column("doubts", "string", "the same in words, with the first frame of each; null if none"),
        column("masks_hash", "string", "hash over all masks of the clip"),
        column("backend", "string", "what made the masks"),
        column("weights_sha256", "string", "hash of its checkpoint; null if it needs none"),
    ]
)

DETAIL = pa.schema(
    [
        column("clip", "string", "id of the source clip"),
        column("frame", "int32", "frame number from 0, in display order"),
        column("area", "int32", "pixels of the mask"),
        column("rle", "binary", "COCO run-length code (counts) of the mask"),
        column("doubt", "string", "jump, leaking, thin, with spaces between; null if none"),
    ]
)
