"""leftover: is somebody still found where the actor was erased? Joins tables; detect looks.

    occludenet leftover list --clips select/shards/S.parquet
        --made counterfactual/S.parquet --root BUILD --out leftover/videos/S.parquet
        Lists the counterfactual clips of a shard for detect.
    occludenet leftover compare --videos leftover/videos/*.parquet
        --found leftover/detect/*.parquet --boxes detect/store --masks actor_masks/*.parquet
        --fill zero --out leftover/clips.parquet
        Compares what detect found in them with the actor's boxes in the source clips.
    occludenet leftover sample --clips select/clips.parquet --out sample/
        A table per shard of the leftover.clips clips in which fills are compared.
    occludenet leftover fills --summaries */summary.json --out leftover/fills.json
        The residual rates of several fills side by side, in total and by class.

Writes  videos/S.parquet   VIDEOS below, a row per counterfactual clip
        clips.parquet      CLIPS below, the same with what was found
        summary.json       fill, clips, erased_frames, leftover_frames, residual; and the same
                           by_class and by_scale
        fills/<fill>/      the same of the sample with another fill, and with none, the occluded
                           clips themselves: how often a detector finds the actor
        fills.json         a summary per fill

In a frame where the actor was erased, the actor is left over if a person is found with an IoU of
0.3 or more with the actor's box, unless that person overlaps more with somebody else whom detect
had found there in the source. The residual rate is left-over frames / erased frames. A person model
may well find a person in the outline, and so measures what is left of the shape too; the backend
motion finds whatever moves, and the backend file has no boxes for these clips. Frames in which the
actor had a box and no mask are not erased: they are counted beside, and show the whole actor.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.tables import column

VIDEOS = pa.schema(
    [
        column("clip", "string", "<scale>_<id of the source clip>: the name that detect knows"),
        column("source", "string", "id of the source clip"),
        column("scale", "float64", "nominal size of the occluder"),
        column("split", "string", "train, val or test"),
        column("label", "string", "class name"),
        column("path", "string", "the counterfactual clip"),
        column("sha256", "string", "its hash"),
        column("width", "int32", "displayed picture, pixels"),
        column("height", "int32", "displayed picture, pixels"),
        column("frames", "int32", "frames of the clip"),
        column("fps", "float64", "average frame rate, frames per second"),
        column("detect_shard", "string", "shard of detect that holds the source's boxes"),
    ]
)
"""What detect reads of a video, and where it comes from."""

CLIPS = pa.schema(
    [
        *[f for f in VIDEOS if f.name in ("clip", "source", "scale", "split", "label", "path")],
        column("status", "string", "ok, or failed: detect could not read the clip"),
        column("reason", "string", "why not ok, from core.errors.REASONS; null if ok"),
        column("fill", "string", "what stands where the actor was"),
        column("actor_frames", "int32", "frames with an actor box in the source"),
        column("erased_frames", "int32", "those with a mask, in which the actor was erased"),
        column("leftover_frames", "int32", "erased frames in which the actor is still found"),
        column("residual", "float64", "leftover_frames / erased_frames; null if none was erased"),
        column("first_leftover", "int32", "the first of these frames; null if none"),
    ]
)
