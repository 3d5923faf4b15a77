"""select: which clips are occluded, and by what. The second checkpoint of the workflow.

Reads the index, the manifests of detect and the occluder bank. Writes, next to --out:

    clips.parquet       a row per candidate (CLIPS below): chosen, or why not
    shards/NNN.parquet  the chosen clips of each shard of the rooms that make clips

select.assignment quota (quota.py): a clip with an actor gets the occluder type that a hash of its
name gives it, among the types that its split has, and as many cut-outs of it as are asked for. Of
each class and type, the first clips in the order of the draw are taken, up to the class's quota
divided by the number of types; candidates without an actor are passed over, so a shortfall appears
only when the candidates run out. Every choice is a function of the clip's own name: one more video
moves no other clip, unless it takes its place in a full quota.

select.assignment published (published.py): the choice of a release's `{split}_d.csv`, as it is:
its source clips with its classes, splits and occluders; no quota, and the bank's own splits do not
matter. A row per published source clip, chosen or why not, and one per usable video that the
release does not name.

A shard table is rewritten only when it changes.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.tables import column

_TEXTS = pa.list_(pa.string())

CLIPS = pa.schema(
    [
        column("clip", "string", "id of the source clip"),
        column("status", "string", "ok: chosen; skipped: not"),
        column("reason", "string", "why not chosen, from core.errors.REASONS"),
        column("detail", "string", "what exactly"),
        column("path", "string", "the source file"),
        column("sha256", "string", "hash of the source file"),
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("shard", "string", "shard of the rooms that make clips"),
        column("detect_shard", "string", "shard of detect that holds its boxes"),
        column("boxes_hash", "string", "hash of its boxes"),
        column("category", "string", "occluder type"),
        column("occluder", "string", "name of the cut-out"),
        column("occluder_file", "string", "the cut-out, relative to the bank's folder"),
        column("occluder_sha256", "string", "hash of the cut-out"),
        column("other_occluders", _TEXTS, "further cut-outs of the type, pasted at once; or none"),
        column("other_files", _TEXTS, "their files, relative to the bank's folder"),
        column("other_sha256", _TEXTS, "their hashes"),
        column("frames", "int32", "frames of the source"),
        column("width", "int32", "displayed picture, pixels"),
        column("height", "int32", "displayed picture, pixels"),
        column("fps", "float64", "average frame rate, frames per second"),
        column("duration_seconds", "float64", "duration of the picture, seconds"),
        column("pts_hash", "string", "hash of all pts of the source"),
        column("published_occlusion_seconds", "float64", "the release's, seconds; else null"),
        column("published_duration_seconds", "float64", "the release's, seconds; else null"),
    ]
)
