"""acquire coco: locate COCO's instances and images, and fetch what is missing.

COCO's instances are a JSON file, or a member of a zip; a local file, or fetched once. The download
folder holds, in addition to the files that `acquire.recorded` documents:

    <name>-<8 hex>.unpacked/<member>               the JSON file of a zip
    <name>-<8 hex>.unpacked/<member>.record.json   its record: its sha256, and that of the archive

A fetched zip is removed after its member is unpacked. Its record stays, and it is fetched again
only if the JSON file is removed or the settings name another member. No other member is unpacked.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path, PurePosixPath

from occludenet_build.config import Config
from occludenet_build.config.sources import Acquire, Downloads
from occludenet_build.core import failures, files, tables
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
    """Write the note `out`: folder of images, instances with their hash, and a hash of the images.

    Downloads go into `folder`; images that failed for a reason that may pass are tried again by the
    next start. The hash of the images is noted only if they are fetched.
    """
    source, table = config.acquire.coco_images, out.with_name("coco_images.parquet")
    instances, sha256 = _instances(config.acquire, config.download, folder)
    note = {"instances": str(instances), "instances_sha256": sha256}
    if source is not None and not is_url(source):
        table.unlink(missing_ok=True)  # left from earlier settings
        note["images"] = source
    else:
        images = folder / "images"
        needed = wanted_images(instances, config.occluders)
        note["images"] = str(images)
        note["wanted"] = acquire_images(needed, source, config.download, images, table)
        if any(failures.is_passing(row) for row in tables.read_rows(table)):
            failures.request_attempt(out)
    files.write_json(out, note)


def _instances(settings: Acquire, download: Downloads, folder: Path) -> InstancesFile:
    """The instances file of the settings, fetched and unpacked into `folder` where necessary."""
    if settings.coco_instances is None:
        raise UserError(
            f"{KEY}: wanted a JSON file, or a zip that contains it, got nothing; set it"
        )
    request = FileRequest(settings.coco_instances, settings.coco_sha256, KEY, "acquire.coco_sha256")
    member = PurePosixPath(settings.coco_member).name
    target = folder / file_name(request.source, "instances")
    if is_url(request.source):
        with files.folder_lock(folder):
            return _fetched_instances(request, member, download, target)
    note = describe_local_file(request)
    path = Path(request.source)
    if not _is_zip(path):
        return path, note["sha256"]
    with files.folder_lock(folder):
        unpacked = _unpack_folder(target) / member
        return _unpacked_before(unpacked, note["sha256"]) or _unpack(path, note["sha256"], unpacked)


def _fetched_instances(
    request: FileRequest, member: str, download: Downloads, path: Path
) -> InstancesFile:
    target = _unpack_folder(path) / member
    record = read_record(path)
    if record is not None and (found := _unpacked_before(target, record["sha256"])) is not None:
        check_requested_hash(request, record, path)
        path.unlink(missing_ok=True)  # left if an earlier run was killed
        return found
    note = fetch_recorded(request, download, path, _accept)
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
    """The member that an earlier run unpacked from this archive; None if there is none.

    Raises UserError where the file has changed since.
    """
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
            "remove it to unpack it again"
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
    """Unpack the member with the name of `target`, in whichever folder of the archive it is."""
    names: list[str] = []

    def path_for(name: str) -> str | None:
        names.append(name)
        return target.name if _base(name) == target.name else None

    try:
        members = list(archives.unpack(archive, target.parent, path_for))
    except ItemError as error:
        raise UserError(f"{KEY}: {archive} does not unpack: {error}; download it again") from error
    matching = [member for member in members if _base(member.name) == target.name]
    for member in matching:
        if member.status != "ok":
            raise UserError(
                f"{KEY}: {archive} holds {member.name!a}, which is refused: {member.reason} "
                f"({member.detail}); download it again, or unpack it and set the JSON"
            )
    if not matching:
        contents = ", ".join(ascii(name) for name in names[:10]) or "no file"
        raise UserError(
            f"acquire.coco_member: wanted {target.name!r} in {archive}, it has {contents}; set one"
        )


def _base(name: str) -> str:
    return PurePosixPath(name).name
