"""Where each image of COCO comes from and where it goes; names in the instances file are not
trusted."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from occludenet_build.coco.wanted import WantedImage
from occludenet_build.core import names
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import short_hash

KEY = "acquire.coco_images"


@dataclass(frozen=True)
class Place:
    """An image with its address and its file."""

    image: WantedImage
    address: str
    """Empty if none is stated."""
    target: Path | None
    refused: ItemError | None = None
    """Why it has no target."""
    sha256: str | None = None
    """Of the file that was there before; what is fetched must have it."""

    @property
    def clip(self) -> str:
        """Its name in the ledger."""
        return str(self.image.image)

    @property
    def key(self) -> str:
        size = f"{self.image.width}x{self.image.height}"
        return short_hash("coco image", self.address, self.image.file_name or "", size)

    @property
    def path(self) -> Path:
        assert self.target is not None, "what is refused has no file"
        return self.target

    @property
    def there(self) -> bool:
        return self.path.is_file()

    def known_as(self, sha256: str | None) -> Place:
        return dataclasses.replace(self, sha256=sha256)


def places(wanted: Iterable[WantedImage], source: str | None, folder: Path) -> list[Place]:
    """A place for each image; no two have one file."""
    taken = _Taken()
    return [_place(image, source, folder, taken) for image in wanted]


def _place(image: WantedImage, source: str | None, folder: Path, taken: _Taken) -> Place:
    name = (image.file_name or "").strip()
    address = (image.coco_url or "") if source is None else _below(source, name)
    try:
        return Place(image, address, _target(folder, name, taken))
    except ItemError as error:
        return Place(image, address, None, error)


def _below(source: str, name: str) -> str:
    """The address of a file; what ends in `=` takes the name as it is.

    >>> _below("http://h/train2017", "a b.jpg")
    'http://h/train2017/a%20b.jpg'
    """
    return source + ("" if source.endswith(("/", "=")) else "/") + quote(name)


def _target(folder: Path, name: str, taken: _Taken) -> Path:
    path = names.inside(folder, name)
    relative = path.relative_to(folder).as_posix()
    # unfinished files and locks have such names
    if any(part.startswith(".") for part in relative.split("/")):
        raise ItemError("unsafe_name", f"{relative[:120]!a} begins with a dot")
    taken.add(relative)
    if path.is_dir():
        raise ItemError("name_clash", f"{path} is a folder")
    return path


class _Taken:
    """Names that are used, on any file system, and the folders that they need."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def add(self, name: str) -> None:
        """Raises ItemError name_clash."""
        path = PurePosixPath(unicodedata.normalize("NFC", name).casefold())
        folders = {str(parent) for parent in path.parents}
        used = str(path) in self._files or str(path) in self._folders
        if used or folders & self._files:
            raise ItemError("name_clash", f"another image has {name[:120]!a}, or needs it")
        self._files.add(str(path))
        self._folders |= folders
