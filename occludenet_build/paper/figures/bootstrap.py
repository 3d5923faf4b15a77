"""Points of a curve with bands: source clips are drawn anew, with all that was made of them."""

from __future__ import annotations

import pandas as pd

from occludenet_build.config import Paper
from occludenet_build.core import seeds
from occludenet_build.core.statistics import bootstrap_ratios


def curve(
    rows: pd.DataFrame, by: list[str], value: str, paper: Paper, seed: int, name: str
) -> pd.DataFrame:
    """A row per group of `by`: mean (of `value`), low, high (95 %), n (rows), by the keys.

    The scales of a source clip stand and fall together, and all points see the same draws.
    """
    groups = rows.groupby([*by, "clip"])[value].agg(["sum", "size"])
    sums = groups["sum"].unstack("clip", fill_value=0.0)
    counts = groups["size"].unstack("clip", fill_value=0).astype(float)
    low, high = bootstrap_ratios(
        sums.to_numpy().T, counts.to_numpy().T, seeds.rng(seed, name, "bootstrap"), paper.bootstrap
    )
    n = counts.sum(axis=1)
    found = pd.DataFrame({"mean": sums.sum(axis=1) / n, "low": low, "high": high, "n": n})
    return found.astype({"n": int}).reset_index()
