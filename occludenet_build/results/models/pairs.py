"""Two networks that are ranked together: which of them loses less, and whether that is decided.

The difference of two mean drops, on the same clips, has two sources of chance. Other clips: the
signed-rank test over groups of clips of the differences, mean over seeds. Other trainings: the
paired t test over the seeds that both have, from three seeds on (recognition.significance). A claim
about both must hold for each, so p is the larger of the two p values (an intersection-union test),
corrected by Holm for all pairs that are shown.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pandas as pd

from occludenet_build.core.seeds import rng
from occludenet_build.recognition.accuracy import CONFIDENCE, bootstrap_mean
from occludenet_build.recognition.significance import holm, paired_t, signed_rank

PAIR = [
    "among", "first", "first_arm", "second", "second_arm", "difference", "low", "high", "clips",
    "groups", "seeds", "p_clips", "p_seeds", "p", "p_holm", "decided",
]  # fmt: skip
"""Columns of pairs.csv: `first` loses less than `second`, by `difference` points (their mean drops
over degrees, 95 % interval over groups of clips), on `clips` clips of `groups` groups; `seeds` that
both have; p values as the module says, `p_seeds` null for fewer than three seeds; `decided`: p_holm
below 0.05."""
_BOUNDS = (-2.0, 2.0)
"""Smallest and largest difference of two drops."""


def compare_pairs(drops: pd.DataFrame, ranked: pd.DataFrame, value: str, seed: int) -> pd.DataFrame:
    """The pairs (PAIR) of all ranked networks that are ranked together.

    `drops`: study.clip_drops; `ranked`: among, network and arm, in the order of the ranks; `value`:
    the column of the drops; `seed`: of the bootstrap.
    """
    parts = {key: part for key, part in drops.groupby(["network", "arm"])}
    found = [
        _pair(str(among), parts[first], parts[second], value, seed)
        for among, lines in ranked.groupby("among", sort=False)
        for first, second in combinations(zip(lines["network"], lines["arm"], strict=True), 2)
    ]
    rows = pd.DataFrame(found, columns=PAIR)
    corrected = holm(rows["p"].tolist()) if len(rows) else []
    return rows.assign(p_holm=corrected, decided=[p < 1 - CONFIDENCE for p in corrected])


def _pair(
    among: str, first: pd.DataFrame, second: pd.DataFrame, value: str, seed: int
) -> dict[str, Any]:
    by_clip = _by(second, "clip", value).sub(_by(first, "clip", value)).dropna()
    groups = first.drop_duplicates("clip").set_index("clip")["group"].loc[by_clip.index]
    by_seed = _by(second, "seed", value).sub(_by(first, "seed", value)).dropna()
    random = rng(seed, "models", "pairs")
    low, high = bootstrap_mean(by_clip, random, bounds=_BOUNDS, groups=groups)
    p_clips = signed_rank(by_clip.groupby(groups).mean().to_numpy())
    p_seeds = paired_t(by_seed.to_numpy())
    return {
        "among": among, "first": first["network"].iloc[0], "first_arm": first["arm"].iloc[0],
        "second": second["network"].iloc[0], "second_arm": second["arm"].iloc[0],
        "difference": 100 * by_clip.mean(), "low": 100 * low, "high": 100 * high,
        "clips": len(by_clip), "groups": groups.nunique(), "seeds": len(by_seed),
        "p_clips": p_clips, "p_seeds": p_seeds, "p": max(p_clips, p_seeds or 0.0),
    }  # fmt: skip


def _by(part: pd.DataFrame, column: str, value: str) -> pd.Series:
    return part.groupby(column)[value].mean()


def undecided(pairs: pd.DataFrame, among: str, network: str, arm: str) -> list[str]:
    """Names of the networks (with their arm, where that is not what is ranked together) from which
    one cannot be told apart."""
    of_among = pairs[pairs["among"].eq(among) & ~pairs["decided"].astype(bool)]
    found = []
    for one, other in (("first", "second"), ("second", "first")):
        mine = of_among[of_among[one].eq(network) & of_among[f"{one}_arm"].eq(arm)]
        for name, its_arm in zip(mine[other], mine[f"{other}_arm"], strict=True):
            found.append(str(name) if its_arm == among else f"{name} {its_arm}")
    return sorted(found)
