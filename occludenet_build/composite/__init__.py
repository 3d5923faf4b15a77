"""composite: OccludeNet-D, its clean twins and its counterfactuals, in one pass over each clip.

An occluder on the moving actor at every scale, with ground truth; and do(A = a) with O fixed: the
same clips with the actor erased. Reads a shard of the selection, the boxes of detect, the cut-outs,
and the masks of actor_masks where they are wanted. Writes, below --root:

    <dataset>/<split>/<25%>/<class>/<0.25>_<clip>.mp4   the occluded clips
    <dataset>-clean/<split>/<class>/<clip>.mp4          the same encoder, no occluder
    composite/<shard>.parquet                           CLIPS below, a row per source clip
    composite/store/<shard>/detail.parquet              a row per frame,
                                                        compositing.ground_truth.TRUTH

and for the splits in counterfactual.splits

    <dataset>-counterfactual/<split>/<25%>/<class>/<0.25>_<clip>.mp4
    counterfactual/<shard>.parquet                      ERASED below, a row per source clip

Video is H.264 in MP4 with the source's pts, rotation, pixel aspect and colour tags. Sound is
copied; what MP4 cannot carry is encoded as AAC, and the row says so. A source that is not the file
that was indexed (by its sha256) is a failed row, source_changed. Occluded clips and counterfactuals
have ledger keys of their own: another mask makes the counterfactuals again and nothing else (but
for scale_mode `target`, which measures by the masks). A counterfactual differs from its occluded
clip in the actor alone; frames in which the actor has no mask stay and are counted. With
counterfactual.files false there is a row and no file: train erases the actor when it reads an
occluded clip, with the masks and the occluder's ground truth of annotate/frames.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core import ledger
from occludenet_build.core.tables import column

_OF_CLIP = [
    column("label", "string", "class name"),
    column("split", "string", "train, val or test"),
    column("frames", "int32", "frames, as many as the source has"),
]
_FILES = [
    column("scales", pa.list_(pa.float64()), "nominal scales, in the order of files"),
    column("files", pa.list_(pa.string()), "clips, relative to the build"),
    column("file_hashes", pa.list_(pa.string()), "their sha256"),
]
_MADE_WITH = [
    column("encoder", "string", "the encoder that ran, with its version"),
    column("instruction_set", "string", "newest processor instructions it used"),
    column("libraries", "string", "versions of what decodes, scales and blends"),
]

CLIPS = pa.schema(
    [
        *ledger.STATUS,
        *_OF_CLIP,
        column("category", "string", "occluder type"),
        column("occluder", "string", "name of the cut-out"),
        column("other_occluders", pa.list_(pa.string()), "further cut-outs on the same clip"),
        column("occluded_frames", "int32", "frames in which the actor's box is hidden in part"),
        column("fps", "float64", "average frame rate, frames per second"),
        column("duration_seconds", "float64", "duration of the picture, seconds"),
        column("pix_fmt", "string", "pixel format of the outputs"),
        column("sound", "string", "copied, encoded (as AAC) or none"),
        *_FILES,
        column("factors", pa.list_(pa.float64()), "size of the occluder at each scale: the scale "
               "itself, but for scale_mode target, where it was solved"),
        column("shares", pa.list_(pa.float64()), "scale_mode target: mean share of the actor that "
               "is hidden; else null"),
        column("clean_file", "string", "the clean twin, relative to the build; null if not made"),
        column("clean_hash", "string", "its sha256"),
        column("truth_hash", "string", "hash of the ground-truth rows"),
        *_MADE_WITH,
    ]
)  # fmt: skip
"""The manifest of the occluded clips."""

ERASED = pa.schema(
    [
        *ledger.STATUS,
        *_OF_CLIP,
        column("actor_frames", "int32", "frames with an actor box"),
        column("erased_frames", "int32", "frames in which the actor was erased"),
        *_FILES,
        *_MADE_WITH,
    ]
)
"""The manifest of the counterfactuals."""

FILES = ("files", "clean_file")
"""The columns that name files."""
