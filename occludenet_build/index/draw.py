"""Which videos are searched for people: the first of each class and split, or a release's."""

from __future__ import annotations

import logging
import math
from typing import Any

from occludenet_build.config import Config
from occludenet_build.core import seeds
from occludenet_build.release.published import match, read


def draw(rows: list[dict[str, Any]], config: Config) -> None:
    """Set shard, rank and candidate; the order is a hash, so no video moves another's shard."""
    cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row["status"] == "ok":
            row["shard"] = seeds.shard_of(row["clip"], config.index.shards)
            cells.setdefault((row["split"], row["label"]), []).append(row)
    for (split, _), members in cells.items():
        quota = getattr(config.select.quota, split)
        limit = math.inf if quota is None else math.ceil(config.index.oversample * quota)
        members.sort(key=lambda r: seeds.draw(config.seed, r["clip"]))
        for rank, row in enumerate(members):
            row |= {"rank": rank, "candidate": rank < limit}


def take_published(rows: list[dict[str, Any]], release: str | None) -> None:
    """The candidates are the usable videos that a release names, whatever the quota."""
    choice = match(read(release), rows)
    there = {video["clip"] for _, video in choice if video is not None}
    for row in rows:
        if row["status"] == "ok":
            row["candidate"] = row["clip"] in there
    logging.info("%d published source clips, %d among the videos", len(choice), len(there))
