"""Groups of clips that are not independent: the unit of the bootstrap and of what N means.

The three views of a performance (OccludeNet-M), the stretches of a surveillance video
(OccludeNet-S) and the clips of a YouTube video (Kinetics) show the same people in the same place. A
clip's group is one of these, the first that applies:

    named    the column `group` of a table of predictions: what evaluate.group, or the key `group`
             of a list or of a dump, says
    source   the part before start and end in a name <source>_<start>_<end>: the id of a YouTube
             video (Kinetics, OccludeNet-D), the video of a stretch that `segments` cut (S)
    footage  the video in a name of UCF-Crime, <Class><3 digits>_x264
    views    the name and its folder without the view: Armed/Armed_view2/07 is Armed/Armed/07 (M)
    itself   the clip, if nothing of this applies

Where a rule sees a group that is none, an interval is too wide, not too narrow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd

from occludenet_build.core.errors import UserError

_TIME = r"\d{6,}(?:\.\d{3})?"
_STRETCH = re.compile(
    rf"(?P<source>.+)_(?P<start>{_TIME})_(?P<end>{_TIME})(?:-[0-9a-f]{{6}})?", re.ASCII
)
"""A clip of Kinetics or of segments; six hex digits distinguish equal names."""
_LONGEST = 3600
"""Seconds of a stretch. In VID_20240101_123456, as telephones name recordings, the numbers are a
date and a time of day."""
_FOOTAGE = re.compile(r"[A-Za-z][A-Za-z_]*\d{3}_x264", re.ASCII)
_VIEW = re.compile(r"(?:^|[_ -])(?:view|camera|cam)[_ -]?(?:\d+|val)(?=$|[_. -])", re.I | re.ASCII)


@cache
def derived_group(clip: str) -> str:
    """The group of a clip by its name.

    `clip`: the source clip, without suffix; a path where two files have the same name.

    >>> derived_group("3caPS4FHFF8_000036_000046"), derived_group("Abuse001_x264_000012_000021")
    ('3caPS4FHFF8', 'Abuse001_x264')
    >>> derived_group("Armed/Armed_view1/07"), derived_group("Armed/Armed_view_val/07")
    ('Armed/Armed/07', 'Armed/Armed/07')
    >>> derived_group("interview_1"), derived_group("clip07")
    ('interview_1', 'clip07')
    >>> derived_group("VID_20240101_123456"), derived_group("PXL_20210101_123456789")
    ('VID_20240101_123456', 'PXL_20210101_123456789')
    """
    name = clip.rpartition("/")[2]
    stretch = _STRETCH.fullmatch(name)
    if stretch and 0 < float(stretch["end"]) - float(stretch["start"]) <= _LONGEST:
        return stretch["source"]
    if footage := _FOOTAGE.match(name):
        return footage[0]
    return "/".join(_VIEW.sub("", part) for part in clip.split("/")) or clip


def named_group(pattern: str, file: str) -> str:
    """The group that a regular expression with one group finds in a file's path.

    Raises UserError where it finds none: such a clip would be independent by mistake.

    >>> named_group(r"(.+)_view", "Armed/Armed_view1/07.mp4")
    'Armed/Armed'
    """
    found = re.search(pattern, file)
    if found is None or found[1] is None:
        raise UserError(
            f"group: wanted {pattern!r} to match every clip, it does not match {file}; correct the "
            "expression, for example with an alternative"
        )
    return found[1]


def groups_of(rows: pd.DataFrame) -> pd.Series:
    """The group of each row, str, with the index of `rows`.

    `rows`: set and clip (str), and perhaps group (str or null). A group that one row names holds
    for all rows of that set and clip, whichever model they are of.
    """
    if "group" in rows and rows["group"].notna().any():
        named = rows.groupby(["set", "clip"], sort=False)["group"].transform("first")
        return named.where(named.notna(), rows["clip"].map(derived_group))
    return rows["clip"].map(derived_group)


def sums_by_group(
    values: np.ndarray | Sequence[float], groups: Sequence[str] | np.ndarray | pd.Series
) -> tuple[np.ndarray, np.ndarray]:
    """What each group adds to the sums and to the numbers of clips, in order of appearance.

    `values` float64 (N,) or (N, C): of N clips; `groups` (N,): their groups. Returns sums (G, C)
    and counts (G, 1), float64, for `accuracy.bootstrap_ratios`.
    """
    columns = np.asarray(values, np.float64).reshape(len(groups), -1)
    numbers, names = pd.factorize(np.asarray(groups, object))
    sums = np.zeros((len(names), columns.shape[1]))
    np.add.at(sums, numbers, columns)
    counts = np.bincount(numbers, minlength=len(names)).astype(float)
    return sums, counts.reshape(-1, 1)


def counted_words(clips: int, groups: int | None) -> str:
    """`75`, or `1,242 clips of 414 groups` where several clips are of one group.

    >>> counted_words(75, 75), counted_words(1242, 414)
    ('75', '1,242 clips of 414 groups')
    """
    if groups is None or groups >= clips:
        return f"{clips:,}"
    return f"{clips:,} clips of {groups:,} groups"
