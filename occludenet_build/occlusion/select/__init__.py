"""select: chooses the clips that are occluded, and the occluders of each. A checkpoint.

Reads the index, the manifests of detect and the occluder bank. Writes, next to --out:

    clips.parquet       a row per candidate (CLIPS below): chosen, or the reason why not
    shards/NNN.parquet  the chosen clips of each shard, for the stages that make clips

select.assignment quota (quota.py): a clip with an actor gets the occluder type given by a hash of
its name, among the types of its split, and the requested number of cut-outs of that type. For each
class and type, the first clips in the order of the draw are chosen, up to the class's quota divided
by the number of types. Candidates without an actor are passed over, so there are too few clips only
if the candidates run out. Every choice is a function of the clip's own name: another video changes
no other clip, unless it takes a place in a full quota.

select.assignment published (published.py): the choice of a release's `{split}_d.csv`, unchanged:
its source clips with their classes, splits and occluders, without quotas; the bank's splits are not
used. There is a row per published source clip, chosen or with the reason why not, and one per
usable video that is not in the release.

A shard table is rewritten only if it changes.
"""

from __future__ import annotations

import pyarrow as pa

from occludenet_build.core.tables import column

_TEXTS = pa.list_(pa.string())

CLIPS = pa.schema(
    [
        column("clip", "string", "id of the source clip"),
        column("status", "string", "ok: chosen; skipped: not chosen"),
        column("reason", "string", "why not chosen, from core.errors.REASONS"),
        column("detail", "string", "details of the reason"),
        column("path", "string", "the source file"),
        column("sha256", "string", "hash of the source file"),
        column("label", "string", "class name"),
        column("split", "string", "train, val or test"),
        column("shard", "string", "shard in the stages that make clips"),
        column("detect_shard", "string", "shard of detect with its boxes"),
        column("boxes_hash", "string", "hash of its boxes"),
        column("category", "string", "occluder type"),
        column("occluder", "string", "name of the cut-out"),
        column("occluder_file", "string", "the cut-out, relative to the bank's folder"),
        column("occluder_sha256", "string", "hash of the cut-out"),
        column("other_occluders", _TEXTS, "further cut-outs of the type, pasted on the same clip"),
        column("other_files", _TEXTS, "their files, relative to the bank's folder"),
        column("other_sha256", _TEXTS, "their hashes"),
        column("frames", "int32", "frames of the source"),
        column("width", "int32", "displayed picture, pixels"),
        column("height", "int32", "displayed picture, pixels"),
        column("fps", "float64", "average frame rate, frames per second"),
        column("duration_seconds", "float64", "duration of the picture, seconds"),
        column("pts_hash", "string", "hash of all pts of the source"),
        column("reading", "string", "hash of how frames and times are read; null: plainly"),
        column(
            "published_occlusion_seconds",
            "float64",
            "in the release's CSV file, seconds; else null",
        ),
        column(
            "published_duration_seconds", "float64", "in the release's CSV file, seconds; else null"
        ),
    ]
)
