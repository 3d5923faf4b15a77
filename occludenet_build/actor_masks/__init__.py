"""actor_masks: which pixels are the actor, in every frame that has an actor box.

Reads   a shard of select's clips and detect's boxes: <boxes>/<detect_shard>/detail.parquet
Writes  <out>                          a row per clip, ROWS below
        <folder of out>/store/<shard>/ the ledger; its detail.parquet holds the masks, DETAIL below

Masks are COCO run-length codes of the displayed picture. Backends by name: `grabcut` needs no
weights; `sam` (segment-anything, prompted with the box) and `yolo-seg` (ultralytics) need a
checkpoint. A frame in which the backend finds nothing has no row; a clip without any mask is
skipped as no_mask.
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
    ]
)
