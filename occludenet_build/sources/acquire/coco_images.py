"""Fetch the COCO images that a bank needs, one by one; the table COCO_IMAGES has a row for each.

    <folder>/images/<file name>            the images, which several builds may share
    <out folder>/coco_images.parquet       the table
    <out folder>/store/coco_images/        the ledger of finished images

A file is accepted if it decodes completely and has the size that COCO states. A file without a row
in the ledger is checked and kept; a file with a row must have the recorded hash, and is not
requested again. Failed images are tried again in the next run, except those that the server does
not have (not_found, gone): these are requested again only if their address changes, or if more
than download.failure_budget of the images are gone. File names in the instances file are not
trusted.
"""

from __future__ import annotations

import dataclasses
import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from occludenet_build.config.published_files import COCO_PHOTO_BYTES, COCO_PHOTO_LICENCE
from occludenet_build.config.sources import Downloads
from occludenet_build.core import ledger, names, tables
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.files import sha256_file, short_hash
from occludenet_build.core.tables import column
from occludenet_build.media.imaging.image_io import check_stated, open_image
from occludenet_build.sources.coco.selection import WantedImage
from occludenet_build.sources.transfer.download import Download, Outcome, redact
from occludenet_build.sources.transfer.parallel import download_all

KEY = "acquire.coco_images"

COCO_IMAGES = pa.schema(
    [
        column("image", "int64", "id of the image in COCO"),
        column(
            "file_name", "string", "file name as COCO states it, relative to the folder of images"
        ),
        column("address", "string", "http or https address of the image"),
        column("categories", pa.list_(pa.string()), "categories of the bank in the image, sorted"),
        column("licence", "string", "name of the licence, as COCO states it"),
        column("licence_url", "string", "address of the licence text"),
        column("flickr_url", "string", "address of the image at Flickr, as COCO states it"),
        column("status", "string", "ok or failed"),
        column("reason", "string", "reason of a failure, from core.errors.REASONS; null if ok"),
        column("detail", "string", "description of the failure; null if ok"),
        column("bytes", "int64", "size of the file, bytes; null if failed"),
        column("sha256", "string", "hash of the file; null if failed"),
    ]
)
"""Schema of coco_images.parquet."""

_LEDGER = pa.schema(
    [
        *ledger.STATUS,
        column("bytes", "int64", "size of the file, bytes; null if failed"),
        column("sha256", "string", "hash of the file; null if failed"),
    ]
)
_OUTCOME_COLUMNS = ("status", "reason", "detail", "bytes", "sha256")

_GONE = ("not_found", "gone")
"""Reasons that the next run does not try again."""
_LISTED = 10
"""Largest number of missing or changed images that the log names, one per line."""

Row = dict[str, Any]


def acquire_images(
    wanted: Sequence[WantedImage],
    source: str | None,
    download: Downloads,
    images: Path,
    table: Path,
) -> str:
    """Fetch missing images into the folder `images`, write the table, return a hash of the images.

    `source` is the address that file names are appended to; if None, each image's coco_url is used.

    Raises UserError where an image has changed, more than download.failure_budget of the images
    fail, or, offline, an image is missing that no run has tried to fetch.
    """
    images.mkdir(parents=True, exist_ok=True)
    store = table.parent / "store" / "coco_images"
    todo = image_files(wanted, source, images)
    with ledger.locked_ledger(store, _LEDGER) as open_ledger:
        _fetch_due(open_ledger, [file for file in todo if file.target], download, len(todo))
        done = open_ledger.close([file.clip for file in todo if file.target])
        found = {row["clip"]: row for row in done.to_pylist()}
        rows = [_row(file, found.get(file.clip)) for file in todo]
        tables.write_if_changed(tables.from_rows(rows, COCO_IMAGES), table)
    _log_summary(rows, download, table)
    return short_hash(*(f"{r['file_name']} {r['sha256']}" for r in rows if r["status"] == "ok"))


def _fetch_due(
    open_ledger: ledger.ShardLedger, todo: Sequence[ImageFile], download: Downloads, total: int
) -> None:
    due, gone = _due(open_ledger, todo)
    before = total - len(todo) + len(gone)
    if len(gone) > download.failure_budget * total:
        due, before = due + gone, total - len(todo)
    logging.info("%d images wanted, %d to look for", total, len(due))
    for file in due:
        _remove_mismatch(file)
    _announce([file for file in due if not file.exists], download)
    at_hand = [file for file in due if file.exists or not download.offline]
    lacking = {file.clip for file in due}
    for result in _results(at_hand, download, total, before, open_ledger.store):
        if result.row["reason"] != "offline":
            open_ledger.commit(result)
            lacking.discard(result.row["clip"])
    _refuse_missing(open_ledger, [file for file in due if file.clip in lacking], total)


