"""acquire weights, and any file that is fetched once and must keep its hash from then on.

An address of config.published_files is looked for on this machine first (transfer.cache), and the
download must agree with the hash that its publisher states. An address has two files:

    <name>-<8 hex>.<suffix>        the download; the digits are a hash of the address
    <name>-<8 hex>.<suffix>.json   its record: url, sha256, bytes, and time of the download

The file must have the hash of the record. The record stays when the file is removed, and a new
download must then have the same hash. Without a record, any file that has the hash of the settings
is accepted.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from occludenet_build.config.published_files import BY_ADDRESS
from occludenet_build.config.sources import Downloads
from occludenet_build.core import files
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.settings import is_url
from occludenet_build.sources import hub
from occludenet_build.sources.transfer import cache
from occludenet_build.sources.transfer.download import Download, Outcome, file_name, redact
from occludenet_build.sources.transfer.parallel import download_all

Record = dict[str, Any]


class NotFetchedError(UserError):
    """No download, and no file in its place: offline, or the server does not give it."""


@dataclass(frozen=True)
class FileRequest:
    """A file that the settings name."""

    source: str
    """Path of a file, or an http(s) address."""
    sha256: str | None
    key: str
    """The setting that names it, for messages."""
    sha256_key: str | None = None
    """The setting of its hash, if that is not <key>_sha256."""

    @property
    def hash_setting(self) -> str:
        """Name of the setting of its hash."""
        return self.sha256_key or f"{self.key}_sha256"


def acquire_weights(request: FileRequest, settings: Downloads, out: Path) -> None:
    """Write the note `out` of a weights file, fetched if necessary; sources.weights reads it."""
    if is_url(request.source):
        note = fetch_published(request, settings, out.parent / file_name(request.source, "weights"))
    else:
        note = describe_local_file(request)
    files.write_json(out, note)
    logging.info("%s: %s, sha256 %s", request.key, note["path"], note["sha256"])


def fetch_published(request: FileRequest, settings: Downloads, path: Path) -> Record:
    """As fetch_recorded; published files come from this machine's cache and are kept in it.

    The folder of `path` is locked meanwhile.
    """
    with files.folder_lock(path.parent):
        return _fetch_or_copy(request, settings, path)


def _fetch_or_copy(request: FileRequest, settings: Downloads, path: Path) -> Record:
    published = BY_ADDRESS.get(request.source)
    if published is None:
        return fetch_recorded(request, settings, path)
    if not path.exists() and (copy := cache.find_copy(published)) is not None:
        cache.take_copy(copy, path)
        logging.info("%s: found %s (%s)", request.key, copy, published.licence)
    note = fetch_recorded(request, settings, path)
    cache.keep_copy(published, path, note["sha256"])
    return note


def describe_local_file(request: FileRequest) -> Record:
    """Path, sha256 and size in bytes of a local file, or of a folder with a network.

    Raises UserError where it is missing or empty, or has another hash than the settings say.
    """
    path = Path(hub.local_path(request.source, request.key))
    may_be_folder = request.key == hub.SETTING and path.is_dir()
    parts = path.iterdir() if may_be_folder else (path,)
    size = sum(part.stat().st_size for part in parts if part.is_file())
    if size == 0:
        raise UserError(f"{request.key}: wanted a file, got {path}, which is missing or empty")
    sha256 = hub.sha256_of(path)
    if request.sha256 not in (None, sha256):
        raise UserError(
            f"{request.hash_setting}: wanted {request.sha256}, {path} has {sha256}; correct either"
        )
    return {"path": str(path), "sha256": sha256, "bytes": size, "url": None}


def fetch_recorded(
    request: FileRequest,
    settings: Downloads,
    path: Path,
    accept: Callable[[Path], None] = lambda path: None,
) -> Record:
    """Path, sha256, size in bytes and url of a download, which is fetched if it is missing.

    `accept` raises ItemError for a file that must not be recorded. Raises UserError where the
    download fails (NotFetchedError), or has another hash than the record or the settings.
    """
    record = read_record(path)
    if record is not None:
        check_requested_hash(request, record, path)
        _check_recorded_hash(request, record, path)
    if record is None or not path.exists():
        record = _fetch(request, settings, path, record, accept)
        files.write_json(_record_path(path), record)
    return {key: record[key] for key in ("sha256", "bytes", "url")} | {"path": str(path)}


def read_record(path: Path) -> Record | None:
    """The record of the download to `path`, even if the file was removed; None without one.

    Raises UserError where the record is malformed.
    """
    record_path = _record_path(path)
    if not record_path.exists():
        return None
    try:
        record = json.loads(record_path.read_text())
        return {key: record[key] for key in ("url", "sha256", "bytes", "fetched")}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{record_path}: wanted the record of a download, got {error!r}") from error


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def check_requested_hash(request: FileRequest, record: Record, path: Path) -> None:
    """Raises UserError where the settings have another hash than the download."""
    if request.sha256 not in (None, record["sha256"]):
        raise UserError(
            f"{request.hash_setting}: wanted {request.sha256}, but {path} was fetched on "
            f"{record['fetched']} with {record['sha256']}; correct the setting, or remove that "
            f"file and {_record_path(path).name} to fetch it again"
        )


def _check_recorded_hash(request: FileRequest, record: Record, path: Path) -> None:
    if path.exists() and (sha256 := files.sha256_file(path)) != record["sha256"]:
        raise UserError(
            f"{request.key}: wanted {path} as it was fetched on {record['fetched']}, with "
            f"{record['sha256']}, got {sha256}: it has changed; remove it to fetch it again"
        )


def _fetch(
    request: FileRequest,
    settings: Downloads,
    path: Path,
    record: Record | None,
    accept: Callable[[Path], None],
) -> Record:
    sha256 = record["sha256"] if record else request.sha256
    if not path.exists() and not settings.offline:
        logging.info("%s", announcement(request, path))
    outcome = next(download_all([Download(request.source, path, sha256)], settings))
    address = f"{request.key}: {redact(request.source)}"
    if outcome.status != "ok":
        raise _fetch_error(request, outcome, path, record)
    _check_content(address, path, accept, is_new=outcome.attempts > 0)
    published = BY_ADDRESS.get(request.source)
    if published is not None:
        check = partial(cache.check_published, published)
        _check_content(address, path, check, is_new=outcome.attempts > 0)
    return {
        "url": redact(request.source),
        "sha256": outcome.sha256,
        "bytes": outcome.bytes,
        "fetched": record["fetched"] if record else datetime.now(UTC).isoformat("T", "minutes"),
    }


def announcement(request: FileRequest, path: Path) -> str:
    """The line before a download: address, size, licence and target, as far as they are known."""
    published = BY_ADDRESS.get(request.source)
    facts = (
        ", ".join((published.what, published.size, f"licence {published.licence}"))
        if (published)
        else "size and licence not known"
    )
    return f"{request.key}: fetching {redact(request.source)} ({facts}) to {path}"


def _fetch_error(
    request: FileRequest, outcome: Outcome, path: Path, record: Record | None
) -> UserError:
    key = request.key
    address = f"{key}: {redact(request.source)}"
    if outcome.reason == "offline":
        return NotFetchedError(
            f"{address}: wanted as {path}, it is missing, and downloads are switched off; put the "
            f"file there, fetch it where there is a network (snakemake acquire), or set {key} to "
            "the path of a copy"
        )
    if outcome.reason == "wrong_hash" and record is not None:
        return UserError(
            f"{address}: the server has another file than on {record['fetched']}: "
            f"{outcome.detail}; if the new one is correct, remove {path.name}.json"
        )
    made = UserError if outcome.reason == "wrong_hash" else NotFetchedError
    return made(
        f"{address}: not fetched: {outcome.reason} ({outcome.detail}); start again later, put the "
        f"file there as {path}, or set {key} to another address or the path of a copy"
    )


def _check_content(address: str, path: Path, accept: Callable[[Path], None], is_new: bool) -> None:
    """Raise UserError for a file of the wrong kind; remove it if this run downloaded it."""
    try:
        accept(path)
    except ItemError as error:
        if is_new:
            path.unlink(missing_ok=True)
            ending = "correct the address, start again later, or set a path"
        else:
            ending = f"remove {path} to fetch it"
        raise UserError(f"{address}: not usable: {error}; {ending}") from error
