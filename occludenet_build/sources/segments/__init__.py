"""segments: OccludeNet-S, clips of 8 to 10 s cut out of long surveillance videos.

Reads  --videos  a folder of long videos, at any depth
       --table   a CSV file of the segments, UTF-8, with a header:

    video            name of the file, with or without folder and suffix
    start_seconds    start, from the first frame of the video, such as 12 or 12.5
    end_seconds      end (exclusive)
    class            one of segments.classes, in upper or lower case
    split            train, val or test
    decision         optional: accept, reject or empty; only accepted rows are cut
    rank, score, note  optional, ignored; proposals/review.csv has them

Writes --out segments/clips.parquet                    schema CLIPS: a row per segment
       and into <root>/<dataset>/, the folder of the clips:
       {split}/{class}/{video}_{start:06d}_{end:06d}.mp4   times in seconds, with three decimals
                                                       where they are not whole numbers
       annotations/{split}_s.csv                       action class,file name,fps,video duration

Mistakes in the table stop the stage, which reports each with its line and column. A segment that
cannot be cut has a row with a reason: missing, ambiguous, unknown_class, too_short, too_long,
outside_video, corrupt or another fault of a video. A clip is cut again only if its row, its video,
the settings of the encoder (those of composite) or the results version changed. A clip without a
row is deleted.

`media.video.cut` documents the frames, times and sound of a cut.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.ledger import STATUS
from occludenet_build.core.tables import column

CLIPS = pa.schema(
    [
        *STATUS,
        column("video", "string", "name of the video in the table"),
        column("path", "string", "path of the video; null if none was found"),
        column("source_sha256", "string", "sha256 of the video; null if not cut"),
        column("start_seconds", "float64", "start of the segment, seconds, from the table"),
        column("end_seconds", "float64", "end of the segment, seconds, from the table"),
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("file", "string", "path of the clip, relative to the build folder"),
        column("file_hash", "string", "sha256 of the clip"),
        column("frames", "int32", "number of frames of the clip"),
        column("first_pts", "int64", "pts of its first frame in the video (0 in the clip)"),
        column("last_pts", "int64", "pts of its last frame in the video"),
        column("time_base", "string", "seconds per tick of first_pts and last_pts, num/den"),
        column("cut_seconds", "float64", "time of its first frame in the video, seconds"),
        column("fps", "float64", "frame rate of the clip, frames per second"),
        column("duration_seconds", "float64", "duration of the clip, seconds"),
        column("width", "int32", "width of the displayed frame, pixels"),
        column("height", "int32", "height of the displayed frame, pixels"),
        column("sound", "string", "audio: copied, encoded (as AAC) or none"),
    ]
)
"""Schema of clips.parquet."""

FILES = ("file",)
"""Columns with paths of files."""
