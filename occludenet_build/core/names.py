"""File names from untrusted sources: archives, lists, servers and users.

A name is a relative path with `/`. `safe_path` is the only function that turns such a name into a
path on disk. This module uses the standard library only.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.files import short_hash

LONGEST_PART = 240
"""Maximum length of a file name, in bytes: file systems allow 255, and temporary names are
longer."""
LONGEST = 1000
"""Maximum length of a relative path, in bytes; systems allow about 4,000 for the absolute path."""
DEEPEST = 32
"""Maximum number of parts of a relative path."""

VIDEO_SUFFIXES = frozenset(
    {
        *(".3gp", ".asf", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
        *(".nut", ".ogv", ".ts", ".webm", ".wmv"),
    }
)
"""Suffixes of video files, in lower case. media.video.probe tells whether a file is a video."""


def safe_name(name: str) -> str:
    """Normalize a name: remove `.` parts and repeated slashes.

    Raises ItemError: unsafe_path for an absolute path or one with `..`, unsafe_name for a name that
    is empty, too long, or contains backslashes or non-printable characters.
    """
    shown = ascii(name[:120])
    if not name.isprintable() or "\\" in name:
        raise ItemError("unsafe_name", f"control characters or backslashes in {shown}")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise ItemError("unsafe_path", f"{shown} is absolute")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ItemError("unsafe_path", f"{shown} leaves the folder")
    if not parts:
        raise ItemError("unsafe_name", f"{shown} names nothing")
    if len(parts) > DEEPEST or len(name.encode()) > LONGEST:
        raise ItemError("unsafe_name", f"{shown}... is too long or too deep")
    if any(len(part.encode()) > LONGEST_PART for part in parts):
        raise ItemError("unsafe_name", f"a part of {shown}... is too long")
    return "/".join(parts)


def safe_path(folder: Path, name: str) -> Path:
    """Path of the file with this name below `folder`.

    Raises ItemError: the reasons of `safe_name`, and unsafe_link if a link in the folder leads out
    of it.
    """
    path = folder / safe_name(name)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ItemError("unsafe_link", f"a link in {folder} leads {name[:120]!a} out of it")
    return path


@dataclass
class Tree:
    """What is below a folder, as relative paths, without hidden files and folders."""

    files: list[PurePosixPath] = field(default_factory=list)
    unread: dict[PurePosixPath, OSError] = field(default_factory=dict)
    """Folder that cannot be listed -> the error."""
    repeated: list[PurePosixPath] = field(default_factory=list)
    """Links to a folder that is listed elsewhere, or contains the link; not followed."""


def read_tree(folder: Path | str) -> Tree:
    """List a folder. Links to folders are followed; each folder is listed once.

    Real folders come before links, so that a new link changes no path. Raises UserError where
    `folder` itself cannot be listed.
    """
    found = _walk(Path(folder))
    unread = {PurePosixPath(name): error for name, error in found.unread.items()}
    repeated = [PurePosixPath(name) for name in found.repeated]
    return Tree([PurePosixPath(name) for name, _ in found.files], unread, repeated)


@dataclass
class _Walk:
    """A tree as texts: a path object for each of 300,000 videos takes longer than to list them."""

    files: list[tuple[str, int]] = field(default_factory=list)
    """(path, size in bytes); -1: not asked for, or no file."""
    unread: dict[str, OSError] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)


def _walk(root: Path, sizes: bool = False) -> _Walk:
    """`read_tree`; with `sizes`, those of the files."""
    tree, seen = _Walk(), set()
    folders, links = [""], list[str]()
    while folders or links:
        is_link = not folders
        name = links.pop(0) if is_link else folders.pop()
        try:
            identity = _identity(root / name)
            if identity in seen:
                tree.repeated.append(name)
                continue
            found = _entries(root / name)
        except OSError as error:
            tree.unread[name] = error
            continue
        seen.add(identity)
        for entry in found:
            path, kind = f"{name}/{entry.name}" if name else entry.name, _kind(entry)
            if kind == "file":
                tree.files.append((path, _size(entry) if sizes else -1))
            else:
                (folders if kind == "folder" else links).append(path)
    if "" in tree.unread:
        problem = tree.unread[""].strerror
        raise UserError(f"wanted a folder of files, {root} cannot be listed: {problem}")
    return tree


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """The entries that are not hidden, sorted by name."""
    with os.scandir(folder) as entries:
        return sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)


def _kind(entry: os.DirEntry[str]) -> str:
    """folder, link (to a folder) or file.

    A file is everything else: also a link that leads nowhere, or to itself.
    """
    try:
        if not entry.is_dir():
            return "file"
    except OSError:
        return "file"
    return "link" if entry.is_symlink() else "folder"


def files_below(folder: Path | str) -> Iterator[PurePosixPath]:
    """Yield the relative paths of all files below a folder, as `read_tree` finds them."""
    yield from read_tree(folder).files


def listing(folder: Path | str) -> list[PurePosixPath]:
    """The sorted relative paths of the files below a folder, and of folders that cannot be listed.

    Raises UserError if there is no such folder, or it cannot be listed.
    """
    return [PurePosixPath(name) for name, _ in _sorted_files(Path(folder))]


def _sorted_files(folder: Path, sizes: bool = False) -> list[tuple[str, int]]:
    """(path, size) of `listing`, in its order; the size of a folder is -1."""
    if not folder.is_dir():
        raise UserError(f"wanted a folder of files, {folder} is not one")
    tree = _walk(folder, sizes)
    unread = ((name, -1) for name in tree.unread)
    return sorted([*tree.files, *unread], key=lambda one: one[0].split("/"))


def listing_digest(folder: Path | str) -> str:
    """A digest of the names and sizes of the files below a folder.

    The size of a file that is not there, such as a link that leads nowhere, is -1.
    """
    return short_hash(*(f"{name} {size}" for name, size in _sorted_files(Path(folder), True)))


def _size(entry: os.DirEntry[str]) -> int:
    """Size in bytes; -1 for a folder, and where there is no file."""
    try:
        status = entry.stat()
    except OSError:
        return -1
    return -1 if stat.S_ISDIR(status.st_mode) else status.st_size


def require_utf8(path: PurePath) -> None:
    """Raises ItemError not_utf8 for a path that cannot be written into a table."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise ItemError("not_utf8", f"{shown}; rename it, with convmv for instance") from error


