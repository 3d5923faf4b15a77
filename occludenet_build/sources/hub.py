"""Networks that a folder holds: by its path, or by the name that huggingface_hub's cache has it by.

Nothing is fetched: `hf download OWNER/NAME` fills the cache, on a machine with a network.
"""

from __future__ import annotations

import os
from pathlib import Path

from occludenet_build.core.errors import UserError
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

    Without the library, which the environment that records weights does not have: the cache is
    models--OWNER--NAME/snapshots/<commit>, and refs/main beside it names the commit. `key`: the
    setting, for messages. Raises UserError where the network is not there.
    """
    folder = _cache() / f"models--{name.replace('/', '--')}"
    try:
        commit = (folder / "refs" / "main").read_text().strip()
    except OSError:
        commit = ""
    found = folder / "snapshots" / commit
    if not commit or not found.is_dir():
        raise UserError(
            f"{key}: wanted a path or a name in the local cache of huggingface_hub, got {name}, "
            f"which {folder} does not hold; fetch it where there is a network with `hf download "
            f"{name}` (HF_HOME says where the cache is), or give its folder"
        )
    return str(found)


def _cache() -> Path:
    """The folder of the cache, as huggingface_hub's documentation of its variables has it."""
    given = os.environ.get("HF_HUB_CACHE")
    above = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    home = os.environ.get("HF_HOME") or Path(above) / "huggingface"
    return Path(given) if given else Path(home) / "hub"


def sha256_of(path: Path | str) -> str:
    """SHA-256 of a file; of a folder a hash of its files' names and hashes, 64 hex digits too.

    Folders within it and hidden files do not count.
    """
    if not Path(path).is_dir():
        return sha256_file(path)
    files = sorted(f for f in Path(path).iterdir() if f.is_file() and not f.name.startswith("."))
    parts = [part for file in files for part in (file.name, sha256_file(file))]
    return short_hash("folder", *parts) + short_hash("files", *parts)
