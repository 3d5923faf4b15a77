"""index: properties of each video, measured by decoding every frame. Checkpoint of the workflow.

Reads acquire/videos.parquet. Writes, beside --out:

    videos.parquet      schema INDEX: a row per video, with properties or a reason
    shards/NNN.parquet  schema SHARD: the candidates of each shard of detection

Candidates are the first `oversample` x quota usable videos of each class and split, in an order
given by a hash; only candidates are searched for people. With select.assignment published, the
candidates are the source clips of the release. A shard table is rewritten only when it changes, so
that adding one video reruns one shard.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core import ledger
from occludenet_build.core.tables import column
from occludenet_build.sources.index.facts import COLUMNS

_PLACE = [
    column("path", "string", "path of the file"),
    column("label", "string", "class name"),
    column("split", "string", "train, val or test"),
]
INDEX = pa.schema(
    [
        *ledger.STATUS,
        *_PLACE,
        *COLUMNS,
        column("shard", "string", "name of the shard, such as 003; null if not ok"),
        column("rank", "int32", "rank in its class and split in the order of the draw, from 0"),
        column("candidate", "bool", "whether it is searched for people; null if not ok"),
    ]
)
SHARD = pa.schema([f for f in INDEX if f.name not in ("status", "reason", "detail", "seconds")])
