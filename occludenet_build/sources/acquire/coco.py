"""acquire coco: where COCO lies, after fetching of it what is not here.

COCO's instances are a JSON, or the member of a zip; of the user's, or fetched once. In the folder
for what is fetched, besides what `acquire.recorded` says:

    <name>-<8 hex>.unpacked/<member>               the JSON out of a zip
    <name>-<8 hex>.unpacked/<member>.record.json   its record: sha256, and archive, that of the zip

A zip that was fetched is removed when its member is unpacked: its record stays, and it is fetched
again only if the JSON is removed or another member is asked for. Nothing else in it is unpacked.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path, PurePosixPath

from occludenet_build.config import Config
from occludenet_build.config.sources import Acquire, Downloads
from occludenet_build.core import files
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.settings import is_url
from occludenet_build.sources.acquire.coco_images import acquire_images
from occludenet_build.sources.acquire.recorded import (
    FileRequest,
    check_requested_hash,
    describe_local_file,
    fetch_recorded,
    read_record,
)
from occludenet_build.sources.coco.selection import wanted_images
from occludenet_build.sources.transfer import archives
from occludenet_build.sources.transfer.checks import FILE_CHECKS
from occludenet_build.sources.transfer.download import file_name

KEY = "acquire.coco_instances"

InstancesFile = tuple[Path, str]
"""A JSON file and its sha256."""


def acquire_coco(config: Config, folder: Path, out: Path) -> None:
    """Write the note of COCO: its folder of images, its instances with their hash, and a hash over
    the images if they are fetched. What is fetched goes into `folder`."""
    source, table = config.acquire.coco_images, out.with_name("coco_images.parquet")
    instances, sha256 = _instances(config.acquire, config.download, folder)
    note = {"instances": str(instances), "instances_sha256": sha256}
    if source is not None and not is_url(source):
        table.unlink(missing_ok=True)  # of earlier settings
        note["images"] = source
    else:
        images = folder / "images"
        wanted = wanted_images(instances, config.occluders)
        note["images"] = str(images)
        note["wanted"] = acquire_images(wanted, source, config.download, images, table)
    files.write_json(out, note)


def _instances(settings: Acquire, download: Downloads, folder: Path) -> InstancesFile:
    """The instances file that the settings name, fetched and unpacked into `folder` if need be."""
    if settings.coco_instances is None:
        raise UserError(f"{KEY}: wanted a JSON file, or a zip that holds it, got nothing; set it")
    wanted = FileRequest(settings.coco_instances, settings.coco_sha256, KEY, "acquire.coco_sha256")
    member = PurePosixPath(settings.coco_member).name
    place = folder / file_name(wanted.source, "instances")
    if is_url(wanted.source):
        with files.exclusive(folder):
            return _fetched_instances(wanted, member, download, place)
    note = describe_local_file(wanted)
    path = Path(wanted.source)
    if not _is_zip(path):
        return path, note["sha256"]
    with files.exclusive(folder):
        target = _unpack_folder(place) / member
        return _unpacked_before(target, note["sha256"]) or _unpack(path, note["sha256"], target)


def _fetched_instances(
    wanted: FileRequest, member: str, download: Downloads, path: Path
) -> InstancesFile:
    target = _unpack_folder(path) / member
    record = read_record(path)
    if record is not None and (found := _unpacked_before(target, record["sha256"])) is not None:
        check_requested_hash(wanted, record, path)
        path.unlink(missing_ok=True)  # a kill may have left it
        return found
    note = fetch_recorded(wanted, download, path, _accept)
    if not _is_zip(path):
        return path, note["sha256"]
    found = _unpack(path, note["sha256"], target)
    path.unlink()
    return found


def _unpack_folder(path: Path) -> Path:
    return path.with_name(f"{path.name}.unpacked")


def _is_zip(path: Path) -> bool:
    with open(path, "rb") as stream:
        return stream.read(4) == b"PK\x03\x04"


def _accept(path: Path) -> None:
    FILE_CHECKS["archive" if _is_zip(path) else "json"](path)


def _unpacked_before(target: Path, archive: str) -> InstancesFile | None:
    """What an earlier run unpacked from this archive, if it is there and has not changed."""
    try:
        record = json.loads(_record_path(target).read_text())
        known, sha256 = record["archive"], record["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if known != archive or not target.is_file():
        return None
    if (now := files.sha256_file(target)) != sha256:
        raise UserError(
            f"{KEY}: wanted {target} as it was unpacked, with {sha256}, got {now}: it has changed; "
            "remove it to have it again"
        )
    return target, sha256


def _record_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.record.json")


def _unpack(archive: Path, archive_sha256: str, target: Path) -> InstancesFile:
    _record_path(target).unlink(missing_ok=True)
    target.unlink(missing_ok=True)
    _unpack_member(archive, target)
    sha256 = files.sha256_file(target)
    files.write_json(_record_path(target), {"archive": archive_sha256, "sha256": sha256})
    logging.info("%s: unpacked %s, sha256 %s", KEY, target, sha256)
    return target, sha256


def _unpack_member(archive: Path, target: Path) -> None:
    """The one member of that name, wherever in the archive it lies."""
    held: list[str] = []

    def place(name: str) -> str | None:
        held.append(name)
        return target.name if _base(name) == target.name else None

    try:
        members = list(archives.unpack(archive, target.parent, place))
    except ItemError as error:
        raise UserError(f"{KEY}: {archive} does not unpack: {error}; get it again") from error
    mine = [member for member in members if _base(member.name) == target.name]
    for member in mine:
        if member.status != "ok":
            raise UserError(
                f"{KEY}: {archive} holds {member.name!a}, which is refused: {member.reason} "
                f"({member.detail}); get it again, or unpack it and set the JSON"
            )
    if not mine:
        there = ", ".join(ascii(name) for name in held[:10]) or "no file"
        raise UserError(
            f"acquire.coco_member: wanted {target.name!r} in {archive}, it holds {there}; set one"
        )


def _base(name: str) -> str:
    return PurePosixPath(name).name
