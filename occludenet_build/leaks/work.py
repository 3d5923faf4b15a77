"""The hashes of one clip."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pyarrow as pa

from occludenet_build.core.ledger import Result, attempt
from occludenet_build.core.video.glance import glances
from occludenet_build.leaks import HASHES
from occludenet_build.leaks.hashes import SIDE, picture_hashes
from occludenet_build.leaks.lists import youtube_of

Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """What a worker needs to hash one clip."""

    clip: Row
    key: str
    per_second: float


def hash_clip(job: Job) -> Result:
    """The hashes of one clip; what cannot be read becomes a failed row."""
    name = job.clip["clip"]
    known = youtube_of(name)
    row: Row = {"clip": name, "key": job.key}
    row |= {"split": job.clip["split"], "label": job.clip["label"]}
    row |= {"youtube_id": known[0] if known else None}
    return attempt(row, lambda: _hashes(job))


def _hashes(job: Job) -> tuple[Row, pa.Table]:
    per_second = Fraction(job.per_second).limit_denominator(1000)
    found = {k: picture_hashes(p) for k, p in glances(job.clip["path"], per_second, SIDE)}
    hashes = {k: value for k, value in found.items() if value is not None}
    facts = {"pictures": len(hashes), "plain_pictures": len(found) - len(hashes)}
    return facts, _detail(job.clip["clip"], hashes)


def _detail(clip: str, hashes: dict[int, tuple[int, int]]) -> pa.Table:
    whole, inner = zip(*hashes.values(), strict=True) if hashes else ((), ())
    return pa.table(
        {
            "clip": pa.array([clip] * len(hashes), pa.string()),
            "slot": pa.array(list(hashes), pa.int32()),
            "hash": pa.array(whole, pa.uint64()),
            "inner_hash": pa.array(inner, pa.uint64()),
        },
        schema=HASHES,
    )
