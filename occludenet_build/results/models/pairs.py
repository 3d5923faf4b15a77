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
from occludenet_build.recognition.accuracy import CONFIDENCE, RESAMPLES, bootstrap_curve
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
    parts = dict(list(drops.groupby(["network", "arm"])))
    pairs = [
        (str(among), first, second)
        for among, lines in ranked.groupby("among", sort=False)
        for first, second in combinations(zip(lines["network"], lines["arm"], strict=True), 2)
    ]
    if not pairs:
        return pd.DataFrame(columns=PAIR)
    by_clip = [_by_clip(parts[first], parts[second], value) for _, first, second in pairs]
    rows = pd.concat([one.assign(pair=at) for at, one in enumerate(by_clip)], ignore_index=True)
    random = rng(seed, "models", "pairs")
    edges = bootstrap_curve(rows, ["pair"], "less", random, RESAMPLES, _BOUNDS)
    found = [
        {"among": among, "first": first[0], "first_arm": first[1]}
        | {"second": second[0], "second_arm": second[1]}
        | {"low": 100 * edge["low"], "high": 100 * edge["high"]}
        | _tested(one, parts[first], parts[second], value)
        for (among, first, second), one, edge in zip(
            pairs, by_clip, edges.to_dict("records"), strict=True
        )
    ]
    table = pd.DataFrame(found, columns=PAIR)
    corrected = holm(table["p"].tolist())
    return table.assign(p_holm=corrected, decided=[p < 1 - CONFIDENCE for p in corrected])


def _by_clip(first: pd.DataFrame, second: pd.DataFrame, value: str) -> pd.DataFrame:
    """group and `less`, what the first loses less, of the clips that both saw; mean over seeds."""
    less = _by(second, "clip", value).sub(_by(first, "clip", value)).dropna()
    groups = first.drop_duplicates("clip").set_index("clip")["group"]
    return pd.DataFrame({"group": groups.loc[less.index], "less": less})


def _tested(
    by_clip: pd.DataFrame, first: pd.DataFrame, second: pd.DataFrame, value: str
) -> dict[str, Any]:
    by_seed = _by(second, "seed", value).sub(_by(first, "seed", value)).dropna()
    of_groups = by_clip.groupby("group")["less"].mean()
    p_clips, p_seeds = signed_rank(of_groups.to_numpy()), paired_t(by_seed.to_numpy())
    return {
        "difference": 100 * by_clip["less"].mean(), "clips": len(by_clip),
        "groups": len(of_groups), "seeds": len(by_seed),
        "p_clips": p_clips, "p_seeds": p_seeds, "p": max(p_clips, p_seeds or 0.0),
    }  # fmt: skip


def _by(part: pd.DataFrame, column: str, value: str) -> pd.Series:
    return part.groupby(column)[value].mean()


def undecided(pairs: pd.DataFrame, among: str, network: str, arm: str) -> str:
    """The networks from which one cannot be told apart, by name (with their arm, where that is not
    what is ranked together), `all others`, or `none`; empty where it is in no pair."""
    of_among, names, found = pairs[pairs["among"].eq(among)], [], 0
    for one, other in (("first", "second"), ("second", "first")):
        mine = of_among[of_among[one].eq(network) & of_among[f"{one}_arm"].eq(arm)]
        found += len(mine)
        mine = mine[~mine["decided"].astype(bool)]
        for name, its_arm in zip(mine[other], mine[f"{other}_arm"], strict=True):
            names.append(str(name) if its_arm == among else f"{name} {its_arm}")
    if len(names) == found > 1:
        return "all others"
    return ", ".join(sorted(names)) or ("none" if found else "")
