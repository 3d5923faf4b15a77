"""The videos below a folder, found by the names that a user writes into a table."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from pathlib import Path, PurePosixPath

from occludenet_build.core import names
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.names import VIDEO_SUFFIXES


class VideoFolder:
    """The videos below a folder, by name."""

    def __init__(self, folder: Path | str, setting: str) -> None:
        """List the files of `folder`; where it is none, raises UserError that names `setting`."""
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise UserError(f"{setting}: wanted a folder, got {folder}")
        self._paths = frozenset(names.files_below(self.folder))
        self.videos = sorted(p for p in self._paths if p.suffix.lower() in VIDEO_SUFFIXES)
        """The paths of all files with a video's suffix, relative to the folder."""
        self._named: dict[str, list[PurePosixPath]] = defaultdict(list)
        for path in self.videos:
            for name in {path.name, path.stem}:
                self._named[_one_form(name)].append(path)

    def find(self, name: str, label: str) -> PurePosixPath:
        """Path of a video, relative to the folder.

        Of several with that name, the one in the folder of the class `label`. The form of accents
        (NFC, NFD) does not count. Raises ItemError missing or ambiguous.
        """
        wanted = PurePosixPath(name)
        exact = [wanted] if wanted in self._paths else []
        found = exact or self._named.get(_one_form(wanted.name), [])
        if len(wanted.parts) > 1 and not exact:  # the name has part of the folder, or no suffix
            found = [path for path in found if _ends_with(path.parent, wanted.parent)]
        if len(found) > 1:
            of_class = [path for path in found if path.parent.name.casefold() == label.casefold()]
            found = of_class if len(of_class) == 1 else found
        if not found:
            raise ItemError("missing", f"no video {name!r} in {self.folder}")
        if len(found) > 1:
            raise ItemError("ambiguous", ", ".join(str(path) for path in found[:5]))
        return found[0]


def _ends_with(path: PurePosixPath, end: PurePosixPath) -> bool:
    parts = PurePosixPath(_one_form(str(end))).parts
    return PurePosixPath(_one_form(str(path))).parts[-len(parts) :] == parts


def _one_form(name: str) -> str:
    """A name with accents as macOS, or as everybody else, writes them."""
    return unicodedata.normalize("NFC", name)
