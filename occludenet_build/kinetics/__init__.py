"""kinetics: the clips of Kinetics-400, by one of three routes, and which of them are there.

Reads   the official lists (kinetics.annotations); by kinetics.route the frozen archives, YouTube,
        or a mirror on disk
Writes  <out folder>/clips.parquet     a row per wanted clip of the lists, PRESENCE below
        <out folder>/classes.csv       the shortfall of each class and split
        <folder>/videos/<split>/<class>/<id>_<start>_<end>.mp4   (not for a mirror)

What is there is not fetched again; what failed for a reason that may pass is tried again.
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
