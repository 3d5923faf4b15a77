"""residual_actor: is a person still found where the actor was erased? detect searches.

    occludenet residual_actor list --clips select/shards/S.parquet
        --made counterfactual/S.parquet --root BUILD --out residual_actor/built/videos/S.parquet
        Lists the counterfactual clips of a shard for detect.
    occludenet residual_actor compare --videos residual_actor/built/videos/*.parquet
        --found residual_actor/built/detect/*.parquet --boxes detect/store
        --masks actor_masks/*.parquet --fill zero --out residual_actor/built/clips.parquet
        Compares what detect found in them with the actor's boxes in the source clips.
    occludenet residual_actor sample --clips select/clips.parquet
        --out residual_actor/sample
        A table per shard of the residual_actor.clips clips in which fills are compared.
    occludenet residual_actor fills --summaries residual_actor/*/summary.json
        --out residual_actor/fills.json
        The residual rates of several fills side by side, in total and by class.

Writes  <fill>/videos/S.parquet   VIDEOS below, a row per counterfactual clip
        <fill>/clips.parquet      CLIPS below, the same with what was found
        <fill>/summary.json       fill, clips, erased_frames, residual_frames, residual; and the
                                  same by_class and by_scale
        fills.json                a summary per fill, of the sample

<fill> is `built` for all counterfactual clips as built. Any other name is a fill on the sample;
`none` are the occluded clips themselves: how often a detector finds the actor at all.

In a frame where the actor was erased the actor is residual if a person is found with an IoU of 0.3
or more with the actor's box, unless that person overlaps more with another person whom detect had
found there in the source. The residual rate is residual frames / erased frames. A person model may
well find a person in the actor's outline, and so measures what is left of their shape too; the
backend motion finds whatever moves, and the backend file has no boxes for these clips. Frames in
which the actor has a box and no mask are not erased: they are counted apart, and the actor is left
in them whole.
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
        column("erased_frames", "int32", "those in which the actor has a mask and was erased"),
        column(
            "residual_frames", "int32", "erased frames in which the actor is found all the same"
        ),
        column("residual", "float64", "residual_frames / erased_frames; null if none was erased"),
        column("first_residual", "int32", "the first of these frames; null if none"),
    ]
)
