"""Resolve the weights of a stage: a file, or the note of one that `acquire weights` wrote.

The note is a JSON file, the interface between acquire and the stages that load weights:

    path    path of the file, or of a folder with a network of transformers
    sha256  hash of the file; of a folder that of sources.hub
    bytes   size of the file, or of the folder's files
    url     address of the download; null for a local file

The note of `acquire engine` has one more entry, `engine` (core.engines).
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any, TypeVar

from occludenet_build.config.backends import exports_weights, is_network
from occludenet_build.config.people import ActorMasks, Detect
from occludenet_build.config.poses import Poses
from occludenet_build.core.build import read_json
from occludenet_build.core.engines import TORCH, engine_of, model_of_note
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import sha256_file
from occludenet_build.core.settings import is_url
from occludenet_build.core.torch_models import checkpoint_file
from occludenet_build.sources.hub import local_path, sha256_of

Section = TypeVar("Section", ActorMasks, Poses)
Exported = TypeVar("Exported", Detect, ActorMasks, Poses)


def with_local_weights(
    settings: Section, given: str | None, section: str
) -> tuple[Section, str | None]:
    """The settings of `section` with the path of their weights, and the sha256 of that file.

    `given`: the weights, or their note, that the command line names instead; unchanged and None
    for a backend without a network. Raises UserError as `local_file` does, and where there are no
    weights.
    """
    if not is_network(section, settings.backend):
        return with_exported_model(settings, None, section), None
    named = given or settings.weights
    weights = local_file(named, settings.weights_sha256, f"{section}.weights")
    path = checkpoint_file(weights, settings.backend)
    logging.info("%s: weights %s", settings.backend, path)
    settings = dataclasses.replace(settings, weights=weights)
    return with_exported_model(settings, named, section), sha256_file(path)


def with_exported_model(settings: Exported, note: str | None, section: str) -> Exported:
    """The settings with the exported file as their `engine`, as the note of `acquire engine` says.

    `engine` is torch for a backend that has no other; an engine that the note does not know stays,
    and `core.engines.engine_of` refuses it. Raises UserError where the exported file is missing or
    has changed.
    """
    values: Any = settings
    if not hasattr(values, "engine"):
        return settings
    if not exports_weights(section, values):
        return dataclasses.replace(values, engine=TORCH)
    facts = read_json(Path(note)).get("engine") if note and note.endswith(".json") else None
    if facts is None:
        return settings
    model = model_of_note(facts, Path(str(note)))
    logging.info("engine: %s", engine_of(model) or f"torch ({facts['why']})")
    return dataclasses.replace(values, engine=model)


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
