"""kinetics: the clips of Kinetics-400, by one of three routes, and which of them are there.

Reads   the official lists (annotations); by kinetics.route the frozen archives, YouTube, or a
        mirror on disk
Writes  <out folder>/clips.parquet     a row per wanted clip of the lists, PRESENCE below
        <out folder>/classes.csv       split, class, listed, present, replaced, corrupt, missing
                                       (counts of clips), share (of those there, 0 to 1); what lacks
                                       most comes first
        <folder>/videos/<split>/<class>/<id>_<start>_<end>.mp4        (not for a mirror)
        <folder>/replacements/<split>/<class>/<id>_<start>_<end>.mp4  (archives: of the pack)

What is there is not fetched again; what failed for a reason that may pass is tried again. Clips
that are not there are rows with a reason, however many: see `presence`.

    annotations   the lists, and which of their clips are wanted
    naming        which clip a file is, by its name
    archives, youtube, mirror   a route each: a Found for each wanted clip
    verdicts      whether files are sound
    choice        which of several files of a clip is taken
    presence      the tables, the same for all routes
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.tables import column

PRESENCE = pa.schema(
    [
        column("clip", "string", "<youtube id>_<start:06d>_<end:06d>, its id and file name"),
        column("youtube_id", "string", "id of the YouTube video"),
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("start_seconds", "int32", "of the stretch in the YouTube video"),
        column("end_seconds", "int32", "of the stretch in the YouTube video"),
        column("status", "string", "present, replaced (by the replacement pack), corrupt, missing"),
        column("reason", "string", "why not there, from core.errors.REASONS; null if it is"),
        column("detail", "string", "what exactly"),
        column("origin", "string", "archive, address, or mirror that it comes from, or should"),
        column("path", "string", "the file; null if missing"),
        column("bytes", "int64", "its size; null if missing"),
    ]
)
