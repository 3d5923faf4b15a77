"""verify: check a build against its tables, and compare two builds.

Reads the tables of BUILD, of them the manifests composite/*.parquet and counterfactual/*.parquet
(also of OTHER), and the files that these name. Writes the table FINDINGS to --out, and a summary
by verdict to the log.

BUILD alone: each file exists, has the hash in its row and, in a sample drawn by hash, decodes to
the number of frames in its row; each .mp4 below the dataset folders is named by a row; each source
that is within reach is the one that was indexed; and each table, note, store and model reads to its
end. With --remake, the next start of the workflow makes again what does not hold.

BUILD and OTHER: outputs are joined on clip, kind and scale. Their recorded hashes are compared; if
these differ, the encoders and the ground truth; and if both files exist, their times and decoded
frames. OTHER may consist of manifests only. Sound is not compared.

The exit status is 1 if any verdict is in WRONG, else 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from occludenet_build.core.tables import column

FINDINGS = pa.schema(
    [
        column("check", "string", "build: BUILD against its tables; other: BUILD against OTHER"),
        column("stage", "string", "manifest: composite or counterfactual; null: stray file"),
        column("clip", "string", "id of the source clip; null: stray file"),
        column("kind", "string", "occluded, clean or counterfactual; null: the whole row"),
        column("scale", "float64", "nominal scale; null: no occluder, or the whole row"),
        column("file", "string", "path relative to its build; null: the whole row"),
        column("verdict", "string", "a key of verify.VERDICTS"),
        column("detail", "string", "details of the verdict"),
        column("psnr_db", "float64", "minimum PSNR of the frames (RGB), dB; null: not decoded"),
    ]
)

VERDICTS = {
    # BUILD alone
    "ok": "the file has the hash in its row and, if in the sample, decodes",
    "missing": "the file does not exist",
    "changed": "the hash of the file differs from its row",
    "broken": "the file or table cannot be read or decoded, or has another number of frames",
    "stray": "no row names the file",
    "source_changed": "the source is another file than the one that was indexed",
    "source_away": "the source is not within reach",
    # BUILD and OTHER
    "same_bytes": "the recorded hashes are equal",
    "same_pixels": "different bytes; frames and times are equal",
    "close": "different bytes, other encoder; times are equal, frames similar",
    "same_truth": "different bytes, other encoder; equal ground truth, no files to compare",
    "not_compared": "different bytes, other encoder; no ground truth or files to compare",
    "other_truth": "the ground truth differs",
    "differs": "times or frames differ, or bytes differ that should be equal",
    "other_status": "the status or reason of the clip differs",
    "only_here": "in BUILD only",
    "only_there": "in OTHER only",
}
"""Verdict -> its meaning."""

WRONG = {"missing", "changed", "broken", "source_changed", "other_truth", "differs"}
"""Verdicts that give the exit status 1."""


@dataclass(frozen=True)
class Finding:
    """A row of FINDINGS."""

    check: str
    verdict: str
    detail: str | None = None
    stage: str | None = None
    clip: str | None = None
    kind: str | None = None
    scale: float | None = None
    file: str | None = None
    psnr_db: float | None = None
