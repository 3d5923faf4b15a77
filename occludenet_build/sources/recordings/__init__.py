"""recordings: OccludeNet-I, OccludeNet-M and sets like them, clips of 5 to 10 s from recordings.

Reads  the folders of recordings.sets, at any depth, and for each
       a table, CSV, UTF-8, with a header (recordings.csv in the folder, if no other is named):

    file             name of the recording, with or without folder and suffix
    class            name of the action; those of the release in any spelling: armed, Bike Ride
    subject          who is seen; several people as P01;P02
    take             name of the performance; what it is unique in: recordings.sets takes
    view             which of several cameras that recorded the take at the same time
    camera, session  optional: facts for the table of clips; sessions may be kept in one split
    split            optional: train, val or test, for takes that you assign yourself
    start_seconds, end_seconds
                     optional: the part of the recording that may be used; a row per part
    offset_seconds   optional: time on the clock of the take at which the recording begins
    note             optional, ignored

       or a pattern of the file names with these fields: {class}/{subject}_{take}_{view}.mp4

Writes --out recordings/clips.parquet     schema CLIPS: a row per clip, or recording without one
       recordings/index.html, strips/     the contact sheets, one strip per clip
       recordings/<set>.csv               the table of a set as it was read, with the splits
       recordings/leaks.csv, .html, leaks/
                                         with recordings.anonymise: faces found again, per set
       and below <root>/<dataset>/, the folder of a set, in layout splits and views:
       {split}/{Class}/{clip}.mp4
       {Class}/{Class}_view<n>/{clip}.mp4, {Class}/{Class}_view_val/{clip}.mp4 in the split val
       annotations/{split}_{set}.csv      action class,file name

The name of a clip is <Class>_<subject>_<take>[_<session>][_view<n>]_<start>_<end>, with times in
seconds on the clock of the take, that of its first view. Mistakes in a table stop the stage, which
reports each with its line and column. The views of a take are cut to the same stretches of the time
that all share; offsets are those of the table, else of `media.sync`. A part longer than max_seconds
is cut into equal clips.

A recording or clip that cannot be used is a row with a reason: missing, ambiguous, duplicate (the
same bytes under two names), misplaced (it does not match the pattern), not_utf8, too_short,
offset_unsure, no_common_time, no_consent, not_anonymised, a check of recordings.checks.refuse,
corrupt or another fault of a video. Files, takes and clips are worked on again only where the
file's bytes, their row or the settings changed. A clip without a row is deleted.

`media.video.cut` documents the frames, times and sound of a cut. The picture is not scaled.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.ledger import STATUS
from occludenet_build.core.tables import column

CLIPS = pa.schema(
    [
        *STATUS,
        column("set", "string", "name of the set in recordings.sets"),
        column("label", "string", "class name, as in the release where it has the class"),
        column("split", "string", "train, val or test; null for a file that matches no pattern"),
        column("subject", "string", "the people, sorted, with ; between them"),
        column("take", "string", "name of the take in the table"),
        column("group", "string", "id of the take: its clips and views are not independent"),
        column("view", "string", "name of the view in the table; null if the set has no views"),
        column("camera", "string", "camera in the table; null if it has none"),
        column("session", "string", "session in the table; null if it has none"),
        column("recording", "string", "name of the recording, in its set's folder"),
        column("path", "string", "path of the recording; null if none was found"),
        column("source_sha256", "string", "sha256 of the recording; null if it cannot be used"),
        column("take_seconds", "float64", "start of the clip on the clock of the take, seconds"),
        column("start_seconds", "float64", "start of the clip in the recording, seconds"),
        column("end_seconds", "float64", "end of the clip in the recording (exclusive), seconds"),
        column("offset_seconds", "float64", "time on the take's clock where the recording begins"),
        column("drift", "float64", "seconds of the take's clock per second of its own, minus 1"),
        column("confidence", "float64", "confidence in the offset, 0 to 1; null: not measured"),
        column("method", "string", "how it was found: sound, motion, table; null: one view"),
        column("file", "string", "path of the clip, relative to the build folder"),
        column("file_hash", "string", "sha256 of the clip"),
        column("frames", "int32", "number of frames of the clip"),
        column("first_pts", "int64", "pts of its first frame in the recording (0 in the clip)"),
        column("last_pts", "int64", "pts of its last frame in the recording"),
        column("time_base", "string", "seconds per tick of first_pts and last_pts, num/den"),
        column("cut_seconds", "float64", "time of its first frame in the recording, seconds"),
        column("fps", "float64", "frame rate of the clip, frames per second"),
        column("duration_seconds", "float64", "duration of the clip, seconds"),
        column("width", "int32", "width of the displayed frame, pixels"),
        column("height", "int32", "height of the displayed frame, pixels"),
        column("picture", "string", "video: copied (packet by packet, without loss) or encoded"),
        column("sound", "string", "audio: copied, encoded (as AAC) or none"),
        column("sound_db", "float64", "level of the sound, dB of full scale; null without sound"),
        column("dark", "float64", "share of the pixels that are black, 0 to 1"),
        column("bright", "float64", "share of the pixels that are white, 0 to 1"),
        column("blur", "float64", "blur, 0 (sharp) to 1, median over the pictures"),
        column("frozen_seconds", "float64", "longest time without a change of picture, seconds"),
        column("warnings", pa.list_(pa.string()), "checks that the clip fails, sorted"),
        column("strip", "string", "contact sheet of the clip, relative to the build folder"),
        column("hidden", "int32", "hidden heads or faces, over all frames; null: none is hidden"),
        column("bare_frames", "int32", "frames in which nothing was hidden; null as hidden"),
        column("checked_frames", "int32", "frames searched for faces afterwards; null: none"),
        column("leaking_frames", "int32", "of them those in which a face or head is found"),
        column("leak_picture", "string", "picture of leaks, relative to the build folder; null"),
    ]
)
"""Schema of clips.parquet."""

FILES = ("file", "strip", "leak_picture")
"""Columns with paths of files."""
