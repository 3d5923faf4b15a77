"""Weights as a room takes them: a file, or the note that `acquire weights` wrote of one.

The note is the door between acquire and the rooms that load weights:

    path    the file
    sha256  what it had when the note was written
    bytes   its size
    url     where it was fetched; null for a file of the user's
"""

from __future__ import annotations

import json
from pathlib import Path

from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.core.settings import is_url


def local_file(named: str | None, wanted_sha256: str | None, key: str) -> str | None:
    """The weights file that `named` stands for: itself, or what the note `named` (.json) is of.

    `key` is the setting, for messages. Raises UserError for an address, a note that does not
    read, or a file with another hash than the note or the settings say.
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
                "the file back, or note the new one with `snakemake -R acquire_weights`"
            )
    return path


def _read_note(path: Path) -> tuple[str, str]:
    try:
        note = json.loads(path.read_text())
        return str(note["path"]), str(note["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"wanted a note of acquire weights, {path}: {error!r}") from error
