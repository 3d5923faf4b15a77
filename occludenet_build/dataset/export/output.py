"""The folder of an export: what is written there, and the removal of what is not.

A second export of the same build changes nothing: files that have their bytes already are left
alone. Before the first change export.json is removed, so that an interrupted export never looks
like a finished one. A folder that is not empty and was not begun by an export is refused, because
the files that an export does not write are removed at its end.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from occludenet_build.core.errors import UserError
from occludenet_build.core.files import json_text, publish, sha256_file, temporary_name, write_text

FINISHED = "export.json"
"""The file that is written last."""
_BEGUN = ".export"
"""The file that is written first; it has the name of the format."""


class Output:
    """The files of one export. Paths are relative to its folder, with `/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._claimed: set[str] = {_BEGUN, FINISHED}

    def begin(self, format: str) -> None:
        """Mark the folder as one of an export. Raises UserError if it has other files."""
        mark = self.folder / _BEGUN
        found = mark.read_text().strip() if mark.is_file() else None
        if found is None and self.folder.is_dir() and any(self.folder.iterdir()):
            found = "other files"
        if found not in (None, format):
            raise UserError(
                f"--out: wanted a folder that is new or has an earlier export as {format}, got "
                f"{self.folder} with {found}; files that an export does not write are removed, so "
                "give another folder"
            )
        if found is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(mark, f"{format}\n")

    def path(self, path: str) -> Path:
        """The absolute path of a file of this export, which the caller writes or has written.

        Raises ValueError for a path that leaves the folder.
        """
        parts = PurePosixPath(path).parts
        if not parts or ".." in parts or path.startswith("/"):
            raise ValueError(f"{path!r} is not a path below the folder of the export")
        self._claimed.add(str(PurePosixPath(path)))
        return self.folder / path

    def folder_of_files(self, path: str) -> Path:
        """The absolute path of a folder, all of whose files belong to this export."""
        target = self.path(path)
        self._claimed.add(f"{PurePosixPath(path)}/")
        return target

    def changing(self) -> None:
        """To be called before anything in the folder changes: the export is not finished now."""
        (self.folder / FINISHED).unlink(missing_ok=True)

    @contextmanager
    def writing(self, path: str) -> Iterator[Path]:
        """Yield a temporary path; its file takes the place of `path` if the bytes differ."""
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_name(target)
        try:
            yield temporary
            if not (target.is_file() and filecmp.cmp(temporary, target, shallow=False)):
                self.changing()
                publish(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)

    def bytes(self, path: str, content: bytes) -> None:
        """Write a file."""
        with self.writing(path) as temporary:
            temporary.write_bytes(content)

    def text(self, path: str, text: str) -> None:
        """Write a UTF-8 text file, without a byte order mark."""
        self.bytes(path, text.encode())

    def json(self, path: str, value: Any) -> None:
        """Write a JSON file, with sorted keys."""
        self.text(path, json_text(value))

    def place(self, path: str, source: Path, sha256: str, link: bool) -> None:
        """Put a file, whose hash is known, at `path`: as a hard link, or as a copy."""
        target = self.path(path)
        if target.is_file() and target.samefile(source) and link:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_name(target)
        temporary.unlink(missing_ok=True)
        if not (link and _linked(source, temporary)):
            if _is_copy(target, source, sha256):
                return
            shutil.copyfile(source, temporary)
        self.changing()
        # rename(2) leaves both names where they are one file
        publish(temporary, target, sync=False)
        temporary.unlink(missing_ok=True)

    def finish(self) -> int:
        """Remove what this export has not written; return the number of removed files."""
        removed = 0
        for folder, _, names in os.walk(self.folder, topdown=False):
            here = PurePosixPath(Path(folder).relative_to(self.folder).as_posix())
            stale = [] if self._is_claimed(here) else [n for n in names if not self._has(here / n)]
            for name in stale:
                self.changing()
                (Path(folder) / name).unlink()
            removed += len(stale)
            if Path(folder) != self.folder and not any(Path(folder).iterdir()):
                Path(folder).rmdir()
        return removed

    def _has(self, path: PurePosixPath) -> bool:
        return str(path) in self._claimed

    def _is_claimed(self, folder: PurePosixPath) -> bool:
        """Whether all files of a folder, or of one above it, belong to this export."""
        return any(f"{one}/" in self._claimed for one in (folder, *folder.parents))


def _is_copy(target: Path, source: Path, sha256: str) -> bool:
    """Whether a copy, which is not a link, is in its place already."""
    if not target.is_file() or target.samefile(source):
        return False
    return target.stat().st_size == source.stat().st_size and sha256_file(target) == sha256


def _linked(source: Path, target: Path) -> bool:
    """Make a hard link; whether it could be: not on another disk, nor on one without links."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        return False
    return True
