"""proposals: segments of long surveillance videos in which static objects occlude part of a person.

Reads  --videos  the index of the videos (a table of the stage index)
       --detect  detect's manifests of them; the boxes are in store/S/detail.parquet beside each
Writes --out candidates.parquet   a row per candidate, the best of all videos (CANDIDATES)
       and in the same folder
       videos.parquet             a row per video (VIDEOS): searched, or why not
       index.html                 a contact sheet per candidate, in one file without links
       review.csv                 the same rows, in which the user writes accept or reject

Two pictures per second of video are analysed. In each one `hiding.py` measures where a person
ends, against the empty scene (`scene.py`) and the expected height of the whole person: by the
ground contact of everybody in the video, fitted with its own error (`ground.py`), or by the
person's own other boxes (`person_tracks.py`). What is missing counts as hidden only with evidence
of something static in front (`evidence.py`): the scene has an edge where the person ends, and it is
met again and again, by a person who moves along it, by several people, or along the whole outline
of somebody who stays. With `proposals.keypoints`, joints that are missing below the edge count for
it, and ankles that are found there against it. Nothing is proposed where the camera moves, since
the scene is then not known.

A candidate is a window of `seconds` seconds and one person, who is visible for `min_present` of it
and has a median height of at least `min_height` of the picture. It contains no hard cut and is not
more blurred than `max_blur`. Its score is the mean hidden share, at least `min_hidden`. At most
`per_video` windows of a video are kept, the highest scores that do not overlap, and of all videos
the best `candidates`.

Candidates are proposals; the user decides. `benchmarks/proposals.py` measures them on drawn scenes.
Known false positives: a child, or somebody who crouches, whose feet stay at an edge of the ground.
Known misses: a video with few people who are all hidden all the time; thin things, such as a lamp
post; occluders in the colour of what is around them.

review.csv belongs to the user: it is no output of the rule, and a new run keeps every decision,
class, split and note in it. A row that is no longer proposed is kept if it has a decision. The
stage segments cuts clips from this table. The page can also save a review.csv with the decisions
made on it.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.ledger import STATUS
from occludenet_build.core.tables import column

VIDEOS = pa.schema(
    [
        *STATUS,
        column("people", "int32", "tracks of at least one second"),
        column("candidates", "int32", "windows that qualify, at most per_video"),
        column("fixed", "float64", "share of the time in which the camera is fixed"),
    ]
)
"""videos.parquet: a row per video."""

WINDOWS = pa.schema(
    [
        column("clip", "string", "id of the video"),
        column("start_seconds", "float64", "seconds from the video's first frame"),
        column("end_seconds", "float64", "seconds from the video's first frame"),
        column("track", "int32", "the person's track number in detect"),
        column("score", "float64", "hidden share of the person, mean over the window"),
        column("present", "float64", "share of the window in which the person is detected"),
        column("measured", "float64", "share of that in which the person is measured against "
               "the empty scene, not by the box alone"),
        column("shown", "float64", "median height of the box, share of the picture's height"),
        column("blur", "float64", "blur of the person, 0 (sharp) to 1"),
        column("evidence", "string", "kinds of evidence besides the edge, joined by +: height, "
               "outline, motion, others, gap, keypoints (evidence.KINDS)"),
        column("side", "string", "where the person is cut: below, side, middle"),
        column("edge", "float64", "strength of the scene's edge there, 0 to 1, median"),
        column("moments", "int32", "analysed pictures of the window that show this"),
        column("people", "int32", "people who end at the same place, this one included"),
        column("height_error", "float64", "error of the expected height, share of it; null where "
               "the height is no evidence: cut at a side or in the middle"),
        column("sheet", "binary", "contact sheet, JPEG"),
    ]
)  # fmt: skip
"""store/all/detail.parquet: a row per window of a video."""

CANDIDATES = pa.schema(
    [
        column("rank", "int32", "rank by score, from 1"),
        *(field for field in WINDOWS if field.name != "sheet"),
        column("video", "string", "file name with its folder, as segments expects it"),
        column("label", "string", "class name, from the folder"),
        column("split", "string", "train, val or test, by hash or from the folder"),
    ]
)
"""candidates.parquet: a row per candidate."""
