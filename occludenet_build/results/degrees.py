"""The sets of OccludeNet-D by degree of occlusion, and the clips that several models saw.

OccludeNet-D and its clean twins are one family: a source clip counts only if all of their sets have
it, so levels are compared on the same clips, and a drop is that of one clip.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from occludenet_build.release.terms import CLEAN


def is_occludenet_d(sets: pd.Series) -> pd.Series:
    """bool of the same length: whether a set (str) belongs to OccludeNet-D or its clean twins."""
    return sets.eq(CLEAN) | sets.str.fullmatch(r"D-\d+(\.\d+)?")


def degree_sets(rows: pd.DataFrame) -> list[str]:
    """Sets of OccludeNet-D in the column `set`, smallest degree first."""
    found = rows.loc[is_occludenet_d(rows["set"]) & (rows["set"] != CLEAN), "set"].unique()
    return sorted(found, key=lambda name: float(name.removeprefix("D-")))


def shared_by_all(rows: pd.DataFrame, keys: Sequence[str] = ("name", "seed")) -> pd.DataFrame:
    """The rows of the clips of each set that all models with predictions of the set saw.

    `rows`: set, clip and `keys`, the columns that identify a training or a model.
    """
    family = rows["set"].where(~is_occludenet_d(rows["set"]), "D").rename("family")
    expected = rows.drop_duplicates([*keys, "set"]).groupby(family).size()
    times = rows.groupby([family, rows["clip"]])["set"].transform("size")
    return rows[times.to_numpy() == family.map(expected).to_numpy()].reset_index(drop=True)


def left_out(rows: pd.DataFrame, kept: pd.DataFrame) -> dict[str, int]:
    """Number of clips by set that some model saw and that do not count."""
    before = rows.groupby("set")["clip"].nunique()
    after = kept.groupby("set")["clip"].nunique()
    return {name: int(count - after.get(name, 0)) for name, count in before.items()}


def clip_drops(
    rows: pd.DataFrame, value: str = "top1", keys: Sequence[str] = ("series",)
) -> pd.DataFrame:
    """Clean minus occluded, clip by clip: the rows of degrees, with `clean`, the value on the clean
    twin, and `drop` (-1 to 1).

    `rows`: set, clip, `value` (0 to 1, or nan) and `keys`, the columns that identify a training or
    a model. Only clips that it saw both clean and at that degree, and that have the value.
    """
    clean = rows[rows["set"] == CLEAN].set_index([*keys, "clip"])[value]
    occluded = rows[rows["set"].isin(degree_sets(rows))]
    both = occluded.join(clean.rename("clean"), on=[*keys, "clip"], how="inner")
    both["drop"] = both["clean"] - both[value]
    return both[both["drop"].notna()].reset_index(drop=True)
