"""The table of videos: what every listing writes and index reads."""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.tables import column

VIDEOS = pa.schema(
    [
        column("clip", "string", "id: the file's stem, with a suffix where two would be alike"),
        column("path", "string", "the file"),
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("status", "string", "ok or failed"),
        column("reason", "string", "why not ok, from core.errors.REASONS"),
        column("detail", "string", "what exactly"),
    ]
)
