"""The replay of a release's choice on a user's videos and bank, and what of it is missing.

A cut-out is the release's by its name. Else by its COCO photo, pixels and type, which the name
also says: the percent at its end hangs on how the cut-out was cropped.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict

from occludenet_build.config import Config
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import short_hash
from occludenet_build.release.names import cutout_object
from occludenet_build.release.published import Published, match, read
from occludenet_build.release.terms import SPLITS
from occludenet_build.select.rows import Row, actor_problem, occluders, place, skipped


def rows_of(
    videos: list[Row], found: dict[str, Row], cutouts: list[Row], config: Config
) -> list[Row]:
    """A row per published source clip, and one per usable video that is not published.

    `videos` are rows of the index, `found` detect's row of each clip, `cutouts` the bank's rows.
    """
    choice = match(read(config.select.published), videos)
    bank = _bank(choice, cutouts)
    _log_differences(choice, bank)
    rows: dict[str, Row] = {}
    for one, video in choice:
        if video is None:
            row = _without_source(one, one.source in rows)
        else:
            row = _replayed(one, video, found, bank, config)
        rows[row["clip"]] = row
    ours = [row for row in videos if row["status"] == "ok" and row["clip"] not in rows]
    return [*rows.values(), *(skipped(row, "not_published") for row in ours)]


def _bank(choice: list[tuple[Published, Row | None]], cutouts: list[Row]) -> dict[str, Row]:
    """Occluder name, the bank's own or a published one that is in it -> the bank's row."""
    found = {row["occluder"]: row for row in cutouts}
    by_object: dict[tuple[str, int, int], list[Row]] = defaultdict(list)
    for row in cutouts:
        by_object[row["category"], row["coco_image"], row["pixels"]].append(row)
    for one, _ in choice:
        same = by_object.get((one.category, *(cutout_object(one.occluder) or (-1, -1))), [])
        if one.occluder not in found and len(same) == 1:
            found[one.occluder] = same[0]
    return found


def _replayed(
    one: Published, video: Row, found: dict[str, Row], bank: dict[str, Row], config: Config
) -> Row:
    """The row of a published source clip that is one of the videos."""
    clip, row = video["clip"], skipped(video) | _as_published(one)
    if video["status"] != "ok":
        return row | {"reason": video["reason"], "detail": video["detail"]}
    if clip not in found:
        raise UserError(
            f"select: {clip}: wanted a row of detect for a published clip, got none; run index "
            "and detect with the same select.published"
        )
    if problem := actor_problem(video, found[clip], config.select):
        return row | problem
    if one.occluder not in bank:
        return row | {"reason": "missing_occluder", "detail": one.occluder}
    return row | place(clip, found[clip], config.select) | occluders([bank[one.occluder]])


def _as_published(one: Published) -> Row:
    return {
        "label": one.label,
        "split": one.split,
        "category": one.category,
        "occluder": one.occluder,
        "published_occlusion_seconds": one.occlusion_seconds,
        "published_duration_seconds": one.duration_seconds,
    }


def _without_source(one: Published, taken: bool) -> Row:
    """The row of a clip that no video is; `taken`: its name is another published clip's already."""
    clip, detail = one.source, f"no video {one.source} of class {one.label}"
    if taken:
        clip += f"-{short_hash(one.split, one.label)[:6]}"
        detail += " is left: the release names it twice"
    row = {"clip": clip, "status": "skipped", "reason": "missing_source", "detail": detail}
    return row | occluders([]) | _as_published(one)


def _log_differences(choice: list[tuple[Published, Row | None]], bank: dict[str, Row]) -> None:
    """Say where class or split are not those of the user's folders: the published ones count."""
    renamed = sum(name != row["occluder"] for name, row in bank.items())
    if renamed:
        logging.info("%d published occluders are in the bank with another percent", renamed)
    for name, called in (("label", "class"), ("split", "split")):
        other = sum(v is not None and v[name] != getattr(one, name) for one, v in choice)
        if other:
            said = "%d published clips have another %s among the videos; the published one counts"
            logging.info(said, other, called)


def report(rows: list[Row]) -> None:
    """Log what is there of each split; stop where nothing is."""
    published = [row for row in rows if row["reason"] != "not_published"]
    logging.info("%d usable videos are not published", len(rows) - len(published))
    for split in SPLITS:
        why = Counter(row["reason"] for row in published if row["split"] == split)
        named = (why[None], why["missing_source"], why["missing_occluder"])
        said = "%s: %d published, %d found, %d missing sources, %d missing occluders, %d others"
        if why:
            logging.info(said, split, why.total(), *named, why.total() - sum(named))
    if all(row["status"] != "ok" for row in published):
        raise UserError(
            "select: wanted at least one published clip with an actor and its occluder, got none "
            f"of {len(published)}: {_reasons(published)}; see acquire.videos and the occluder bank"
        )


def _reasons(rows: list[Row]) -> str:
    """How often each reason came, with the first case of it."""
    first = {row["reason"]: row["detail"] or row["clip"] for row in reversed(rows)}
    counts = Counter(row["reason"] for row in rows).most_common()
    return ", ".join(f"{number} {why} (such as {first[why]})" for why, number in counts)