def _announce(missing: Sequence[ImageFile], download: Downloads) -> None:
    if missing and not download.offline:
        logging.info(
            "%s: fetching %d photos of COCO, about %.0f MB, to %s; %s",
            KEY, len(missing), len(missing) * COCO_PHOTO_BYTES / 1e6, missing[0].path.parent,
            COCO_PHOTO_LICENCE,
        )  # fmt: skip


def _due(
    open_ledger: ledger.ShardLedger, todo: Sequence[ImageFile]
) -> tuple[list[ImageFile], list[ImageFile]]:
    """Return (images to look for, images that the server does not have).

    Raises UserError where a file has changed since it was fetched.
    """
    due, gone, changed = [], [], []
    for file in todo:
        row = open_ledger.finished(file.clip, file.key)
        if row is None:
            due.append(file)
        elif row["status"] == "ok" and file.exists:
            if sha256_file(file.path) != row["sha256"]:
                changed.append(file)
        elif row["reason"] in _GONE and not file.exists:
            gone.append(file)
        else:
            due.append(file.with_hash(row["sha256"]))
    if changed:
        _log_images(changed, "has changed")
        raise UserError(
            f"{KEY}: wanted the images as they were fetched, {len(changed)} of {len(todo)} have "
            f"changed, the first {changed[0].path}; remove those to fetch them again"
        )
    return due, gone


def _remove_mismatch(file: ImageFile) -> None:
    """Remove a file that does not have the stated size."""
    if file.exists:
        try:
            _check(file)
        except ItemError as error:
            logging.warning("%s: removed, %s", file.path, error)
            file.path.unlink()


def _check(file: ImageFile) -> None:
    with open_image(file.path) as image:
        check_stated(image, (file.image.width, file.image.height))


def _results(
    due: Sequence[ImageFile], download: Downloads, total: int, failed_before: int, store: Path
) -> Iterator[ledger.ClipResult]:
    by_target = {file.path: file for file in due}
    todo = [Download(file.address, file.path, file.sha256, check="image") for file in due]
    for outcome in download_all(todo, download, total=total, failed_before=failed_before):
        file = by_target[outcome.download.target]
        if outcome.reason == "wrong_hash":
            raise UserError(
                f"{KEY}: {redact(file.address)}: the server has another image than the one "
                f"that was fetched: {outcome.detail}; if the new one is correct, remove {store}"
            )
        yield ledger.ClipResult(_finished(file, outcome))


def _finished(file: ImageFile, outcome: Outcome) -> Row:
    row = {"clip": file.clip, "key": file.key, "seconds": outcome.seconds}
    row |= {"status": outcome.status, "reason": outcome.reason, "detail": outcome.detail}
    if outcome.status != "ok":
        return row | {"bytes": None, "sha256": None}
    try:
        _check(file)
    except ItemError as error:
        logging.warning("%s: %s", redact(file.address), error)
        file.path.unlink()
        failed = {"status": "failed", "reason": error.reason, "detail": error.detail}
        return row | failed | {"bytes": None, "sha256": None}
    return row | {"bytes": outcome.bytes, "sha256": outcome.sha256}


def _refuse_missing(
    open_ledger: ledger.ShardLedger, lacking: Sequence[ImageFile], total: int
) -> None:
    """Raise UserError, offline, for images that no run has tried to fetch.

    An image that failed in an earlier run stays missing without an error.
    """
    tried = {
        (row["clip"], row["key"]) for row in open_ledger.kept_rows() if row["status"] == "failed"
    }
    missing = [file for file in lacking if (file.clip, file.key) not in tried]
    if not missing:
        return
    _log_images(missing, "is not there")
    raise UserError(
        f"{KEY}: {len(missing)} of {total} images are not there, and downloads are switched off; "
        "fetch them where there is a network (snakemake acquire), or set a folder"
    )


def _log_images(several: Sequence[ImageFile], what: str) -> None:
    for file in several[:_LISTED]:
        logging.warning("%s %s (%s)", file.path, what, redact(file.address))
    if len(several) > _LISTED:
        logging.warning("and %d more", len(several) - _LISTED)


