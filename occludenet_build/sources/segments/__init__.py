"""segments: OccludeNet-S, clips of 8 to 10 s cut out of long surveillance videos.

Reads  --videos  a folder of long videos, however deep they lie in it
       --table   a CSV of what is cut, UTF-8, with a header:

    video            the file: its name, with or without folder and suffix
    start_seconds    from the video's first frame, such as 12 or 12.5
    end_seconds      the first moment that no longer belongs to the clip
    class            one of segments.classes, in any case
    split            train, val or test
    decision         optional: accept, reject or nothing; only accepted rows are cut
    rank, score, note  optional: for the reader; proposals/review.csv has them

Writes --out segments/clips.parquet                    a row per segment (CLIPS below)
       and into <root>/<dataset>/, the folder of the clips:
       {split}/{class}/{video}_{start:06d}_{end:06d}.mp4   times in whole seconds, or with three
                                                       decimals where they are not whole
       annotations/{split}_s.csv                       action class,file name,fps,video duration

A mistake in the table stops the room; every mistake is a line that names line and column. What is
wrong with a single segment is a row with its reason: missing, ambiguous, unknown_class, too_short,
too_long, outside_video, corrupt and what else a video can have. Clips are made again only if
their row, their video, the encoder's settings (those of composite) or the version of the results
changed; a clip whose row is gone is deleted.

What is exact in a cut is said in `core/video/cut.py`: which frames, their times, the sound.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.ledger import STATUS
from occludenet_build.core.tables import column

CLIPS = pa.schema(
    [
        *STATUS,
        column("video", "string", "the video, as the table names it"),
        column("path", "string", "its file; null if none was found"),
        column("source_sha256", "string", "hash of that file; null if not cut"),
        column("start_seconds", "float64", "where the segment begins, seconds, as in the table"),
        column("end_seconds", "float64", "where it ends, seconds, as in the table"),
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("file", "string", "the clip, relative to the build folder"),
        column("file_hash", "string", "sha256 of the clip"),
        column("frames", "int32", "frames of the clip"),
        column("first_pts", "int64", "pts of its first frame in the video; 0 in the clip"),
        column("last_pts", "int64", "pts of its last frame in the video"),
        column("time_base", "string", "seconds per tick of both, num/den"),
        column("cut_seconds", "float64", "its first frame, seconds from the video's first"),
        column("fps", "float64", "frames per second of the clip"),
        column("duration_seconds", "float64", "length of the clip, seconds"),
        column("width", "int32", "displayed picture, pixels"),
        column("height", "int32", "displayed picture, pixels"),
        column("sound", "string", "copied, encoded (as AAC) or none"),
    ]
)
"""clips.parquet"""

FILES = ("file",)
"""The columns that name files."""
