"""measure: the occlusion that is in recorded clips, of OccludeNet-S, -I and -M: who hides whom.

    occludenet measure list   --clips TABLE --set S --root BUILD --out measure/S/videos.parquet
        List the clips of a set, as the stage index reads them.
    occludenet measure clips  --clips TABLE --set S --videos measure/S/index/shards/000.parquet
                              --detect measure/S/detect/000.parquet
                              --out measure/S/shards/000.parquet
        Measure the clips of one shard.
    occludenet measure table  --clips TABLE --set S --index measure/S/index/videos.parquet
                              --shards measure/S/shards --out measure/S/clips.parquet
        Join the shards with the table of clips.

Reads  TABLE                    segments/clips.parquet (set S), recordings/clips.parquet (others)
       measure/S/index, detect  the rules of index and detect, on these clips
       measure.occluders        the user's masks of objects that stay in place
Writes, in measure/S/
       shards/NNN.parquet       a row per clip, ROWS, and the ledger below shards/store/
       frames/NNN.parquet       a row per clip and frame, FRAMES; one row group per clip
       clips.parquet            a row per usable clip, CLIPS: the columns of annotate/clips.parquet
       labels.json              class name -> label id, of all clips in TABLE of that set

The masks of all people come from the backend of actor_masks; yolo-seg also gives those of objects
of COCO. detect chooses the actor (a group, detect.actor all, is measured as prominent).

Definitions. Nothing in real footage tells what is behind an occluder, so only this is measured:

  whole person     the shape of the same person in frames of at most measure.max_seconds away in
                   which nothing that may be nearer touches them, placed where it agrees with what
                   is seen (`whole`, `amodal`). A person who never is whole has none.
  order            by three kinds of evidence: ground contact, whose mask is whole where the two
                   overlap, and whose colours are seen there (`order`)
  hidden share     actor_hidden: the share of the whole person, inside the picture, that is behind
                   people and objects in front of them (`hiding`)
  hidden_error     its standard error: the spread over the shapes that agree about as well, how much
                   the person's shape changes in the time to the frames they are from (tried out on
                   their other whole frames), how much the masker's own masks change from one frame
                   to the next, and the pixels that two masks claim
  occluded         actor_hidden is at least measure.min_hidden
  degree           size of the occluder that hides most, relative to the box of the whole person:
                   the larger ratio of the sides, as for pasted occluders (Fig. 4a)
  box_hidden       share of the box of the whole person that the occluders cover

A share is null where it is not known: the person is never whole (`why` never_whole), the order of
an overlap that matters is not known (order), or the error is above measure.max_error (uncertain).
What has no mask is not seen: an object that the masker does not know and the user has not drawn
hides nobody here, and clothes, bags and hands of a person are part of them.

Clips that cannot be measured because nobody or no mask is found in them stay in clips.parquet, with
a reason and without measures: they are clips of the dataset. Clips that do not decode are left out.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.ledger import STATUS
from occludenet_build.core.tables import column

ROWS = pa.schema(
    [
        *STATUS,
        column("frames", "int32", "number of frames"),
        column("height", "int32", "height of the displayed frame, pixels"),
        column("width", "int32", "width of the displayed frame, pixels"),
        column("people", "int32", "tracks of people that were measured"),
        column("actor_frames", "int32", "frames in which the actor is seen, or looked for between "
               "two such frames"),
        column("occluded_frames", "int32", "frames in which the actor is occluded"),
        column("unknown_frames", "int32", "frames of the actor in which that is not known"),
        column("occluder", "string", "who or what hides most of the actor: person:<track> or "
               "object:<name>; null if nobody"),
        column("category", "string", "person, or the name of the object; null if nobody"),
        column("degree", "float64", "mean degree over the occluded frames; 0 if none"),
        column("area_ratio", "float64", "mean box_hidden over the occluded frames; 0 if none"),
        column("actor_hidden", "float64", "mean hidden share over the occluded frames; null if "
               "none"),
        column("hidden_error", "float64", "mean standard error of those shares; null if none"),
        column("unerased_frames", "int32", "frames that may show the actor and have no mask of "
               "them"),
        column("shown_frames", "int32", "frames that may show the actor"),
        column("masks_hash", "string", "hash over the masks of the actor"),
        column("backend", "string", "backend that made the masks"),
        column("weights_sha256", "string", "hash of its checkpoint; null without weights"),
    ]
)  # fmt: skip
"""shards/NNN.parquet: a row per clip."""

HIDING = pa.struct(
    [
        column("rear", "int32", "track of the person who is hidden"),
        column("front", "int32", "track of the person who hides them; null for an object"),
        column("name", "string", "person, or the name of the object"),
        column("hidden", "float32", "share of the whole person that it hides, 0 to 1"),
        column("score", "float32", "how sure the order is, 0 to 1"),
        column("evidence", "string", "contact, mask, colour: the kinds that say so"),
    ]
)
"""One who hides another in one frame."""

FRAMES = pa.schema(
    [
        column("clip", "string", "id of the clip"),
        column("set", "string", "S, I, M or another set of recordings"),
        column("scale", "float32", "nan: nothing was pasted"),
        column("frame", "int32", "frame number in display order, from 0"),
        column("pts", "int64", "presentation timestamp, in ticks of the clip's time base"),
        column("seconds", "float64", "presentation timestamp, seconds"),
        column("height", "int32", "height of the displayed frame, pixels; first number of the "
               "size of a COCO RLE"),
        column("width", "int32", "width of the displayed frame, pixels"),
        column("x", "int32", "left edge of the occluder that hides most, pixels; null if none"),
        column("y", "int32", "its top edge, pixels"),
        column("w", "int32", "its width, pixels"),
        column("h", "int32", "its height, pixels"),
        column("more_rects", pa.list_(pa.int32()), "x, y, w, h of each further occluder, pixels; "
               "null if there is only one"),
        column("degree", "float32", "size of the occluder relative to the box of the whole actor; "
               "null if none"),
        column("occluded", "bool", "the hidden share is at least measure.min_hidden; null if not "
               "known"),
        column("filled", "bool", "the actor's box is interpolated over a gap in the detections"),
        column("box_hidden", "float32", "share of the box of the whole actor that occluders cover, "
               "0 to 1; null if not known"),
        column("occluder_rle", "binary", "mask of what is seen of all occluders, COCO RLE counts; "
               "null if none"),
        column("actor_rle", "binary", "mask of the whole actor inside the picture, COCO RLE "
               "counts; of the visible part where the whole is not known; null without the actor"),
        column("visible_rle", "binary", "mask of the visible part of the actor, COCO RLE counts; "
               "null without the actor"),
        column("actor_area", "int32", "area of the whole actor, pixels; null if not known"),
        column("visible_area", "int32", "area of the visible part of the actor, pixels; null "
               "without the actor"),
        column("actor_hidden", "float32", "hidden share of the actor, 0 to 1; null if not known"),
        column("hidden_error", "float32", "its standard error; null if not known"),
        column("why", "string", "why it is not known: never_whole, order or uncertain; else null"),
        column("actor_track", "int32", "track of the actor; null without the actor"),
        column("occluder_track", "int32", "track of the person who hides most; null for an "
               "object"),
        column("occluder_name", "string", "person, or the name of the object, that hides most"),
        column("evidence", "string", "contact, mask, colour: the kinds of evidence that it is in "
               "front"),
        column("order_score", "float32", "how sure that is, 0 to 1"),
        column("hiding", pa.list_(HIDING), "everybody who is hidden in the frame, and by whom"),
    ]
)  # fmt: skip
"""frames/NNN.parquet: a row per clip and frame."""

CLIPS = pa.schema(
    [
        column("clip", "string", "id of the clip"),
        column("set", "string", "S, I, M or another set of recordings"),
        column("scale", "float64", "nan: nothing was pasted"),
        column("split", "string", "train, val or test"),
        column("label", "string", "name of the class"),
        column("label_id", "int32", "label id of the class, from labels.json"),
        column("file", "string", "the clip, relative to the build folder"),
        column("file_hash", "string", "sha256 of the clip file"),
        column("counterfactual", "string", "null: there is no file of it"),
        column("counterfactual_hash", "string", "`load:<key>` if train erases the actor at load "
               "time; null if it cannot: too few masks, counterfactual.splits, or the fill median"),
        *(ROWS.field(name) for name in ("occluder", "category", "frames", "occluded_frames")),
        column("fps", "float64", "average frame rate, frames per second"),
        column("duration_seconds", "float64", "duration of the clip, seconds"),
        column("occlusion_seconds", "float64", "occluded_frames / fps, seconds"),
        *(ROWS.field(name) for name in ("degree", "area_ratio", "actor_hidden")),
        column("duration_ratio", "float64", "occluded_frames / frames; null where the actor's "
               "occlusion is unknown in more than half of their frames, as are the measures above"),
        column("generation_seconds", "float64", "null: nothing was generated"),
        *(ROWS.field(name) for name in ("hidden_error", "unknown_frames", "people")),
        column("reason", "string", "why the clip is not measured; null if it is"),
        column("detail", "string", "details of the reason; null if it is measured"),
        column("source", "string", "measured"),
    ]
)  # fmt: skip
"""clips.parquet: a row per clip, in the order of the release."""
