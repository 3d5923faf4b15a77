"""Names of output clips, as the release gives them: `{scale:.2f}_{source}.mp4`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from occludenet_build.core.errors import UserError


@dataclass(frozen=True)
class ListedPath:
    """A clip's path in a list: `val_25percent/abseiling/0.25_<source>.mp4`, taken apart."""

    split: str
    percent: str
    """Scale in percent, as written: 25."""
    class_folder: str
    file_name: str


def source_of(file_name: str) -> tuple[float, str]:
    """(scale, source clip) of an output clip's file name, without folders.

    >>> source_of("0.25_3caPS4FHFF8_000036_000046.mp4")
    (0.25, '3caPS4FHFF8_000036_000046')
    """
    found = re.fullmatch(r"(\d+\.\d\d)_([^/]+)\.mp4", file_name, re.ASCII)
    if found is None:
        raise UserError(
            f"wanted a clip's name such as 0.25_<source>.mp4, got {file_name!r}; name it as the "
            "release does"
        )
    return float(found[1]), found[2]


def listed_path(path: str) -> ListedPath:
    """The parts of a path in a list.

    >>> listed_path("val_25percent/abseiling/0.25_x.mp4").class_folder
    'abseiling'
    """
    found = re.fullmatch(r"(\w+)_(\d+(?:\.\d+)?)percent/([^/]+)/([^/]+)", path, re.ASCII)
    if found is None:
        raise UserError(
            "wanted a path such as val_25percent/<class>/0.25_<source>.mp4, got "
            f"{path!r}; write it as the release does"
        )
    return ListedPath(*found.groups())
