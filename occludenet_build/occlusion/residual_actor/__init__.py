"""residual_actor: is the actor still detected in the counterfactual clips?

    occludenet residual_actor list --clips select/shards/S.parquet
        --made counterfactual/S.parquet --root BUILD --out residual_actor/built/videos/S.parquet
        Lists the counterfactual clips of a shard for detect.
    occludenet residual_actor compare --videos residual_actor/built/videos/*.parquet
        --found residual_actor/built/detect/*.parquet --boxes detect/store
        --masks actor_masks/*.parquet --fill zero --out residual_actor/built/clips.parquet
        Compares the detections in these clips with the actor's boxes in the source clips.
    occludenet residual_actor sample --clips select/clips.parquet
        --out residual_actor/sample
        Writes a table per shard of the residual_actor.clips clips on which fills are compared.
    occludenet residual_actor fills --summaries residual_actor/*/summary.json
        --out residual_actor/fills.json
        Collects the residual rates of several fills, in total and by class.

Writes  <fill>/videos/S.parquet   VIDEOS below, a row per counterfactual clip
        <fill>/clips.parquet      CLIPS below, the same clips with their detections
        <fill>/summary.json       fill, clips, erased_frames, residual_frames, residual; and the
                                  same by_class and by_scale
        fills.json                a summary per fill, of the sample

<fill> is `built` for all counterfactual clips of the build. Any other name is a fill on the sample;
`none` means the occluded clips, and gives the rate at which the detector finds the actor.

In a frame with an erased actor, the actor is residual if a detected person has an IoU of 0.3 or
more with the actor's box, unless that person overlaps more with another person that detect found
there in the source. The residual rate is residual frames / erased frames. A person detector can
respond to the outline of the erased region, so the rate includes what is left of the actor's shape.
The backend motion judges what moves by its silhouette, so an erased actor who is still a moving
silhouette counts; the backend file has no boxes for these clips.
Frames in which the actor has a box and no mask are not erased, and are counted in actor_frames
only.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.tables import column

VIDEOS = pa.schema(
    [
        column("clip", "string", "<scale>_<id of the source clip>: its id in detect"),
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
        column("detect_shard", "string", "shard of detect with the source's boxes"),
    ]
)
"""A row per counterfactual clip, with the columns that detect reads and its source clip."""

CLIPS = pa.schema(
    [
        *[f for f in VIDEOS if f.name in ("clip", "source", "scale", "split", "label", "path")],
        column("status", "string", "ok, or failed: detect could not read the clip"),
        column("reason", "string", "why not ok, from core.errors.REASONS; null if ok"),
        column("fill", "string", "the fill of the erased actor"),
        column("actor_frames", "int32", "frames with an actor box in the source"),
        column("erased_frames", "int32", "frames in which the actor has a mask and is erased"),
        column("residual_frames", "int32", "erased frames in which the actor is detected"),
        column("residual", "float64", "residual_frames / erased_frames; null if none was erased"),
        column("first_residual", "int32", "first residual frame; null if none"),
    ]
)
"""A row per counterfactual clip, with the result of the comparison."""