def shortened(text: str, longest: int, origin: str | None = None) -> str:
    """Shorten a text to `longest` bytes.

    Its end is replaced by a hash of `origin`, or of the text itself.
    """
    if len(text.encode()) <= longest:
        return text
    short = text.encode()[: longest - 7].decode("utf-8", "ignore")
    return f"{short}-{short_hash(text if origin is None else origin)[:6]}"


def disambiguate(names: Sequence[str], origins: Sequence[Sequence[str]]) -> list[str]:
    """Make names unique: those that some file system takes for equal get a hash of their origin.

    File systems of macOS and Windows ignore case; that of macOS also whether an accent is a
    character of its own (NFD) or part of the letter (NFC).
    """
    counts = Counter(map(_folded, names))
    return [
        name if counts[_folded(name)] == 1 else f"{name}-{short_hash(*origin)[:6]}"
        for name, origin in zip(names, origins, strict=True)
    ]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def unify_accents(names: Sequence[str]) -> list[str]:
    """Give names that differ only in the form of their accents (NFC, NFD) one form, NFC.

    Names without such a twin are unchanged.

    >>> unify_accents(["caf\u00e9", "cafe\u0301", "re\u0301sume\u0301"])[1] == "caf\u00e9"
    True
    """
    forms: dict[str, set[str]] = {}
    for name in names:
        forms.setdefault(unicodedata.normalize("NFC", name), set()).add(name)
    one_form = {plain: plain if len(found) > 1 else found.pop() for plain, found in forms.items()}
    return [one_form[unicodedata.normalize("NFC", name)] for name in names]


def match_names(names: Iterable[str], clips: Mapping[str, str]) -> dict[str, str]:
    """Name in a user's file -> clip, for names that denote one of `clips` (id -> path of video).

    A name is an id, or else a file: folders and suffix do not count, nor does case. Where the id is
    not the stem of the video, since another video has the same stem, the folder counts.

    >>> clips = {"a": "/v/a.mp4", "b": "/v/b.avi", "c-1": "/v/run/c.mp4", "c-2": "/v/walk/c.mp4"}
    >>> match_names(["a", "x/B.mp4", "run/c.mp4", "c.mp4"], clips)
    {'a': 'a', 'x/B.mp4': 'b', 'run/c.mp4': 'c-1'}
    """
    by_name: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for clip, path in clips.items():
        by_name[(_folded(clip),)].append(clip)
        parts = _parts(path)
        if parts[-1] != _folded(clip):
            by_name[parts[-2:]].append(clip)
    matched = {}
    for name in names:
        parts = _parts(name)
        found = [name] if name in clips else by_name[parts[-2:]] or by_name[parts[-1:]]
        if len(found) == 1:
            matched[name] = found[0]
    return matched


def _parts(name: str) -> tuple[str, ...]:
    """The folders and the stem of a file, folded."""
    path = PurePosixPath(_folded(name.strip().replace("\\", "/")))
    is_video = path.suffix in VIDEO_SUFFIXES
    return *path.parts[:-1], path.stem if is_video else path.name
