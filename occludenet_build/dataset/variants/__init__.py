"""variants: derived test sets, from the masks of the actor, for the tests of background bias.

    occludenet variants plates --clips select/shards/S.parquet --select select/clips.parquet
        --composite composite/S.parquet --masks actor_masks/S.parquet --boxes detect/store
        --root BUILD --out variants/plates/S.parquet
        The empty background of every clip that can be used, and its descriptor.
    occludenet variants pairs --plates variants/plates --out variants/pairs.parquet
        Draws the clip whose background each actor gets.
    occludenet variants make --clips select/shards/S.parquet --select select/clips.parquet
        --composite composite/S.parquet --masks actor_masks --plates variants/plates
        --pairs variants/pairs.parquet --root BUILD --out variants/items/S.parquet
        Writes the clips of the sets.
    occludenet variants collect --items variants/items --root BUILD --out variants/clips.parquet
        Lists the clips for evaluate, and for other programs.

Reads   the source clips of evaluate.split that composite has occluded, their masks, the occluded
        clips and their ground truth (greyed), the user's pictures (variants.pictures).
Writes  <set>/<class>/<clip>.mp4     the clips, below variants/
        plates/S.parquet             PLATES, a row per source clip; plates/pictures/<clip>.png
        pairs.parquet, pairs.csv     PAIRS
        items/S.parquet              ITEMS, a row per clip of a set, with status and reason
        clips.parquet                CLIPS: the rows that are ok, with the columns of
                                     annotate/clips.parquet that evaluate reads
        <set>.csv                    `file,label`, paths relative to variants/

The sets, where A is the actor by their mask in each frame:

    background           A is erased (variants.fill, mask dilated by counterfactual.dilate)
    human                A on the mean colour
    swap-<pairs>-<seed>  A on the frames of another clip, from which its actor is erased
    scuba-stripes        A on sinusoidal stripes of drawn colours, wavelength and direction
    scuba-plates         A on the temporal median of another clip without its actor
    scuba-pictures       A on a picture of variants.pictures
    scufo-...            one frame of the scuba clip, the middle one of those with a mask, repeated
    ring                 only the ring of variants.ring pixels around A, on the mean colour
    ring-flat            the same ring, black: what its outline alone tells
    <D-25>-greyed        the occluded clip, its occluder painted with the mean colour

Clips have the frames, times, rotation and encoder settings of composite, and no sound. They are
made from the source, so that they are encoded once, as the clean twins are; greyed clips are made
from the occluded clips. Pixels that are kept are those of the clip. A frame without a mask keeps
nothing of the clip; clips in which too many frames that may show the actor have no mask are
skipped as not_erased, by counterfactual.max_unerased. A background is scaled to cover the picture
and cropped in the middle. Backgrounds that are clips run by time, at their own speed, and begin
again at their end. No clip gets the background of one of its own group (release.groups).
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.ledger import STATUS
from occludenet_build.core.tables import column

PLATES = pa.schema(
    [
        *STATUS,
        column("label", "string", "class name"),
        column("shard", "string", "shard of the clip"),
        column("masks_hash", "string", "hash over the masks of its actor"),
        column("file", "string", "the plate: the temporal median of the clip without its actor, "
               "PNG, relative to the build folder"),
        column("file_hash", "string", "sha256 of the plate"),
        column("descriptor", pa.list_(pa.float32()), "colour and texture of the plate "
               "(variants.plates: descriptor_of)"),
    ]
)  # fmt: skip
"""A row per source clip of the split, or of the sample: whether it can be used, and its plate."""

PAIRS = pa.schema(
    [
        column("set", "string", "swap-<pairs>-<seed>, or scuba-plates"),
        column("clip", "string", "id of the source clip of the actor"),
        column("label", "string", "its class"),
        column("background", "string", "id of the source clip of the background"),
        column("background_label", "string", "its class"),
        column("background_shard", "string", "its shard"),
        column("background_key", "string", "hash of its source, masks and plate"),
        column("distance", "float64", "distance of the two plates' descriptors"),
        column("rank", "int32", "place of the background among the candidates, nearest first, "
               "from 0"),
        column("candidates", "int32", "number of clips that could have been drawn at random"),
    ]
)  # fmt: skip
"""A row per clip and set with another clip's background."""

ITEMS = pa.schema(
    [
        *STATUS,
        column("set", "string", "name of the set"),
        column("source", "string", "id of the source clip of the actor"),
        column("label", "string", "class of the actor"),
        column("split", "string", "train, val or test"),
        column("file", "string", "the clip, relative to the build folder"),
        column("file_hash", "string", "its sha256"),
        column("frames", "int32", "number of frames"),
        column("background", "string", "id of the clip, or name of the picture, behind the actor; "
               "null if none"),
        column("background_label", "string", "class of the clip behind the actor; null if none"),
    ]
)  # fmt: skip
"""A row per clip of a set; `clip` is <set>/<source>."""

CLIPS = pa.schema(
    [
        column("clip", "string", "id of the source clip of the actor"),
        column("set", "string", "name of the set"),
        column("scale", "float64", "nan: as in the sets of lists"),
        column("split", "string", "train, val or test"),
        column("label", "string", "class of the actor"),
        column("file", "string", "the clip, relative to the build folder"),
        column("file_hash", "string", "its sha256"),
        column("counterfactual", "string", "null"),
        column("counterfactual_hash", "string", "null"),
        column("frames", "int32", "number of frames"),
        column("area_ratio", "float64", "null"),
        column("duration_ratio", "float64", "null"),
        column("degree", "float64", "null"),
        column("actor_hidden", "float64", "null"),
        column("background", "string", "as in ITEMS"),
        column("background_label", "string", "as in ITEMS"),
    ]
)
"""The clips of all sets, for evaluate."""
