"""Our own draw: occluders by hash within the clip's split, clips by quota of class and type."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict

from occludenet_build.config import Config, Quota
from occludenet_build.core import seeds
from occludenet_build.core.errors import UserError
from occludenet_build.select.rows import Row, actor_problem, occluders, place, skipped

Bank = dict[str, dict[str, dict[str, Row]]]
"""split -> category -> occluder name -> its row."""


def rows_of(
    videos: list[Row], found: dict[str, Row], cutouts: list[Row], config: Config
) -> list[Row]:
    """A row per candidate that was searched for people.

    `videos` are rows of the index, `found` detect's row of each clip, `cutouts` the bank's rows.
    """
    bank = _bank(cutouts)
    indexed = {r["clip"]: r for r in videos if r["candidate"] and r["clip"] in found}
    rows = [_candidate(indexed[c], row, bank, config) for c, row in found.items() if c in indexed]
    _apply_quotas(rows, indexed, bank, config)
    return rows


def _bank(cutouts: list[Row]) -> Bank:
    bank: Bank = {split: defaultdict(dict) for split in ("train", "val", "test")}
    for row in cutouts:
        bank[row["split"]][row["category"]][row["occluder"]] = row
    return bank


def _candidate(video: Row, found: Row, bank: Bank, config: Config) -> Row:
    """The row of one candidate, as if there were no quota."""
    clip, row = video["clip"], skipped(video)
    if problem := actor_problem(video, found, config.select):
        return row | problem
    types = bank[video["split"]]
    if not types:
        return row | {"reason": "no_occluder", "detail": f"split {video['split']}"}
    category = seeds.choose(types, config.seed, clip, "category")
    chosen = _choose(types[category], clip, config)
    return row | place(clip, found, config.select) | {"category": category} | occluders(chosen)


def _choose(cutouts: dict[str, Row], clip: str, config: Config) -> list[Row]:
    """As many different cut-outs as a clip gets, or all there are: a draw of its own for each."""
    left, chosen = dict(cutouts), []
    for number in range(1, min(config.select.occluders_per_clip, len(cutouts)) + 1):
        purpose = "occluder" if number == 1 else f"occluder {number}"
        chosen.append(left.pop(seeds.choose(left, config.seed, clip, purpose)))
    return chosen


def _apply_quotas(rows: list[Row], indexed: dict[str, Row], bank: Bank, config: Config) -> None:
    """Keep the first clips of each class and type, in the order of the draw."""
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
    """The class's quota divided by its types; the first types take what is left over."""
    quota, types = getattr(quotas, split), sorted(bank[split])
    if quota is None:
        return None
    return quota // len(types) + (types.index(category) < quota % len(types))


def report(rows: list[Row], quotas: Quota) -> None:
    """Log what each split got; stop where nothing could be chosen."""
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
        said = "%s: %d clips of %d classes, %d classes below the quota of %s"
        logging.info(said, split, total, len(classes), len(short), quota)
