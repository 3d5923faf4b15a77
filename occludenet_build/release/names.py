"""Names as the release gives them: clips `{scale:.2f}_{source}.mp4`, and cut-outs.

A cut-out is `{coco image:012d}_{pixels:07d}_{percent:.2f}.png`, a dog `{pixels:07d}_dog_{coco
image:012d}_{percent:.2f}.png`. The percent hangs on the crop: COCO's box cut off to whole pixels,
as far as one known photo tells.
"""

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


_CUTOUT = re.compile(
    r"(?:(\d{12,18})_(\d{7,9})|(\d{7,9})_dog_(\d{12,18}))_\d+\.\d\d\.png", re.ASCII
)


def cutout_object(name: str) -> tuple[int, int] | None:
    """COCO photo and pixels of a cut-out, from its name; None if it has another form.

    >>> cutout_object("000000071549_0050932_61.04.png")
    (71549, 50932)
    >>> cutout_object("0067892_dog_000000524291_71.25.png")
    (524291, 67892)
    """
    parts = _CUTOUT.fullmatch(name)
    if parts is None:
        return None
    return int(parts[1] or parts[4]), int(parts[2] or parts[3])


def same_cutout(one: str, other: str) -> bool:
    """Whether two names mean the same object: equal, or equal but for the percent."""
    found = cutout_object(one)
    return one == other or (found is not None and found == cutout_object(other))
