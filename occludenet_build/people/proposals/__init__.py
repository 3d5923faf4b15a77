"""proposals: stretches of long surveillance videos in which static things hide part of a person.

Reads  --videos  the index of the videos (a table of the room index)
       --detect  detect's manifests of them; the boxes are found beside, in store/S/detail.parquet
Writes --out candidates.parquet   the best stretches of all videos, a row each (CANDIDATES)
       and beside it
       videos.parquet             a row per video (VIDEOS): looked at, or why not
       index.html                 a contact sheet per candidate; works without a network
       review.csv                 the same rows, in which a person writes accept or reject

A video is looked at twice a second. Of each person in each picture it is measured how much of him
something static hides (`hiding.py`), against the empty scene (`scene.py`) and the height he would
have (`people.py`). A candidate is a window of `seconds` seconds over one person who is seen for
`min_present` of it, at least `min_height` of the picture high, not cut by a hard cut and not more
blurred than `max_blur`; its score is the mean share hidden, at least `min_hidden`. The best windows
of a video that do not overlap, at most `per_video`, and of all videos the best `candidates`.

What it finds is a proposal: a person decides. Known to fool it: somebody who sits in the open, seen
by a moving camera; steep views from above; people in clothes of the colour of the wall behind. Not
found: who is hidden in the middle only, as by a lamp post.

review.csv is the reader's: it is no output of the rule, and a new run keeps every decision, class,
split and note in it. What is not proposed any more stays if it was decided on. It is the table that
segments cuts from. On the page one can decide as well, and save a review.csv from there.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.ledger import STATUS
from occludenet_build.core.tables import column

VIDEOS = pa.schema(
    [
        *STATUS,
        column("people", "int32", "tracks of at least a second"),
        column("candidates", "int32", "windows that are good enough, at most per_video"),
        column("fixed", "float64", "share of the time in which the camera stands still"),
    ]
)
"""videos.parquet"""

WINDOWS = pa.schema(
    [
        column("clip", "string", "id of the video"),
        column("start_seconds", "float64", "seconds from the video's first frame"),
        column("end_seconds", "float64", "seconds from the video's first frame"),
        column("track", "int32", "the person, as detect numbers them"),
        column("score", "float64", "mean share of the person that is hidden, over the window"),
        column("present", "float64", "share of the window in which he is seen"),
        column("measured", "float64", "share of that in which the scene tells what is hidden, not "
               "the box alone"),
        column("shown", "float64", "median height of his box, share of the picture's height"),
        column("blur", "float64", "of him, 0 sharp to 1"),
        column("sheet", "binary", "contact sheet, JPEG"),
    ]
)  # fmt: skip
"""store/all/detail.parquet, a row per window of a video"""

CANDIDATES = pa.schema(
    [
        column("rank", "int32", "1 is the best"),
        *(field for field in WINDOWS if field.name != "sheet"),
        column("video", "string", "the file with its folder, as segments finds it"),
        column("label", "string", "class name, from the folder"),
        column("split", "string", "train, val or test, by hash or from the folder"),
    ]
)
"""candidates.parquet"""
