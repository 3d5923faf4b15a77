"""Groups of clips that are not independent: the unit of the bootstrap and of what N means.

A clip's group is the column `group` of a table of predictions (what evaluate.group, or the key
`group` of a list or of a dump, says), or else what its name tells (release.groups).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from occludenet_build.core.errors import UserError
from occludenet_build.release.groups import derived_group


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
