"""annotate: annotations of the built clips, as the release's CSV files and as Parquet tables.

    occludenet annotate --rewrite IN.csv OUT.csv
        Read a CSV file of the release into typed records and write it back byte for byte. Stops
        with one line where the file is not in the release's format.
    occludenet annotate --select ... --composite ... --out annotate/clips.parquet
        Join the tables of a build.

Reads   select/clips.parquet, occluders/occluders.parquet, and for each shard S the manifests
        composite/S.parquet, actor_masks/S.parquet and counterfactual/S.parquet; the detail tables
        are in store/S/ beside each manifest. Actor masks and counterfactuals are optional.
Writes  clips.parquet      schema CLIPS: a row per output clip, in the order of the release
        labels.json        class name -> label id
        frames/S.parquet   schema FRAMES: a row per clip, scale and frame; one row group per clip
        store/S.json       what frames/S.parquet was made from: a job that is started again, after
                           kill -9 for instance, makes only shards that are not finished
        and into <root>/<dataset>/, the folder of the clips:
        annotations/{split}_d.csv             the release's overall annotation
        annotations/{split}_{25,50,75}.csv    its lists `file,label`
        {split}_25percent -> {split}/25%      links that make the paths of the lists resolve

Order of the release, in CSV files and CLIPS: class names sorted as paths ("drinking beer/" comes
before "drinking/"), then occluder type (handbag, backpack, suitcase, dog, then others by name),
then source clip, then scale. Label ids number all candidate classes in that order. `occlusion
duration` is occluded frames / average fps of the source; `clip generation time` is the measured
time of a source clip divided by the number of clips made from it. Skipped and failed clips are
left out; the log counts them.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.tables import column

CLIPS = pa.schema(
    [
        column("clip", "string", "id of the source clip"),
        column("set", "string", "clean for clean twins, else D-<scale in percent>, such as D-25"),
        column("scale", "float64", "size of the occluder relative to the actor's box; 0 if clean"),
        column("split", "string", "train, val or test"),
        column("label", "string", "name of the class"),
        column("label_id", "int32", "label id of the class, from labels.json"),
        column("file", "string", "the clip, relative to the build folder"),
        column("file_hash", "string", "sha256 of the clip file, from the manifest of composite"),
        column("counterfactual", "string", "counterfactual of the clip (actor erased), relative to "
               "the build folder; null if none"),
        column("counterfactual_hash", "string", "sha256 of the counterfactual; null if none; "
               "`load:<key>` if train erases the actor at load time, as it always does for clean "
               "twins"),
        column("occluder", "string", "id of the occluder; null if clean"),
        column("category", "string", "type of the occluder; null if clean"),
        column("frames", "int32", "number of frames"),
        column("occluded_frames", "int32", "number of frames in which the occluder covers part of "
               "the actor's box; 0 if clean"),
        column("fps", "float64", "average frame rate of the source, frames per second"),
        column("duration_seconds", "float64", "duration of the source clip, seconds"),
        column("occlusion_seconds", "float64", "occluded_frames / fps, seconds"),
        column("degree", "float64", "Fig. 4a: mean size of the occluder relative to the actor's "
               "box (larger ratio of sides), over occluded frames; 0 if clean"),
        column("area_ratio", "float64", "Fig. 4b: mean share of the actor's box that is covered, "
               "0 to 1, over occluded frames"),
        column("actor_hidden", "float64", "mean share of the actor's mask that is covered, 0 to 1, "
               "over occluded frames with a mask; null if there is none"),
        column("duration_ratio", "float64", "Fig. 4c: occluded_frames / frames"),
        column("generation_seconds", "float64", "measured time per output clip, seconds"),
    ]
)  # fmt: skip
"""Schema of clips.parquet."""

FRAMES = pa.schema(
    [
        column("clip", "string", "id of the source clip"),
        column("set", "string", "D-25, D-50, D-75"),
        column("scale", "float32", "size of the occluder relative to the actor's box"),
        column("frame", "int32", "frame number in display order, from 0"),
        column("pts", "int64", "presentation timestamp, in ticks of the source's time base"),
        column("seconds", "float64", "presentation timestamp, seconds"),
        column("height", "int32", "height of the displayed frame, pixels; first number of the "
               "size of a COCO RLE"),
        column("width", "int32", "width of the displayed frame, pixels"),
        column("x", "int32", "left edge of the pasted occluder, pixels; null if none"),
        column("y", "int32", "top edge of the pasted occluder, pixels; may be outside the frame"),
        column("w", "int32", "width of the pasted occluder, pixels"),
        column("h", "int32", "height of the pasted occluder, pixels"),
        column("more_rects", pa.list_(pa.int32()), "x, y, w, h of each further occluder, pixels; "
               "null if there is only one"),
        column("degree", "float32", "size of the occluder relative to the actor's box; null "
               "if none"),
        column("occluded", "bool", "the occluder covers at least one pixel of the actor's box"),
        column("filled", "bool", "the actor's box is interpolated over a gap in the detections"),
        column("box_hidden", "float32", "share of the actor's box that is covered, 0 to 1"),
        column("occluder_rle", "binary", "mask of the visible occluder, COCO RLE counts; null if "
               "none"),
        column("actor_rle", "binary", "amodal mask of the actor, from the clean frame, COCO RLE "
               "counts; null without a mask"),
        column("visible_rle", "binary", "mask of the visible part of the actor, COCO RLE counts; "
               "null without a mask"),
        column("actor_area", "int32", "area of the amodal mask, pixels; null without a mask"),
        column("visible_area", "int32", "area of the visible part of the actor, pixels; null "
               "without a mask"),
        column("actor_hidden", "float32", "share of the actor's mask that is covered, 0 to 1; null "
               "without a mask"),
    ]
)  # fmt: skip
"""Schema of frames/S.parquet."""
