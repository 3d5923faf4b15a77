"""Networks that a folder holds: by its path, or by the name that huggingface_hub's cache has it by.

Nothing is fetched: `hf download OWNER/NAME` fills the cache, on a machine with a network.
"""

from __future__ import annotations

from pathlib import Path

from occludenet_build.core.errors import UserError
from occludenet_build.core.extras import require
from occludenet_build.core.files import sha256_file, short_hash
from occludenet_build.core.settings import is_hub_name

SETTING = "train.weights"
"""The setting that takes folders and names; others take files."""


def local_path(source: str, key: str) -> str:
    """The path `source`; if `key` takes names, the folder of the name `source` in the local cache.

    Raises UserError where a name is not in the cache.
    """
    return cached_folder(source, key) if key == SETTING and is_hub_name(source) else source


def cached_folder(name: str, key: str) -> str:
    """The folder of a network in huggingface_hub's cache on this machine.

    `key`: the setting, for messages. Raises UserError where it is not there.
    """
    require(("huggingface_hub",), key)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return str(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError) as error:
        raise UserError(
            f"{key}: wanted a path or a name in the local cache of huggingface_hub, {name} is "
            f"neither; fetch it where there is a network with `hf download {name}` (HF_HOME says "
            "where the cache is), or give its folder"
        ) from error


def sha256_of(path: Path | str) -> str:
    """SHA-256 of a file; of a folder a hash of its files' names and hashes, 64 hex digits too.

    Folders within it and hidden files do not count.
    """
    if not Path(path).is_dir():
        return sha256_file(path)
    files = sorted(f for f in Path(path).iterdir() if f.is_file() and not f.name.startswith("."))
    parts = [part for file in files for part in (file.name, sha256_file(file))]
    return short_hash("folder", *parts) + short_hash("files", *parts)
