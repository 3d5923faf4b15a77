"""audit: what a second detector says of the actor's boxes, in a sample of the chosen clips.

A target of its own. First `audit sample` draws the clips; detect searches them with audit's
detector instead of its own (the rule audit_detect); then `audit compare` holds the two against
each other. Nothing else reads what it writes, and no clip is dropped for it.

sample   reads   select/clips.parquet
         writes  audit/sample.parquet    the drawn clips, as detect reads them (detect's --videos)
compare  reads   audit/sample.parquet, detect/store/, audit/detect/sample.parquet and its store
         writes  audit/clips.parquet     a row per clip (CLIPS below)
                 audit/summary.json      means over all clips and by class; who was compared; the
                                         clips with the least agreement

In a frame with an actor the second detector's box is the one that overlaps the actor's box most,
whoever it is of: the question is whether there is a person where the occluder will stand.
`same_actor` asks more: whether the second detector's boxes would have made the same person the
actor. Filled boxes of the actor count, since an occluder stands on them; those of the second
detector do not.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.ledger import STATUS
from occludenet_build.core.tables import column

SAMPLE = pa.schema(
    [
        column("clip", "string", "id of the source clip"),
        column("path", "string", "the source file"),
        column("sha256", "string", "hash of the source file"),
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("detect_shard", "string", "shard of detect that holds its boxes"),
        column("boxes_hash", "string", "hash of its boxes: new ones are compared anew"),
        column("frames", "int32", "frames of the source"),
        column("width", "int32", "displayed picture, pixels"),
        column("height", "int32", "displayed picture, pixels"),
        column("fps", "float64", "average frame rate, frames per second"),
    ]
)

CLIPS = pa.schema(
    [
        *(field for field in STATUS if field.name not in ("key", "seconds")),
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("frames", "int32", "frames of the clip"),
        column("actor_frames", "int32", "frames with an actor box, filled ones included"),
        column("compared_frames", "int32", "of these, frames in which the second has a box"),
        column("mean_iou", "float64", "of the actor's box and the second's that overlaps it most, "
               "over compared_frames; null if there are none"),
        column("agreeing_frames", "int32", "compared frames with an overlap of at least audit.iou"),
        column("only_first", "int32", "frames with an actor box in which the second finds nobody"),
        column("only_second", "int32", "frames in which only the second finds somebody"),
        column("same_actor", "int32", "frames in which the second's actor overlaps by audit.iou"),
    ]
)  # fmt: skip
