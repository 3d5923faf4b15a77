"""proposals: segments of long surveillance videos in which static objects occlude part of a person.

Reads  --videos  the index of the videos (a table of the stage index)
       --detect  detect's manifests of them; the boxes are in store/S/detail.parquet beside each
Writes --out candidates.parquet   a row per candidate, the best of all videos (CANDIDATES)
       and in the same folder
       videos.parquet             a row per video (VIDEOS): searched, or why not
       index.html                 a contact sheet per candidate, in one file without links
       review.csv                 the same rows, in which the user writes accept or reject

Two pictures per second of video are analysed. For each person in each picture, `hiding.py` measures
the share that something static hides, from the empty scene (`scene.py`) and the estimated height of
the whole person (`person_tracks.py`). A candidate is a window of `seconds` seconds and one person,
who is visible for `min_present` of it and has a median height of at least `min_height` of the
picture. It contains no hard cut and is not more blurred than `max_blur`. Its score is the mean
hidden share, at least `min_hidden`. At most `per_video` windows of a video are kept, the highest
scores that do not overlap, and of all videos the best `candidates`.

Candidates are proposals; the user decides. Known false positives: a person who sits in the open,
filmed by a moving camera; steep views from above; clothes in the colour of the wall behind. Known
misses: people hidden only in the middle, for example by a lamp post.

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
        column("measured", "float64", "share of that in which the hidden share is measured "
               "against the scene, not estimated from the box"),
        column("shown", "float64", "median height of the box, share of the picture's height"),
        column("blur", "float64", "blur of the person, 0 (sharp) to 1"),
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
