"""acquire weights: a file of the user's, or one that is fetched once, with its hash.

Of an address, in the folder of --out:

    <name>-<8 hex>.<suffix>        the file; the digits are a hash of the address
    <name>-<8 hex>.<suffix>.json   its record: url, sha256, bytes, and when it was fetched

The record holds what was fetched to its hash. It stays when the file is removed, and then what the
address brings must have the same hash. Without it whatever is there or comes is taken, if it is
what the settings ask for.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from occludenet_build.config import Downloads
from occludenet_build.core import files
from occludenet_build.core.errors import UserError
from occludenet_build.core.settings import is_url
from occludenet_build.transfer import Download, download_all, shown

ROOMS = ("detect", "actor_masks", "train", "audit")
"""The rooms whose settings name weights."""


@dataclass(frozen=True)
class Wanted:
    """What the settings ask for."""

    source: str
    """A file or an http(s) address."""
    sha256: str | None
    key: str
    """The setting that says so, for messages."""


def acquire_weights(wanted: Wanted, settings: Downloads, out: Path) -> None:
    """Write the note of the file, after fetching it if need be; core.weights reads it."""
    if is_url(wanted.source):
        with files.exclusive(out.parent):
            note = _fetched(wanted, settings, out.parent)
    else:
        note = _own(wanted)
    files.write_json(out, note)
    logging.info("%s: %s, sha256 %s", wanted.key, note["path"], note["sha256"])


def _own(wanted: Wanted) -> dict[str, Any]:
    path = Path(wanted.source)
    if not path.is_file() or path.stat().st_size == 0:
        raise UserError(f"{wanted.key}: wanted a file, got {path}, which is missing or empty")
    sha256 = files.sha256_file(path)
    if wanted.sha256 not in (None, sha256):
        raise UserError(
            f"{wanted.key}_sha256: wanted {wanted.sha256}, {path} has {sha256}; correct either"
        )
    return {"path": str(path), "sha256": sha256, "bytes": path.stat().st_size, "url": None}


def file_name(url: str) -> str:
    """What an address is called on disk: no two addresses share a name."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    plain = PurePosixPath(re.sub(r"[^A-Za-z0-9._-]", "_", name)[-100:].lstrip(".") or "weights")
    return f"{plain.stem}-{files.short_hash(url)[:8]}{plain.suffix}"


def _fetched(wanted: Wanted, settings: Downloads, folder: Path) -> dict[str, Any]:
    path = folder / file_name(wanted.source)
    record_path = path.with_name(f"{path.name}.json")
    record = _record(record_path)
    if record is not None:
        _refuse_change(wanted, record, path, record_path)
    if record is None or not path.exists():
        record = _fetch(wanted, settings, path, record)
        files.write_json(record_path, record)
    return {key: record[key] for key in ("sha256", "bytes", "url")} | {"path": str(path)}


def _record(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text())
        return {key: record[key] for key in ("url", "sha256", "bytes", "fetched")}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: wanted the record of a download, got {error!r}") from error


def _refuse_change(wanted: Wanted, record: dict[str, Any], path: Path, record_path: Path) -> None:
    if wanted.sha256 not in (None, record["sha256"]):
        raise UserError(
            f"{wanted.key}_sha256: wanted {wanted.sha256}, but {path} was fetched on "
            f"{record['fetched']} with {record['sha256']}; correct the setting, or remove that "
            f"file and {record_path.name} to fetch it anew"
        )
    if path.exists() and (sha256 := files.sha256_file(path)) != record["sha256"]:
        raise UserError(
            f"{wanted.key}: wanted {path} as it was fetched on {record['fetched']}, with "
            f"{record['sha256']}, got {sha256}: it has changed; remove it to fetch it again"
        )


def _fetch(
    wanted: Wanted, settings: Downloads, path: Path, record: dict[str, Any] | None
) -> dict[str, Any]:
    sha256 = record["sha256"] if record else wanted.sha256
    outcome = next(download_all([Download(wanted.source, path, sha256)], settings))
    if outcome.status == "ok":
        return {
            "url": shown(wanted.source),
            "sha256": outcome.sha256,
            "bytes": outcome.bytes,
            "fetched": record["fetched"] if record else datetime.now(UTC).isoformat("T", "minutes"),
        }
    address = f"{wanted.key}: {shown(wanted.source)}"
    if outcome.reason == "offline":
        raise UserError(
            f"{address}: wanted as {path}, it is not there, and downloads are switched off; fetch "
            "it where there is a network (snakemake acquire), or set a path"
        )
    if outcome.reason == "wrong_hash" and record is not None:
        raise UserError(
            f"{address}: the server has another file than on {record['fetched']}: "
            f"{outcome.detail}; if the new one is right, remove {path.name}.json"
        )
    raise UserError(
        f"{address}: not fetched: {outcome.reason} ({outcome.detail}); correct the address, start "
        "again later, or set a path"
    )
