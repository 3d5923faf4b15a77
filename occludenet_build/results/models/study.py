"""Which network loses least under occlusion: the drop from the clean twin, paired over clips.

The drop of a network at a degree is the mean, over source clips and seeds, of what it gains on the
clean twin less what it gains on the occluded clip; that of all degrees together is their mean,
clip by clip. A network whose clean accuracy is not above chance has nothing to lose: it is shown
and not ranked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from occludenet_build.core.seeds import rng
from occludenet_build.recognition.accuracy import (
    DIFFERENCES,
    RESAMPLES,
    bootstrap_curve,
    bootstrap_ratios,
    over_seeds,
)
from occludenet_build.release.cnn_study import MiniRun
from occludenet_build.release.terms import CLEAN
from occludenet_build.results import degrees
from occludenet_build.results.models.pairs import undecided
from occludenet_build.results.text_tables import ABSENT, TextTable

MEAN = "mean"
"""Name of the mean over degrees."""
DROP = [
    "among", "rank", "network", "arm", "degree", "drop", "low", "high", "sd", "kept", "kept_low",
    "kept_high", "clean", "clean_low", "clean_high", "chance", "clips", "groups", "seeds",
    "published_top1", "published_frames",
]  # fmt: skip
"""Columns of study.csv: `among` (what is ranked together: the arm; another system by itself),
`rank` by the mean drop, 1 loses least (null: not above chance on clean twins), `degree` (a set, or
mean), `drop` in points with its 95 % interval and standard deviation over seeds, `kept` the
accuracy on occluded clips in percent of that on clean twins, `clean` top-1 on clean twins, `chance`
1 / classes (all percent), and mini-Kinetics' top-1 of the CNN study for the same network and
frames, null where it has none."""
_OPPOSITE = (("low", "high"), ("high", "low"))
"""The more is lost, the less is kept."""
_NETWORK = ["network", "arm"]
_LINE = [*_NETWORK, "degree"]
Published = Callable[[str], MiniRun | None]
"""Name of a network -> its published run."""


def clip_drops(rows: pd.DataFrame) -> pd.DataFrame:
    """The drops of every training, clip by clip.

    `rows`: answers (rows.ROWS). Returns network, arm, among, classes, seed, clip, group, clean
    (0 or 1), a column per degree and MEAN (-1 to 1), for the clips that have all of these sets.
    """
    training = ["network", "arm", "among", "classes", "seed"]
    by_degree = degrees.clip_drops(rows, keys=training)
    facts = [*training, "clip", "group", "clean"]
    drops = by_degree.pivot(index=facts, columns="set", values="drop")
    drops = drops.reindex(columns=degrees.degree_sets(rows)).dropna()
    return drops.assign(**{MEAN: drops.mean(axis=1)}).reset_index().rename_axis(columns=None)


def drop_rows(
    drops: pd.DataFrame, cells: pd.DataFrame, seed: int, published: Published
) -> pd.DataFrame:
    """Rows (DROP) of `clip_drops`, ranked.

    `cells`: the accuracies (by_degree.CELL), of which those of the clean twins are taken; `seed`:
    of the bootstrap.
    """
    sets = degrees.degree_sets(pd.DataFrame({"set": drops.columns.astype(str)}))
    if drops.empty or not sets:
        return pd.DataFrame(columns=DROP)
    keys = ["among", *_NETWORK, "seed", "clip", "group", "clean"]
    long = drops.melt(keys, [*sets, MEAN], "degree", "drop")
    rows = _counted(long)
    rows = rows.join(_edges(long, _LINE, "drop", DIFFERENCES, seed))
    rows = rows.join(_kept(long, seed)).reset_index()
    rows = _with_width(rows.merge(_clean(drops, cells), on=_NETWORK))
    runs = {name: published(name) for name in rows["network"].unique()}
    for name in ("top1", "frames"):
        rows[f"published_{name}"] = [getattr(runs[one], name, None) for one in rows["network"]]
    return _ranked(rows, _in_order(rows, cells))[DROP]


def _counted(long: pd.DataFrame) -> pd.DataFrame:
    """Mean drop and deviation over seeds, points, and counts; a row per _LINE."""
    rows = long.groupby(_LINE, sort=False).agg(
        among=("among", "first"),
        clips=("clip", "nunique"),
        groups=("group", "nunique"),
        seeds=("seed", "nunique"),
    )
    by_seed = 100 * long.groupby([*_LINE, "seed"])["drop"].mean()
    spread = by_seed.groupby(_LINE).agg(list).map(over_seeds)
    return rows.join(pd.DataFrame(spread.tolist(), spread.index, columns=["drop", "sd"]))


def _edges(
    rows: pd.DataFrame, by: list[str], value: str, bounds: tuple[float, float], seed: int
) -> pd.DataFrame:
    """Ends of the intervals of the means of `value`, percent or points, by `by`."""
    found = bootstrap_curve(rows, by, value, rng(seed, "models", value), RESAMPLES, bounds)
    return 100 * found.set_index(by)[["low", "high"]]


def _clean(drops: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on clean twins and chance, percent, by network and arm."""
    of_twins = cells[cells["set"].eq(CLEAN) & cells["metric"].eq("top-1")].set_index(_NETWORK)
    names = {"value": "clean", "low": "clean_low", "high": "clean_high"}
    found = of_twins[list(names)].rename(columns=names)
    return found.assign(chance=100 / drops.groupby(_NETWORK)["classes"].first()).reset_index()


