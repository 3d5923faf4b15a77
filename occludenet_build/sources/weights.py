"""Resolve the weights of a stage: a file, or the note of one that `acquire weights` wrote.

The note is a JSON file, the interface between acquire and the stages that load weights:

    path    path of the file, or of a folder with a network of transformers
    sha256  hash of the file; of a folder that of sources.hub
    bytes   size of the file, or of the folder's files
    url     address of the download; null for a local file
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import TypeVar

from occludenet_build.config.backends import is_network
from occludenet_build.config.people import ActorMasks
from occludenet_build.config.poses import Poses
from occludenet_build.core.build import read_json
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.core.settings import is_url
from occludenet_build.core.torch_models import checkpoint_file
from occludenet_build.sources.hub import local_path, sha256_of

Section = TypeVar("Section", ActorMasks, Poses)


def with_local_weights(
    settings: Section, given: str | None, section: str
) -> tuple[Section, str | None]:
    """The settings of `section` with the path of their weights, and the sha256 of that file.

    `given`: the weights, or their note, that the command line names instead; unchanged and None
    for a backend without a network. Raises UserError as `local_file` does, and where there are no
    weights.
    """
    if not is_network(section, settings.backend):
        return settings, None
    named = given or settings.weights
    weights = local_file(named, settings.weights_sha256, f"{section}.weights")
    path = checkpoint_file(weights, settings.backend)
    logging.info("%s: weights %s", settings.backend, path)
    return dataclasses.replace(settings, weights=weights), sha256_file(path)


def local_file(named: str | None, wanted_sha256: str | None, key: str) -> str | None:
    """Path of the weights `named`: a file, a folder, a name in the local cache of huggingface_hub,
    or what the note `named` (.json) names.

    `key` is the setting, for messages. Raises UserError for an address, a malformed note, a name
    that the cache does not have, or weights whose hash differs from that of the note or the
    settings.
    """
    if named is None:
        return None
    if is_url(named):
        raise UserError(
            f"{key}: wanted a file or a note of acquire, got an address; fetch it with "
            "`occludenet acquire weights` and give its note as --weights"
        )
    path, noted = _read_note(Path(named)) if named.endswith(".json") else (named, None)
    path = local_path(path, key)
    for wanted, source in ((noted, named), (wanted_sha256, f"{key}_sha256")):
        if wanted is not None and Path(path).exists() and sha256_of(path) != wanted:
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
