"""outside: counterfactual clips that another program made, such as a video remover.

Reads   counterfactual/S.parquet (which clips have a counterfactual), composite/S.parquet and the
        occluded clips, the masks of actor_masks, and the clips in outside.folder:
        <split>/<25%>/<class>/<0.25>_<clip>.mp4, the names of the build's own counterfactuals below
        <dataset>-counterfactual. Another suffix is accepted (.mkv, .webm, .mov, .avi).
Writes  outside/S.parquet         CLIPS: the rows of counterfactual/S.parquet, with these files in
                                  place of the build's. annotate reads it in their place, so train
                                  and evaluate use the files. A source clip is ok if all of its
                                  scales are.
        outside/frames/S.parquet  MEASURES, a row per clip, with its own status and reason

Each clip is compared frame by frame with the occluded clip that it was made from: the number of
frames, the size of the displayed picture and, where the container holds them, the times. A clip
with other frames cannot be a pair of the occluded clip and is refused: other_frames, other_size.
What a remover should change is the hole: the actor's mask, dilated by outside.dilate, without the
occluder. What it changed elsewhere is measured on the luma, 0 to 255, over the frames with a mask.
Around the dilated mask a change may be on purpose, where a shadow or a reflection was removed. On
the occluder it is a fault: a pair that differs in the occluder as well does not show what the actor
alone tells. Such clips are refused: changes_occluder, by outside.max_occluder_changed. Pixels
within 2 pixels of the occluder's edge do not count, since coding mixes them with the hole. Encoding
alone changes pixels too: the columns `ours_...` hold the same measures of the build's own
counterfactual, where it has a file.

A comparison is kept in outside/store/S (core.ledger) by the hashes of the clips and masks,
outside.dilate and outside.threshold; limits are applied afterwards.

People who are still found in these clips are counted by residual_actor, target
residual_actor_outside.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.ledger import STATUS
from occludenet_build.core.tables import column

CLIPS = pa.schema(
    [
        *STATUS,
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("frames", "int32", "number of frames"),
        column("actor_frames", "int32", "frames with an actor box"),
        column("erased_frames", "int32", "frames with a mask of the actor"),
        column("unerased_frames", "int32", "frames without a mask that may show the actor"),
        column("scales", pa.list_(pa.float64()), "nominal scales, in the order of files"),
        column("files", pa.list_(pa.string()), "the clips of the other program, absolute paths"),
        column("file_hashes", pa.list_(pa.string()), "their sha256"),
    ]
)
"""Columns of outside/S.parquet, those of counterfactual/S.parquet that later stages read."""

_CHANGES = [
    ("inside", "mean absolute difference of the luma in the hole, 0 to 255; near 0: nothing was "
     "erased"),
    ("occluder_changed", "share of the occluder's pixels inside the dilated mask whose luma "
     "changed by outside.threshold or more; null if it has none there"),
    ("outside", "mean absolute difference of the luma outside the dilated mask, 0 to 255"),
    ("changed", "share of the pixels outside the dilated mask whose luma changed by "
     "outside.threshold or more"),
    ("distance", "mean distance of these pixels from the dilated mask, pixels; null if none"),
    ("reach", "95th percentile of that distance, pixels; null if none"),
]  # fmt: skip

OURS = ("inside", "occluder_changed", "outside", "changed")
"""What is also measured of the build's own counterfactual."""

MEASURES = pa.schema(
    [
        column("clip", "string", "<scale>_<id of the source clip>"),
        column("status", "string", "ok, skipped or failed"),
        column("reason", "string", "why not ok, from core.errors.REASONS; null if ok"),
        column("detail", "string", "details of the reason; null if ok"),
        column("key", "string", "hash of the files, the masks and the settings of the measures"),
        column("seconds", "float64", "wall-clock time of the comparison, seconds; in the store"),
        column("source", "string", "id of the source clip"),
        column("scale", "float64", "nominal size of the occluder"),
        column("split", "string", "train, val or test"),
        column("label", "string", "class name"),
        column("path", "string", "the clip of the other program"),
        column("frames", "int32", "frames of the clip"),
        column("masked_frames", "int32", "frames with a mask, which are measured"),
        column("same_times", "bool", "whether its times are those of the occluded clip, to a "
               "millisecond, counted from the first frame"),
        *(column(name, "float64", meaning) for name, meaning in _CHANGES),
        column("worst_frame", "int32", "the frame with the largest share of changed pixels"),
        *(column(f"ours_{name}", "float64", f"{name} of the build's own counterfactual; null if "
                 "it has no file") for name in OURS),
        column("file_hash", "string", "sha256 of the clip"),
    ]
)  # fmt: skip
"""A row per clip of outside.folder that belongs to a clip of the build."""
