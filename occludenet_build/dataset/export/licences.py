"""Whose pictures an export shows, and under which licences: the photos of the occluders.

The clips are those of the source dataset, under its terms; export.pixels: false leaves them out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from occludenet_build.core.build import BuildTables
from occludenet_build.dataset.clips import Build, ExportClip

HEADER = ("occluder", "category", "photo", "licence", "licence_url", "clips")
"""Columns of licences.csv: id of the cut-out, its type, the file of its photo, the licence of the
photo as COCO states it and its address, and the number of exported clips that show it."""


def licence_rows(build: Build, clips: Sequence[ExportClip]) -> list[tuple[object, ...]]:
    """A row of HEADER per occluder that the clips show, sorted by occluder.

    What the build does not know is empty: of an occluder of another bank, or of a user's picture.
    Clips without a pasted occluder, as those of clean, S, I and M are, need no row.
    """
    shown = Counter(occluder for clip in clips for occluder in clip.occluders)
    bank = {row["occluder"]: row for row in BuildTables(build.root).rows("occluders")}
    return [
        (occluder, *(bank.get(occluder, {}).get(name) for name in COLUMNS), shown[occluder])
        for occluder in sorted(shown)
    ]


RESTRICTIONS = {"nc": "no commercial use", "nd": "no derived works"}
"""Parts of the address of a Creative Commons licence, such as by-nc-nd, that forbid something."""
COLUMNS = ("category", "source", "licence", "licence_url")
"""The columns of occluders.parquet that licences.csv has."""


def restricted(rows: Sequence[Sequence[object]]) -> dict[str, int]:
    """What licences forbid -> number of occluders, of the rows of licences.csv.

    >>> url = "http://creativecommons.org/licenses/by-nc-nd/2.0/"
    >>> restricted([("a.png", "dog", "1.jpg", "", url, 3)])
    {'no commercial use': 1, 'no derived works': 1}
    """
    parts = [set(str(row[HEADER.index("licence_url")] or "").split("/")[4:5]) for row in rows]
    named = [part for one in parts for text in one for part in text.split("-")]
    return {text: named.count(part) for part, text in RESTRICTIONS.items() if part in named}
