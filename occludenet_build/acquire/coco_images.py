"""The images of COCO that a bank needs, fetched one by one: a row for each, COCO_IMAGES below.

    <folder>/images/<file name>            the images, which several builds may share
    <out folder>/coco_images.parquet       the table
    <out folder>/store/coco_images/        the ledger, by which a later run knows what is done

An image is there if it decodes to its end and has the size that COCO states. What is there without
a row in the ledger is looked at and taken; what the ledger knows is held to its hash, and no
request is made for it. What failed is tried again in the next run, but for what the server does
not have (not_found, gone): that is asked for again only if its address changes, or if so much of
it is gone that the server itself was to blame.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from occludenet_build.acquire.coco_places import KEY, Place, places
from occludenet_build.coco.picture import check_stated, opened
from occludenet_build.coco.wanted import WantedImage
from occludenet_build.config import Downloads
from occludenet_build.core import ledger, tables
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.files import sha256_file, short_hash
from occludenet_build.core.tables import column
from occludenet_build.transfer.download import Download, Outcome, shown
from occludenet_build.transfer.parallel import download_all

COCO_IMAGES = pa.schema(
    [
        column("image", "int64", "id of the image in COCO"),
        column("file_name", "string", "as COCO states it, below the folder of images"),
        column("address", "string", "where it is fetched from"),
        column("categories", pa.list_(pa.string()), "wanted categories it holds, sorted"),
        column("licence", "string", "licence of the image as COCO states it"),
        column("licence_url", "string", "address of the licence"),
        column("flickr_url", "string", "the image at Flickr as COCO states it"),
        column("status", "string", "ok or failed"),
        column("reason", "string", "why not ok, from core.errors.REASONS; null if ok"),
        column("detail", "string", "what exactly happened; null if ok"),
        column("bytes", "int64", "size of the file; null if failed"),
        column("sha256", "string", "of the file; null if failed"),
    ]
)

_LEDGER = pa.schema(
    [
        *ledger.STATUS,
        column("bytes", "int64", "size of the file; null if failed"),
        column("sha256", "string", "of the file; null if failed"),
    ]
)
_FOUND = ("status", "reason", "detail", "bytes", "sha256")

_GONE = ("not_found", "gone")
"""Reasons that the next run takes the server's word for."""
_LISTED = 10
"""Images that are named, a line each, where many are missing or have changed."""

Row = dict[str, Any]


def acquire_images(
    wanted: Sequence[WantedImage],
    source: str | None,
    download: Downloads,
    images: Path,
    table: Path,
) -> str:
    """Fetch into the folder `images` what is missing, write the table; a hash over what is there.

    `source` is the address that file names are added to; None: each image's own coco_url.
    """
    images.mkdir(parents=True, exist_ok=True)
    store = table.parent / "store" / "coco_images"
    todo = places(wanted, source, images)
    with ledger.hold(store, _LEDGER) as book:
        _work_through(book, [place for place in todo if place.target], download, len(todo))
        done = book.close([place.clip for place in todo if place.target])
        found = {row["clip"]: row for row in done.to_pylist()}
        rows = [_row(place, found.get(place.clip)) for place in todo]
        tables.write_if_changed(tables.from_rows(rows, COCO_IMAGES), table)
    _sum_up(rows, download, table)
    return short_hash(*(f"{r['file_name']} {r['sha256']}" for r in rows if r["status"] == "ok"))


def _work_through(
    book: ledger.Ledger, todo: Sequence[Place], download: Downloads, total: int
) -> None:
    due, gone = _due(book, todo)
    before = total - len(todo) + len(gone)
    if len(gone) > download.failure_budget * total:
        due, before = due + gone, total - len(todo)
    logging.info("%d images wanted, %d to look for", total, len(due))
    for place in due:
        _clear(place)
    at_hand = [place for place in due if place.there or not download.offline]
    lacking = {place.clip for place in due}
    for result in _results(at_hand, download, total, before, book.store):
        if result.row["reason"] != "offline":
            book.commit(result)
            lacking.discard(result.row["clip"])
    _refuse_missing(book, [place for place in due if place.clip in lacking], total)