def _row(file: ImageFile, found: Row | None) -> Row:
    image = file.image
    row: Row = {
        "image": image.image,
        "file_name": image.file_name,
        "address": redact(file.address),
        "categories": sorted(image.instances),
        "licence": image.licence,
        "licence_url": image.licence_url,
        "flickr_url": image.flickr_url,
    }
    if file.refused is not None:
        reason, detail = file.refused.reason, file.refused.detail
        return row | {"status": "failed", "reason": reason, "detail": detail or None}
    assert found is not None, "every image that is not refused has a row in the ledger"
    return row | {name: found[name] for name in _OUTCOME_COLUMNS}


def _log_summary(rows: Sequence[Row], download: Downloads, table: Path) -> None:
    """Log the counts. Raises UserError where more than the failure budget is missing."""
    failed = [row for row in rows if row["status"] != "ok"]
    reasons = Counter(row["reason"] for row in failed)
    counts = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common())
    logging.info("%d of %d images are present%s", len(rows) - len(failed), len(rows),
                 f"; missing: {counts}" if counts else "")  # fmt: skip
    if len(failed) > download.failure_budget * len(rows):
        raise UserError(
            f"{KEY}: {len(failed)} of {len(rows)} images failed, more than "
            f"download.failure_budget ({download.failure_budget:.1%}): {counts}; {table} names "
            "them. Correct the address or raise the budget, and start again"
        )


@dataclass(frozen=True)
class ImageFile:
    """An image with its address and its target file."""

    image: WantedImage
    address: str
    """Empty if COCO states none."""
    target: Path | None
    refused: ItemError | None = None
    """The error for which it has no target."""
    sha256: str | None = None
    """Hash of an earlier download, which a new download must have."""

    @property
    def clip(self) -> str:
        """Id of the image in the ledger."""
        return str(self.image.image)

    @property
    def key(self) -> str:
        """Key of the image in the ledger: address, name and stated size."""
        size = f"{self.image.width}x{self.image.height}"
        return short_hash("coco image", self.address, self.image.file_name or "", size)

    @property
    def path(self) -> Path:
        """The target file; only images that are not refused have one."""
        assert self.target is not None, "a refused image has no target"
        return self.target

    @property
    def exists(self) -> bool:
        """Whether the target file exists."""
        return self.path.is_file()

    def with_hash(self, sha256: str | None) -> ImageFile:
        """A copy with the hash that a download must have."""
        return dataclasses.replace(self, sha256=sha256)


def image_files(wanted: Iterable[WantedImage], source: str | None, folder: Path) -> list[ImageFile]:
    """An ImageFile for each image; no two share a target."""
    taken = _UsedNames()
    return [_image_file(image, source, folder, taken) for image in wanted]


def _image_file(
    image: WantedImage, source: str | None, folder: Path, taken: _UsedNames
) -> ImageFile:
    name = (image.file_name or "").strip()
    if not re.match(r"[A-Za-z]:|\\", name):  # a relative name, possibly from Windows
        name = name.replace("\\", "/")
    address = (image.coco_url or "") if source is None else _file_address(source, name)
    try:
        return ImageFile(image, address, _target(folder, name, taken))
    except ItemError as error:
        return ImageFile(image, address, None, error)


def _file_address(source: str, name: str) -> str:
    """The address of a file: a name is appended after `/`, or directly after `=`.

    >>> _file_address("http://h/train2017", "a b.jpg")
    'http://h/train2017/a%20b.jpg'
    """
    return source + ("" if source.endswith(("/", "=")) else "/") + quote(name)


def _target(folder: Path, name: str, taken: _UsedNames) -> Path:
    path = names.safe_path(folder, name)
    relative = path.relative_to(folder).as_posix()
    # The names of partial downloads and locks begin with a dot.
    if any(part.startswith(".") for part in relative.split("/")):
        raise ItemError("unsafe_name", f"{relative[:120]!a} begins with a dot")
    taken.add(relative)
    if path.is_dir():
        raise ItemError("name_clash", f"{path} is a folder")
    return path


class _UsedNames:
    """Names in use, compared as on a case-insensitive file system, and their folders."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def add(self, name: str) -> None:
        """Add a name. Raises ItemError name_clash where it is in use."""
        path = PurePosixPath(unicodedata.normalize("NFC", name).casefold())
        folders = {str(parent) for parent in path.parents}
        used = str(path) in self._files or str(path) in self._folders
        if used or folders & self._files:
            raise ItemError("name_clash", f"another image has {name[:120]!a}, or needs it")
        self._files.add(str(path))
        self._folders |= folders
