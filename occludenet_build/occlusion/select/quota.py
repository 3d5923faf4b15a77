"""Assignment `quota`: occluders by hash within the clip's split, clips by quota of class and type.

Also has the columns that both assignments share: a clip's row, its actor, its occluders.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from occludenet_build.config import Config
from occludenet_build.config.occlusion import Quota, Select
from occludenet_build.core import seeds
from occludenet_build.core.errors import UserError

Row = dict[str, Any]

FROM_INDEX = (
    "path", "sha256", "label", "split", "frames", "width", "height", "fps", "duration_seconds",
    "pts_hash", "reading",
)  # fmt: skip
"""Columns of the index that a row of select copies."""


def skipped_row(video: Row, reason: str | None = None, detail: str | None = None) -> Row:
    """The row of a video that is not chosen; `chosen_columns` replaces its status."""
    row = {"clip": video["clip"], "status": "skipped", "reason": reason, "detail": detail}
    row |= {name: video.get(name) for name in FROM_INDEX}
    return row | occluder_columns([])


def actor_problem(video: Row, detected: Row, settings: Select) -> Row | None:
    """Reason and detail why a clip has no usable actor; None if it has one.

    `detected`: the clip's row of detect.
    """
    if detected["status"] != "ok":
        return {"reason": detected["reason"], "detail": detected["detail"]}
    needed = max(settings.min_actor_frames, settings.min_actor_share * video["frames"])
    if detected["actor_frames"] < needed:
        detail = f"{detected['actor_frames']} of {video['frames']} frames, wanted {needed:g}"
        return {"reason": "too_few_actor_frames", "detail": detail}
    return None


def chosen_columns(clip: str, detected: Row, settings: Select) -> Row:
    """The columns of a chosen clip, without its occluders. `detected`: its row of detect."""
    return {
        "status": "ok",
        "shard": seeds.shard_of(clip, settings.shards),
        "detect_shard": detected["shard"],
        "boxes_hash": detected["boxes_hash"],
    }


def occluder_columns(cutouts: list[Row]) -> Row:
    """The columns of a clip's cut-outs (rows of the bank): the first, and the others as lists."""
    first = cutouts[0] if cutouts else dict.fromkeys(("occluder", "file", "sha256"))
    return {
        "occluder": first["occluder"],
        "occluder_file": first["file"],
        "occluder_sha256": first["sha256"],
        "other_occluders": [row["occluder"] for row in cutouts[1:]],
        "other_files": [row["file"] for row in cutouts[1:]],
        "other_sha256": [row["sha256"] for row in cutouts[1:]],
    }


Bank = dict[str, dict[str, dict[str, Row]]]
"""Split -> category -> occluder name -> row of the bank."""


def rows_by_quota(
    videos: list[Row], detected: dict[str, Row], cutouts: list[Row], config: Config
) -> list[Row]:
    """A row per candidate that detect has processed.

    `videos`: rows of the index; `detected`: row of detect by clip; `cutouts`: rows of the bank.
    """
    bank = _bank(cutouts)
    indexed = {r["clip"]: r for r in videos if r["candidate"] and r["clip"] in detected}
    rows = [
        _candidate(indexed[c], row, bank, config) for c, row in detected.items() if c in indexed
    ]
    _apply_quotas(rows, indexed, bank, config)
    return rows


def _bank(cutouts: list[Row]) -> Bank:
    bank: Bank = {split: defaultdict(dict) for split in ("train", "val", "test")}
    for row in cutouts:
        bank[row["split"]][row["category"]][row["occluder"]] = row
    return bank


def _candidate(video: Row, detected: Row, bank: Bank, config: Config) -> Row:
    """The row of one candidate before quotas are applied."""
    clip, row = video["clip"], skipped_row(video)
    if problem := actor_problem(video, detected, config.select):
        return row | problem
    types = bank[video["split"]]
    if not types:
        return row | {"reason": "no_occluder", "detail": f"split {video['split']}"}
    count = config.select.occluders_per_clip
    category, chosen = draw_occluders(types, config.seed, clip, count)
    return (
        row
        | chosen_columns(clip, detected, config.select)
        | {"category": category}
        | occluder_columns(chosen)
    )


def draw_occluders(
    types: Mapping[str, Mapping[str, Row]], seed: int, clip: str, count: int
) -> tuple[str, list[Row]]:
    """Draw a type for a clip and cut-outs of it, all different: `count`, or all there are.

    `types`: category -> occluder name -> row of the bank; not empty.
    """
    category = seeds.choose(types, seed, clip, "category")
    left, chosen = dict(types[category]), []
    for number in range(1, min(count, len(left)) + 1):
        purpose = "occluder" if number == 1 else f"occluder {number}"
        chosen.append(left.pop(seeds.choose(left, seed, clip, purpose)))
    return category, chosen


def _apply_quotas(rows: list[Row], indexed: dict[str, Row], bank: Bank, config: Config) -> None:
    """Skip all but the first clips of each class and type, in the order of the draw."""
    cells: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["status"] == "ok":
            cells[row["split"], row["label"], row["category"]].append(row)
    for (split, _, category), members in cells.items():
        limit = _cell_quota(split, category, bank, config.select.quota)
        members.sort(key=lambda r: indexed[r["clip"]]["rank"])
        for row in members[limit:] if limit is not None else ():
            row |= {"status": "skipped", "reason": "quota", "detail": f"{limit} of {category}"}


def _cell_quota(split: str, category: str, bank: Bank, quotas: Quota) -> int | None:
    """The class's quota divided by the number of types; the first types get the remainder."""
    quota, types = getattr(quotas, split), sorted(bank[split])
    if quota is None:
        return None
    return quota // len(types) + (types.index(category) < quota % len(types))


def log_quotas(rows: list[Row], quotas: Quota) -> None:
    """Log the numbers of each split.

    Raises UserError where no clip is chosen.
    """
    chosen = Counter((r["split"], r["label"]) for r in rows if r["status"] == "ok")
    if not chosen:
        why = Counter(r["reason"] for r in rows)
        raise UserError(
            "select: wanted at least one clip with an actor and an occluder for its split, got "
            f"none of {len(rows)}: {dict(why)}; see the reports of index, detect and occluders"
        )
    for split in ("train", "val", "test"):
        classes = {r["label"] for r in rows if r["split"] == split}
        quota = getattr(quotas, split)
        short = [c for c in classes if quota is not None and chosen[split, c] < quota]
        total = sum(n for (s, _), n in chosen.items() if s == split)
        message = "%s: %d clips of %d classes, %d classes below the quota of %s"
        logging.info(message, split, total, len(classes), len(short), quota)
