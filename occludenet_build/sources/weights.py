"""Resolve the weights of a stage: a file, or the note of one that `acquire weights` wrote.

The note is a JSON file, the interface between acquire and the stages that load weights:

    path    path of the file
    sha256  hash of the file
    bytes   size of the file
    url     address of the download; null for a local file
"""

from __future__ import annotations

from pathlib import Path

from occludenet_build.core.build import read_json
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.core.settings import is_url


def local_file(named: str | None, wanted_sha256: str | None, key: str) -> str | None:
    """Path of the weights file `named`, or of the file in the note `named` (.json).

    `key` is the setting, for messages. Raises UserError for an address, a malformed note, or a
    file whose hash differs from that of the note or the settings.
    """
    if named is None:
        return None
    if is_url(named):
        raise UserError(
            f"{key}: wanted a file or a note of acquire, got an address; fetch it with "
            "`occludenet acquire weights` and give its note as --weights"
        )
    path, noted = _read_note(Path(named)) if named.endswith(".json") else (named, None)
    for wanted, source in ((noted, named), (wanted_sha256, f"{key}_sha256")):
        if wanted is not None and Path(path).is_file() and sha256_file(path) != wanted:
            raise UserError(
                f"{key}: {path} is not what {source} says, sha256 {wanted}: it has changed; put "
                "the file back, or record the new one with `snakemake -R acquire_weights`"
            )
    return path


def _read_note(path: Path) -> tuple[str, str]:
    try:
        note = read_json(path)
        return str(note["path"]), str(note["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"wanted a note of acquire weights, {path}: {error!r}") from error
