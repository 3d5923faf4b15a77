"""Assignment `published`: replays a release's choice on the user's videos and occluder bank.

A cut-out is matched by its name, else by the COCO photo, pixels and type in the name: the percent
at the end of the name depends on the crop.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict

from occludenet_build.config import Config
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import short_hash
from occludenet_build.occlusion.select.quota import (
    Row,
    actor_problem,
    chosen_columns,
    occluder_columns,
    skipped_row,
)
from occludenet_build.release.published import PublishedClip, match_videos, read_published
from occludenet_build.release.terms import SPLITS, cutout_object


def rows_as_published(
    videos: list[Row], detected: dict[str, Row], cutouts: list[Row], config: Config
) -> list[Row]:
    """A row per published source clip, and one per usable video that is not published.

    `videos`: rows of the index; `detected`: row of detect by clip; `cutouts`: rows of the bank.
    """
    choice = match_videos(read_published(config.select.published), videos)
    bank = _bank(choice, cutouts)
    _log_differences(choice, bank)
    rows: dict[str, Row] = {}
    for one, video in choice:
        if video is None:
            row = _without_source(one, one.source in rows)
        else:
            row = _replayed(one, video, detected, bank, config)
        rows[row["clip"]] = row
    unpublished = [row for row in videos if row["status"] == "ok" and row["clip"] not in rows]
    return [*rows.values(), *(skipped_row(row, "not_published") for row in unpublished)]


def _bank(choice: list[tuple[PublishedClip, Row | None]], cutouts: list[Row]) -> dict[str, Row]:
    """Occluder name, in the bank or in the release -> row of the bank."""
    by_name = {row["occluder"]: row for row in cutouts}
    by_object: dict[tuple[str, int, int], list[Row]] = defaultdict(list)
    for row in cutouts:
        by_object[row["category"], row["coco_image"], row["pixels"]].append(row)
    for one, _ in choice:
        same = by_object.get((one.category, *(cutout_object(one.occluder) or (-1, -1))), [])
        if one.occluder not in by_name and len(same) == 1:
            by_name[one.occluder] = same[0]
    return by_name


def _replayed(
    one: PublishedClip, video: Row, detected: dict[str, Row], bank: dict[str, Row], config: Config
) -> Row:
    """The row of a published source clip that is among the videos."""
    clip, row = video["clip"], skipped_row(video) | _as_published(one)
    if video["status"] != "ok":
        return row | {"reason": video["reason"], "detail": video["detail"]}
    if clip not in detected:
        raise UserError(
            f"select: {clip}: wanted a row of detect for a published clip, got none; run index "
            "and detect with the same select.published"
        )
    if problem := actor_problem(video, detected[clip], config.select):
        return row | problem
    if one.occluder not in bank:
        return row | {"reason": "missing_occluder", "detail": one.occluder}
    return (
        row
        | chosen_columns(clip, detected[clip], config.select)
        | occluder_columns([bank[one.occluder]])
    )


def _as_published(one: PublishedClip) -> Row:
    return {
        "label": one.label,
        "split": one.split,
        "category": one.category,
        "occluder": one.occluder,
        "published_occlusion_seconds": one.occlusion_seconds,
        "published_duration_seconds": one.duration_seconds,
    }


def _without_source(one: PublishedClip, taken: bool) -> Row:
    """The row of a published clip without a video; `taken`: another published clip has its name."""
    clip, detail = one.source, f"no video {one.source} of class {one.label}"
    if taken:
        clip += f"-{short_hash(one.split, one.label)[:6]}"
        detail += " is left: the release names it twice"
    row = {"clip": clip, "status": "skipped", "reason": "missing_source", "detail": detail}
    return row | occluder_columns([]) | _as_published(one)


def _log_differences(choice: list[tuple[PublishedClip, Row | None]], bank: dict[str, Row]) -> None:
    """Log where class or split differ from those of the videos; the published ones are used."""
    renamed = sum(name != row["occluder"] for name, row in bank.items())
    if renamed:
        logging.info("%d published occluders are in the bank with another percent", renamed)
    for name, called in (("label", "class"), ("split", "split")):
        other = sum(v is not None and v[name] != getattr(one, name) for one, v in choice)
        if other:
            message = (
                "%d published clips have another %s among the videos; the published one counts"
            )
            logging.info(message, other, called)


def log_published(rows: list[Row]) -> None:
    """Log the numbers of each split.

    Raises UserError where no published clip is usable.
    """
    published = [row for row in rows if row["reason"] != "not_published"]
    logging.info("%d usable videos are not published", len(rows) - len(published))
    for split in SPLITS:
        why = Counter(row["reason"] for row in published if row["split"] == split)
        named = (why[None], why["missing_source"], why["missing_occluder"])
        message = "%s: %d published, %d found, %d missing sources, %d missing occluders, %d others"
        if why:
            logging.info(message, split, why.total(), *named, why.total() - sum(named))
    if all(row["status"] != "ok" for row in published):
        raise UserError(
            "select: wanted at least one published clip with an actor and its occluder, got none "
            f"of {len(published)}: {_reasons(published)}; see acquire.videos and the occluder bank"
        )


def _reasons(rows: list[Row]) -> str:
    """The number of clips for each reason, with the first one."""
    first = {row["reason"]: row["detail"] or row["clip"] for row in reversed(rows)}
    counts = Counter(row["reason"] for row in rows).most_common()
    return ", ".join(f"{number} {why} (such as {first[why]})" for why, number in counts)
