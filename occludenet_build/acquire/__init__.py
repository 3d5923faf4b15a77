"""acquire: what there is to build from: your own folders, and what is fetched for you.

    acquire videos   -> videos.parquet       a row per file under acquire.videos
    acquire coco     -> coco.json            where the COCO images and instances lie, with a hash
    acquire weights  -> weights/<room>.json  a weights file with its hash

A videos folder has one of three layouts: `<split>/<class>/<video>` (as Kinetics tools write it),
`<class>/<video>`, or videos alone (one class). Where no folder names the split, it follows from a
hash of the clip's name; two cuts of one YouTube video fall into the same split. Files whose name
begins with a dot are passed over.

Weights (--room ROOM, whose settings say which; or --source) are a file or an http(s) address. What
an address brings is fetched once, into the folder of --out, and recorded beside it with its hash;
from then on another hash stops the build: of the file, of what the address brings, or in the
settings. With download.offline, or --offline, no connection is opened.
"""

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