def _due(book: ledger.Ledger, todo: Sequence[Place]) -> tuple[list[Place], list[Place]]:
    """(what has to be looked for, what the server does not have). Stops at what has changed."""
    due, gone, changed = [], [], []
    for place in todo:
        row = book.finished(place.clip, place.key)
        if row is None:
            due.append(place)
        elif row["status"] == "ok" and place.there:
            if sha256_file(place.path) != row["sha256"]:
                changed.append(place)
        elif row["reason"] in _GONE and not place.there:
            gone.append(place)
        else:
            due.append(place.known_as(row["sha256"]))
    if changed:
        _name(changed, "has changed")
        raise UserError(
            f"{KEY}: wanted the images as they were fetched, {len(changed)} of {len(todo)} have "
            f"changed, the first {changed[0].path}; remove those to fetch them again"
        )
    return due, gone


def _clear(place: Place) -> None:
    """Remove what has the name but not the stated size: it would be taken for the image."""
    if place.there:
        try:
            _check(place)
        except ItemError as error:
            logging.warning("%s: removed, %s", place.path, error)
            place.path.unlink()


def _check(place: Place) -> None:
    with opened(place.path) as image:
        check_stated(image, (place.image.width, place.image.height))


def _results(
    due: Sequence[Place], download: Downloads, total: int, failed_before: int, store: Path
) -> Iterator[ledger.Result]:
    by_target = {place.path: place for place in due}
    todo = [Download(place.address, place.path, place.sha256, check="image") for place in due]
    for outcome in download_all(todo, download, total=total, failed_before=failed_before):
        place = by_target[outcome.download.target]
        if outcome.reason == "wrong_hash":
            raise UserError(
                f"{KEY}: {shown(place.address)}: the server has another image than the one that "
                f"was fetched: {outcome.detail}; if the new one is right, remove {store}"
            )
        yield ledger.Result(_finished(place, outcome))


def _finished(place: Place, outcome: Outcome) -> Row:
    row = {"clip": place.clip, "key": place.key, "seconds": outcome.seconds}
    row |= {"status": outcome.status, "reason": outcome.reason, "detail": outcome.detail}
    if outcome.status != "ok":
        return row | {"bytes": None, "sha256": None}
    try:
        _check(place)
    except ItemError as error:
        logging.warning("%s: %s", shown(place.address), error)
        place.path.unlink()
        failed = {"status": "failed", "reason": error.reason, "detail": error.detail}
        return row | failed | {"bytes": None, "sha256": None}
    return row | {"bytes": outcome.bytes, "sha256": outcome.sha256}


def _refuse_missing(book: ledger.Ledger, lacking: Sequence[Place], total: int) -> None:
    """Stop, offline, for what no run has tried to fetch: a build that went on without an image
    goes on without it now, too."""
    tried = {(row["clip"], row["key"]) for row in book.kept_rows() if row["status"] == "failed"}
    missing = [place for place in lacking if (place.clip, place.key) not in tried]
    if not missing:
        return
    _name(missing, "is not there")
    raise UserError(
        f"{KEY}: {len(missing)} of {total} images are not there, and downloads are switched off; "
        "fetch them where there is a network (snakemake acquire), or set a folder"
    )


def _name(places_: Sequence[Place], what: str) -> None:
    for place in places_[:_LISTED]:
        logging.warning("%s %s (%s)", place.path, what, shown(place.address))
    if len(places_) > _LISTED:
        logging.warning("and %d more", len(places_) - _LISTED)


def _row(place: Place, found: Row | None) -> Row:
    image = place.image
    row: Row = {
        "image": image.image,
        "file_name": image.file_name,
        "address": shown(place.address),
        "categories": sorted(image.instances),
        "licence": image.licence,
        "licence_url": image.licence_url,
        "flickr_url": image.flickr_url,
    }
    if place.refused is not None:
        reason, detail = place.refused.reason, place.refused.detail
        return row | {"status": "failed", "reason": reason, "detail": detail or None}
    assert found is not None, "the ledger has what is not refused"
    return row | {name: found[name] for name in _FOUND}


def _sum_up(rows: Sequence[Row], download: Downloads, table: Path) -> None:
    """Say what came of it. Stop if too much is missing, whichever run found that out."""
    failed = [row for row in rows if row["status"] != "ok"]
    reasons = Counter(row["reason"] for row in failed)
    counts = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common())
    logging.info("%d of %d images are there%s", len(rows) - len(failed), len(rows),
                 f"; missing: {counts}" if counts else "")  # fmt: skip
    if len(failed) > download.failure_budget * len(rows):
        raise UserError(
            f"{KEY}: {len(failed)} of {len(rows)} images failed, more than "
            f"download.failure_budget ({download.failure_budget:.1%}): {counts}; {table} names "
            "them. Correct the address or raise the budget, and start again"
        )
