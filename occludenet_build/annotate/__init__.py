"""annotate: what was made, in the release's own CSV files and, with everything, in Parquet.

    occludenet annotate --rewrite IN.csv OUT.csv
        Read a CSV file of the release into typed records and write it back: the same bytes, or
        one line that says what is not in the release's format.
    occludenet annotate --select ... --composite ... --out annotate/clips.parquet
        Join the tables of a build.

Reads   select/clips.parquet, occluders/occluders.parquet, and of each shard S the manifests
        composite/S.parquet, actor_masks/S.parquet and counterfactual/S.parquet; the details are
        found beside a manifest, in store/S/. Actor masks and counterfactuals may be missing.
Writes  clips.parquet      CLIPS below: a row per output clip, in the order of the release
        labels.json        class name -> label id
        frames/S.parquet   FRAMES below: a row per clip, scale and frame; one row group per clip
        and into <root>/<dataset>/, the folder with the clips:
        annotations/{split}_d.csv             the release's overall annotation
        annotations/{split}_{25,50,75}.csv    its lists `file,label`
        {split}_25percent -> {split}/25%      links, so that the lists' paths resolve as released

Order of the release, in CSV files and CLIPS: class names sorted as paths ("drinking beer/" comes
before "drinking/"), then occluder type (handbag, backpack, suitcase, dog, then others by name),
then source clip, then scale. Label ids number the class names in that order, over all classes
that were chosen from. `occlusion duration` is occluded frames / average fps of the source;
`clip generation time` is the measured time of a source clip shared by the clips made from it.
Skipped and failed clips are absent, and counted in the log.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.tables import column

"""The set of the clean twins; occluded sets are called D-25, D-50, D-75."""

CLIPS = pa.schema(
    [
        column("clip", "string", "id of the source clip"),
        column("set", "string", "clean, or D-25, D-50, D-75: scale in percent"),
        column("scale", "float64", "size of the occluder relative to the actor's box; 0 if clean"),
        column("split", "string", "train, val or test"),
        column("label", "string", "name of the class"),
        column("label_id", "int32", "its number in labels.json"),
        column("file", "string", "the clip, relative to the build folder"),
        column("file_hash", "string", "hash of the clip, as its stage wrote it"),
        column("counterfactual", "string", "the clip without its actor, relative; null if none"),
        column("counterfactual_hash", "string", "hash of the counterfactual; null if none; "
               "`load:` and a hash of what it is made with where train erases the actor itself, as "
               "always in clean twins"),
        column("occluder", "string", "id of the occluder; null if clean"),
        column("category", "string", "type of the occluder; null if clean"),
        column("frames", "int32", "frames of the clip"),
        column("occluded_frames", "int32", "frames in which some of the actor's box is hidden; 0 "
               "if clean"),
        column("fps", "float64", "average frame rate of the source, frames per second"),
        column("duration_seconds", "float64", "length of the source, seconds"),
        column("occlusion_seconds", "float64", "occluded_frames / fps, seconds"),
        column("degree", "float64", "Fig. 4a: mean size of the occluder relative to the actor's "
               "box (larger ratio of sides), occluded frames; 0 if clean"),
        column("area_ratio", "float64", "Fig. 4b: mean share of the actor's box hidden, occluded "
               "frames"),
        column("actor_hidden", "float64", "mean share of the actor's mask hidden, occluded frames "
               "with a mask; null if there is none"),
        column("duration_ratio", "float64", "Fig. 4c: occluded_frames / frames"),
        column("generation_seconds", "float64", "measured time per clip made, seconds"),
    ]
)  # fmt: skip
"""clips.parquet"""

FRAMES = pa.schema(
    [
        column("clip", "string", "id of the source clip"),
        column("set", "string", "D-25, D-50, D-75"),
        column("scale", "float32", "size of the occluder relative to the actor's box"),
        column("frame", "int32", "number of the frame in display order, from 0"),
        column("pts", "int64", "its time in ticks of the source's time base"),
        column("seconds", "float64", "its time, seconds"),
        column("height", "int32", "height of the displayed picture, pixels: first number of a "
               "COCO RLE's size"),
        column("width", "int32", "width of the displayed picture, pixels"),
        column("x", "int32", "left edge of the pasted occluder, pixels; null if none"),
        column("y", "int32", "its upper edge, pixels; it may lie outside the picture"),
        column("w", "int32", "its width, pixels"),
        column("h", "int32", "its height, pixels"),
        column("more_rects", pa.list_(pa.int32()), "x, y, w, h of each further occluder; null if "
               "there is one"),
        column("degree", "float32", "its size relative to the actor's box; null if none"),
        column("occluded", "bool", "some pixel of the actor's box is hidden"),
        column("filled", "bool", "the actor's box was filled in over a gap"),
        column("box_hidden", "float32", "share of the actor's box that the occluder hides"),
        column("occluder_rle", "binary", "visible occluder: COCO RLE counts; null if none"),
        column("actor_rle", "binary", "whole actor, as in the clean picture: COCO RLE counts; "
               "null if not masked"),
        column("visible_rle", "binary", "what the occluder leaves of the actor; null if not "
               "masked"),
        column("actor_area", "int32", "pixels of the whole actor; null if not masked"),
        column("visible_area", "int32", "pixels of the actor that the occluder leaves; null if "
               "not masked"),
        column("actor_hidden", "float32", "share of the actor's mask hidden; null if not masked"),
    ]
)  # fmt: skip
"""frames/S.parquet"""