def _kept(long: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Accuracy on occluded clips in percent of that on their clean twins; nan where that is 0."""
    both = long.assign(occluded=long["clean"] - long["drop"])
    parts = both.groupby(["group", *_LINE])[["occluded", "clean"]].sum()
    wide = parts.unstack([1, 2, 3], fill_value=0.0)
    sums, counts = wide["occluded"], wide["clean"]
    random = rng(seed, "models", "kept")
    low, high = bootstrap_ratios(sums.to_numpy(), counts.to_numpy(), random)
    total = counts.sum().where(counts.sum() > 0)
    found = {"kept": sums.sum() / total, "kept_low": low, "kept_high": high}
    return 100 * pd.DataFrame(found, index=sums.columns)


def _with_width(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose intervals of `kept` have a width: where no draw differs, that of the drop."""
    flat = rows["kept_high"] - rows["kept_low"] < 1e-9
    ends = {f"kept_{a}": 100 - 100 * rows[b] / rows["clean"] for a, b in _OPPOSITE}
    kept = {name: rows[name].where(~flat, end).clip(lower=0) for name, end in ends.items()}
    return rows.assign(**kept)


def _in_order(rows: pd.DataFrame, cells: pd.DataFrame) -> dict[str, int]:
    """Places of what is ranked together, in the order of the table of all."""
    among = dict(zip(map(tuple, rows[_NETWORK].to_numpy()), rows["among"], strict=True))
    lines = map(tuple, cells[_NETWORK].to_numpy())
    found = dict.fromkeys(among[line] for line in lines if line in among)
    return {name: at for at, name in enumerate(found)}


def _ranked(rows: pd.DataFrame, places: dict[str, int]) -> pd.DataFrame:
    """Rows with their rank, those of a rank together, not ranked ones last; `places`: of the
    values of `among`."""
    able = rows["clean_low"] > rows["chance"]
    means = rows[able & rows["degree"].eq(MEAN)]
    ranks = means["drop"].round(9).groupby(means["among"]).rank(method="min")
    of_line = dict(zip(map(tuple, means[["network", "arm"]].to_numpy()), ranks, strict=True))
    lines = zip(rows["network"], rows["arm"], strict=True)
    rank = pd.Series([of_line.get(line) for line in lines], rows.index, dtype="Int64")
    rows = rows.assign(rank=rank, place=rows["among"].map(places))
    return rows.sort_values(["place", "rank", "network"], kind="stable", na_position="last")


def text_table(rows: pd.DataFrame, pairs: pd.DataFrame) -> TextTable:
    """The study as texts: a block per what is ranked together."""
    shown = list(dict.fromkeys(rows["degree"]))
    head = ["rank", "network", "seeds", "clean, %", *shown, "kept, %"]
    head += ["undecided against", "published, %"]
    blocks = [
        (title_of(of_among), [_line(part, shown, pairs) for _, part in of_among.groupby(
            ["network", "arm"], sort=False)])
        for _, of_among in rows.groupby("among", sort=False)
    ]  # fmt: skip
    title = "Top-1 lost under occlusion, from the clean twin, in points"
    return TextTable("study", title, head, blocks, _notes(rows, pairs))


def title_of(of_among: pd.DataFrame) -> str:
    """What the rows (DROP) of networks that are ranked together are."""
    among = str(of_among["among"].iloc[0])
    return f"arm {among}" if of_among["arm"].eq(among).all() else among


def _line(part: pd.DataFrame, shown: Sequence[str], pairs: pd.DataFrame) -> list[str]:
    by_degree = part.set_index("degree")
    mean = by_degree.loc[MEAN]
    own = mean["arm"] != mean["among"]
    name = f"{mean['network']} {mean['arm']}" if own else str(mean["network"])
    known = not pd.isna(mean["published_top1"])
    return [
        ABSENT if pd.isna(mean["rank"]) else str(mean["rank"]),
        name,
        str(mean["seeds"]),
        _between(mean, "clean", ("clean_low", "clean_high")),
        *(_drop_text(by_degree.loc[degree]) for degree in shown),
        ABSENT if pd.isna(mean["kept"]) else _between(mean, "kept", ("kept_low", "kept_high")),
        undecided(pairs, mean["among"], mean["network"], mean["arm"]) or ABSENT,
        "{published_top1:.1f} ({published_frames:.0f})".format(**mean) if known else ABSENT,
    ]


def _drop_text(cell: pd.Series) -> str:
    spread = "" if pd.isna(cell["sd"]) else f" ± {cell['sd']:.1f}"
    return f"{cell['drop']:.1f}{spread} [{cell['low']:.1f}, {cell['high']:.1f}]"


def _between(cell: pd.Series, value: str, edges: tuple[str, str]) -> str:
    return f"{cell[value]:.1f} [{cell[edges[0]]:.1f}, {cell[edges[1]]:.1f}]"


def _notes(rows: pd.DataFrame, pairs: pd.DataFrame) -> list[str]:
    fewest = rows["clips"].min()
    notes = [
        f"drop: top-1 on the clean twin less that on the occluded clip, points, paired over "
        f"N={fewest:,} source clips, mean over seeds ± standard deviation over seeds [95 % "
        "interval that draws groups of clips], below 0 better on the occluded clips; mean: over "
        "degrees; kept: the accuracy on occluded clips in percent of that on clean twins",
        "rank: by the mean drop, 1 loses least; - where the interval of the clean accuracy "
        "reaches chance: such a network has nothing to lose",
        f"undecided against: networks from which it cannot be told apart, of {len(pairs)} pairs "
        "(pairs.csv; p corrected by Holm, 5 %)",
    ]
    if rows["seeds"].min() < 3:
        notes.append(
            "with fewer than three seeds nothing is known of other trainings: another seed may "
            "rank the networks otherwise"
        )
    if rows["published_top1"].notna().any():
        notes.append(
            "published: top-1 (at so many frames) of the CNN study on mini-Kinetics, clean clips, "
            "from ImageNet weights: an order of the networks, no figure to compare with other "
            "clips and classes"
        )
    return notes
