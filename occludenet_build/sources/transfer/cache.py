"""Published files that are on this machine already: our cache, and the places of other programs.

    $OCCLUDENET_CACHE, else $XDG_CACHE_HOME/occludenet, else ~/.cache/occludenet
        weights/<name>          files of config.published_files, kept for all builds of this user
        weights/<name>.json     record: url, sha256, bytes
    $TORCH_HOME/hub/checkpoints, else $XDG_CACHE_HOME/torch/hub/checkpoints     torch.hub
    weights_dir of ultralytics' settings                                        ultralytics
    the working folder, and its folder weights                                  ultralytics

A file counts if it agrees with the hash that its publisher states. Where none is stated, a file of
the cache counts that still has the hash of its record; in other places anything may have that name,
so such a file counts only where the caller names it to the user (`unverified`), and by its size.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from occludenet_build.config.published_files import PublishedFile
from occludenet_build.core import files
from occludenet_build.core.errors import ItemError

CACHE = "OCCLUDENET_CACHE"
"""Environment variable with the folder of the cache."""
_SLACK = 0.1
"""Largest relative difference from a rounded size."""


def cache_folder() -> Path:
    """Folder of the cache; it need not exist."""
    named = os.environ.get(CACHE)
    return Path(named).expanduser() if named else _user_cache() / "occludenet"


def cached_path(file: PublishedFile) -> Path:
    """Where the cache keeps a file."""
    return cache_folder() / "weights" / file.name


def check_published(file: PublishedFile, path: Path) -> None:
    """Check a file against the hash that its publisher states, or without one by its rough size.

    Raises ItemError wrong_hash or wrong_length: a login page, for one, comes with status 200.
    """
    if file.digest is None:
        if not _has_size(file, path):
            size = path.stat().st_size
            raise ItemError("wrong_length", f"wanted {file.size}, got {size} bytes")
        return
    algorithm, _, wanted = file.digest.partition(":")
    with open(path, "rb") as stream:
        got = hashlib.file_digest(stream, algorithm).hexdigest()
    if not got.startswith(wanted):
        raise ItemError(
            "wrong_hash", f"its publisher states {algorithm} {wanted}, got {got[: len(wanted)]}"
        )


def find_copy(file: PublishedFile, unverified: bool = False) -> Path | None:
    """A copy of a file on this machine, the cache first; None if there is none.

    `unverified`: also a file of the right name and size whose publisher states no hash.
    """
    cached = cached_path(file)
    if cached.is_file() and _is_intact(file, cached):
        return cached
    for folder in _other_folders():
        path = folder / file.name
        if path.is_file() and (file.digest or unverified) and _agrees(file, path):
            return path.absolute()
    return None


def _is_intact(file: PublishedFile, path: Path) -> bool:
    """Whether a file of the cache has the stated hash, or else that of its record."""
    if file.digest:
        return _agrees(file, path)
    try:
        return json.loads(_record_path(path).read_text())["sha256"] == files.sha256_file(path)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _agrees(file: PublishedFile, path: Path) -> bool:
    try:
        check_published(file, path)
    except (ItemError, OSError):
        return False
    return True


def _has_size(file: PublishedFile, path: Path) -> bool:
    return file.bytes is None or abs(path.stat().st_size - file.bytes) <= _SLACK * file.bytes


def take_copy(copy: Path, target: Path) -> None:
    """Put a copy to `target`: as a hard link if it is our cache's, where that is possible."""
    with files.replacing(target) as temporary:
        temporary.unlink(missing_ok=True)
        if copy.parent != cache_folder() / "weights" or not _linked(copy, temporary):
            shutil.copyfile(copy, temporary)


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        return False
    return True


def keep_copy(file: PublishedFile, path: Path, sha256: str) -> None:
    """Keep a fetched file in the cache for other builds; a cache that cannot be written is none."""
    cached = cached_path(file)
    if cached.is_file() and _is_intact(file, cached):
        return
    record = {"url": file.url, "sha256": sha256, "bytes": path.stat().st_size}
    try:
        if not (cached.exists() and cached.samefile(path)):
            with files.replacing(cached) as temporary:
                temporary.unlink(missing_ok=True)
                if not _linked(path, temporary):
                    shutil.copyfile(path, temporary)
        files.write_json(_record_path(cached), record)
    except OSError as error:
        logging.info("%s is not kept for other builds: %s", cached, error.strerror or error)


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _user_cache() -> Path:
    named = os.environ.get("XDG_CACHE_HOME")
    return Path(named) if named else Path("~/.cache").expanduser()


def _other_folders() -> Iterator[Path]:
    """Folders in which other programs keep weights by their published names."""
    torch_home = os.environ.get("TORCH_HOME")
    yield (Path(torch_home) if torch_home else _user_cache() / "torch") / "hub" / "checkpoints"
    yield from _ultralytics_folders()
    yield from (Path(), Path("weights"))


def _ultralytics_folders() -> Iterator[Path]:
    """`weights_dir` of ultralytics' settings.json, if it names an absolute folder."""
    config = os.environ.get("YOLO_CONFIG_DIR") or os.environ.get("XDG_CONFIG_HOME")
    for folder in (config, "~/.config"):
        if not folder:
            continue
        path = Path(folder).expanduser()
        for settings in (path / "Ultralytics" / "settings.json", path / "settings.json"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                named = Path(json.loads(settings.read_text())["weights_dir"])
                if named.is_absolute():
                    yield named
