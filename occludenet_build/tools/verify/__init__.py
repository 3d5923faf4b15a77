"""verify: is a build what its tables say, and do two builds agree?

Reads the manifests composite/*.parquet and counterfactual/*.parquet of BUILD (and of OTHER), and
the files they name. Writes FINDINGS below to --out, and a summary by verdict to the log.

BUILD alone: every file is there, has the hash of its row and, in a sample drawn by hash, decodes
to as many frames as its row says; every .mp4 below the dataset folders is named by a row.

BUILD and OTHER: outputs are joined on clip, kind and scale and compared by what can be compared:
recorded hashes; where those differ, who encoded and the ground truth; where both files are there,
times and decoded pictures. OTHER may be manifests alone. Sound is not compared.

Ends with 1 if any verdict is one of WRONG, else with 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from occludenet_build.core.tables import column

FINDINGS = pa.schema(
    [
        column("check", "string", "build: BUILD and its own tables; other: BUILD against OTHER"),
        column("room", "string", "whose manifest: composite or counterfactual; null: stray file"),
        column("clip", "string", "id of the source clip; null: stray file"),
        column("kind", "string", "occluded, clean or counterfactual; null: the row as a whole"),
        column("scale", "float64", "nominal scale; null: no occluder, or the row as a whole"),
        column("file", "string", "relative to its build; null: the row as a whole"),
        column("verdict", "string", "one of verify.VERDICTS"),
        column("detail", "string", "what exactly was found"),
        column("psnr_db", "float64", "least PSNR of any frame (RGB), dB; null: not decoded twice"),
    ]
)

VERDICTS = {
    # BUILD alone
    "ok": "the file has the hash of its row and, if it was drawn, decodes",
    "missing": "the file is not there",
    "changed": "the file has another hash than its row",
    "broken": "the file does not read, does not decode, or has another number of frames",
    "stray": "a file that no row names",
    # BUILD and OTHER
    "same_bytes": "the recorded hashes are equal",
    "same_pixels": "other bytes; pictures and times are the same",
    "close": "other bytes, encoded elsewhere; times are the same, pictures nearly",
    "same_truth": "other bytes, encoded elsewhere; ground truth is the same, no file to compare",
    "not_compared": "other bytes, encoded elsewhere; nothing recorded and no file to compare",
    "other_truth": "the ground truth differs",
    "differs": "times or pictures differ, or bytes that should be the same are not",
    "other_status": "the clip has another status or reason",
    "only_here": "in BUILD alone",
    "only_there": "in OTHER alone",
}
"""Verdict -> what it means."""

WRONG = {"missing", "changed", "broken", "other_truth", "differs"}
"""Verdicts after which the program ends with 1."""


@dataclass(frozen=True)
class Finding:
    """A row of FINDINGS."""

    check: str
    verdict: str
    detail: str | None = None
    room: str | None = None
    clip: str | None = None
    kind: str | None = None
    scale: float | None = None
    file: str | None = None
    psnr_db: float | None = None
