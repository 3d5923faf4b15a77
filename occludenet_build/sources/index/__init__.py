"""index: what each video is, from decoding every frame once. The checkpoint of the workflow.

Reads acquire/videos.parquet. Writes, next to --out:

    videos.parquet     a row per video (INDEX below): facts, or the reason why it cannot be used
    shards/NNN.parquet the usable candidates of each shard of detection, SHARD columns

A candidate is a usable video among the first `oversample` x quota of its class and split, in an
order given by a hash: more are not searched for people. With select.assignment published, the
candidates are the source clips that the release names. A shard table is rewritten only when it
changes, so that adding one video reruns one shard.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core import ledger
from occludenet_build.core.tables import column
from occludenet_build.sources.index.facts import COLUMNS

_PLACE = [
    column("path", "string", "the file"),
    column("label", "string", "class name"),
    column("split", "string", "train, val or test"),
]
INDEX = pa.schema(
    [
        *ledger.STATUS,
        *_PLACE,
        *COLUMNS,
        column("shard", "string", "shard of detection"),
        column("rank", "int32", "place in its class and split in the order of the draw"),
        column("candidate", "bool", "is searched for people"),
    ]
)
SHARD = pa.schema([f for f in INDEX if f.name not in ("status", "reason", "detail", "seconds")])
