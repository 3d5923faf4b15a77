"""How much of their accuracy models keep under occlusion: curve, AUC of occlusion, mPC and rPC.

The x axis is the measured share of the actor that the occluder hides (paper.hidden), 0 for the
clean twins. The occluded clips of all degrees are pooled into paper.bins bins of equal numbers. A
bin lies at x_b, the mean share of its clips, which is the same for all models; a_b is the top-1 of
a model in it; x_0 = 0 and a_0 is its top-1 on the clean twins. With straight lines between these
points,

    AUC   1/X times the integral of a(x) from 0 to X = x_B, by the trapezoidal rule: the mean top-1
          over shares from 0 to the mean of the last bin
    mPC   mean over the degrees (D-25, D-50, D-75, each with the same weight) of top-1
    rPC   mPC / top-1 on the clean twins

AUC is after the AUC_occ of Pelt et al., "OASIC", arXiv 2604.04012, with this range and rule; mPC
and rPC are those of Michaelis et al., "Benchmarking robustness in object detection", arXiv
1907.07484, after Hendrycks & Dietterich, ICLR 2019, of one corruption, occlusion, whose severities
are the degrees. AUC weighs by what is hidden, mPC by how the sets were made.

Reference lines are oracles, which know at test what a user does not:

    severity   of each degree the network that was trained at that scale alone (arms scale_0.25,
               ...), of the clean twins that of scale_0 or of the arm clean
    greyed     the model's predictions of the sets D-25-greyed, ... of the stage variants, the
               clips with a grey occluder, at the share that is hidden in the same clip of D-25

Intervals are 95 % percentile intervals of draws of groups, the same draws for all numbers and
models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.integrate import trapezoid

from occludenet_build.config.training import ONE_SCALE
from occludenet_build.recognition.accuracy import (
    SHARES,
    drawn_means,
    one_clip_points,
    percentile_edges,
    widen,
)
from occludenet_build.recognition.prediction_table import Predictions
from occludenet_build.release.terms import CLEAN, set_name, ungreyed_set
from occludenet_build.results.paper.common_clips import (
    degree_sets,
    equal_counts,
    is_side_arm,
    need_degrees,
    series_of,
)
from occludenet_build.results.paper.inputs import Inputs, MissingInput
from occludenet_build.results.paper.published import printed_values
from occludenet_build.results.paper.table import CELL, PaperTable, table_of_cells

MODEL, SEVERITY, GREYED = "model", "severity", "greyed"
"""Kinds of series."""
_SCORES = ("mPC", "rPC", "AUC")


def robustness(inputs: Inputs) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The points of the curves, and the scores of the models and reference lines.

    Points: series, kind, bin (0: the clean twins), x, from_, to (shares hidden), mean (top-1), low,
    high, n (clips and degrees), groups. Scores: series, kind, score (a set, mPC, rPC or AUC),
    value, low, high (shares), clips, groups, seeds; rPC and AUC are nan for a series without clean
    twins. Raises MissingInput where no clip has a measured share, or without clean twins.
    """
    kinds, rows = _series(inputs)
    rows, places = _binned(rows, inputs.config.paper.bins)
    sums, counts = _by_group(rows)
    random, resamples = inputs.random("robustness", "bootstrap"), inputs.config.paper.bootstrap
    drawn = drawn_means(sums.to_numpy(), counts.to_numpy(), random, resamples)
    draws = pd.DataFrame(drawn, columns=sums.columns)
    means = sums.sum() / counts.sum()
    groups = (counts > 0).sum()
    points, scores = [], []
    for series, kind in kinds.items():
        found = _Series(means[series], draws[series], groups[series], places)
        points.append(found.points(counts.sum()[series]).assign(series=series, kind=kind))
        of_series = rows[rows["series"] == series]
        facts = {"clips": of_series["clip"].nunique(), "groups": of_series["group"].nunique()}
        facts |= {"seeds": int(of_series["seeds"].max())}
        scores.append(found.scores().assign(series=series, kind=kind, **facts))
    return pd.concat(points, ignore_index=True), pd.concat(scores, ignore_index=True)


def _series(inputs: Inputs) -> tuple[dict[str, str], pd.DataFrame]:
    """The kind of each series, and rows of `common_clips.model_series` with `hidden`, for those
    with all degrees."""
    plain = [one for one in inputs.predicted if not is_side_arm(one.about)]
    extra = {SEVERITY: _severity_aware(inputs.predicted), GREYED: _greyed(plain)}
    kinds = {one.about.name: MODEL for one in plain}
    kinds |= {one.about.name: kind for kind, these in extra.items() for one in these}
    rows = series_of([*plain, *extra[SEVERITY], *extra[GREYED]], inputs)
    sets = need_degrees(rows, "robustness", clean=True)
    rows = _with_share(rows[rows["set"].isin([CLEAN, *sets])], inputs)
    complete = rows[rows["set"] != CLEAN].groupby("series")["set"].nunique() == len(sets)
    rows = rows[rows["series"].isin(complete.index[complete])]
    return {name: kind for name, kind in kinds.items() if rows["series"].eq(name).any()}, rows


def _severity_aware(predicted: Sequence[Predictions]) -> list[Predictions]:
    """Of each model and seed the predictions of the networks of one scale, at their own scale.

    Of the clean twins those of scale_0, or else of the arm clean.
    """
    found: dict[tuple[str, int | None], dict[str, Predictions]] = {}
    for one in predicted:
        arm = one.about.arm or ""
        if arm.startswith(ONE_SCALE) or arm == CLEAN:
            about = replace(one.about, model=f"{one.about.model}: a network per scale", arm=None)
            own = _own_set(arm)
            parts = found.setdefault((about.model, about.seed), {})
            if own not in parts or arm != CLEAN:
                parts[own] = Predictions(about, one.rows[one.rows["set"] == own])
    return [
        Predictions(
            next(iter(parts.values())).about,
            pd.concat([part.rows for part in parts.values()], ignore_index=True),
        )
        for parts in found.values()
        if set(parts) != {CLEAN}
    ]


def _own_set(arm: str) -> str:
    """The set with the scale of an arm's training: `D-25` for scale_0.25."""
    scale = 0.0 if arm == CLEAN else float(arm.removeprefix(ONE_SCALE))
    return set_name(scale) if scale else CLEAN


def _greyed(predicted: Sequence[Predictions]) -> list[Predictions]:
    """The predictions of clips with a grey occluder, as if of the degrees themselves."""
    found = []
    for one in predicted:
        plain = one.rows["set"].map(ungreyed_set)
        if plain.notna().any():
            rows = one.rows.assign(set=plain.where(one.rows["set"] != CLEAN, CLEAN))
            rows = rows[rows["set"].notna()].copy()
            rows[["degree", "area_ratio", "actor_hidden", "duration_ratio"]] = np.nan
            name = f"{one.about.name}: occluder greyed"
            found.append(Predictions(replace(one.about, model=name, arm=None), rows))
    return found


def _with_share(rows: pd.DataFrame, inputs: Inputs) -> pd.DataFrame:
    measure = inputs.config.paper.hidden
    hidden = rows[measure].where(rows["set"] != CLEAN, 0.0)
    if rows.loc[hidden.notna(), "set"].isin(degree_sets(rows)).any():
        return rows.assign(hidden=hidden)[hidden.notna()]
    raise MissingInput(
        f"robustness: no clip of {', '.join(degree_sets(rows))} has a measured {measure}; it comes "
        "from annotate/clips.parquet: build OccludeNet-D here, name a build in predictions.builds, "
        "or set paper.hidden to area_ratio, which needs no masks"
    )


def _binned(rows: pd.DataFrame, bins: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`rows` with their `bin`, and the bins, indexed by number: x, from_, to. Bin 0: clean."""
    clips = rows.drop_duplicates(["set", "clip"])
    borders = equal_counts(clips.loc[clips["set"] != CLEAN, "hidden"], bins)
    bins_of = np.searchsorted(borders, rows["hidden"], side="right").clip(1, len(borders) - 1)
    rows = rows.assign(bin=np.where(rows["set"] == CLEAN, 0, bins_of))
    places = rows.drop_duplicates(["set", "clip"]).groupby("bin")["hidden"].mean().to_frame("x")
    edges = np.concatenate([[0.0], borders])
    places["from_"], places["to"] = edges[places.index], np.append(edges[1:], 0)[places.index]
    places.loc[places.index == 0, ["from_", "to"]] = 0.0
    return rows, places


def _by_group(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What each group adds to the sums and numbers of clips of every set and bin of a series.

    Both float64, indexed by group, with columns (series, set or bin).
    """
    parts = [rows.assign(part=rows[name]) for name in ("set", "bin")]
    keys = ["series", "part", "group"]
    found = pd.concat(parts).groupby(keys, sort=False)["top1"].agg(["sum", "size"])
    tables = (found[name].unstack(["series", "part"], fill_value=0) for name in ("sum", "size"))
    sums, counts = (table.astype(float) for table in tables)
    return sums, counts


class _Series:
    """Means and draws of one series; indexed by set and by number of the bin."""

    def __init__(
        self, means: pd.Series, draws: pd.DataFrame, groups: pd.Series, places: pd.DataFrame
    ) -> None:
        self._means, self._draws, self._groups, self._places = means, draws, groups, places
        self._bins = [name for name in places.index if name in means.index]
        self._sets = sorted(
            (name for name in means.index if isinstance(name, str) and name != CLEAN),
            key=lambda name: float(name.removeprefix("D-")),
        )

    def points(self, n: pd.Series) -> pd.DataFrame:
        """A row per bin, as in `robustness`."""
        edges = self._edges(self._draws[self._bins], self._groups[self._bins])
        return self._places.loc[self._bins].assign(
            mean=self._means[self._bins], low=edges[0], high=edges[1],
            n=n[self._bins].astype(int), groups=self._groups[self._bins],
        ).rename_axis("bin").reset_index()  # fmt: skip

    def scores(self) -> pd.DataFrame:
        """A row per set and score, as in `robustness`."""
        sets = [*([CLEAN] if CLEAN in self._means else []), *self._sets]
        mean, drawn = (self._with_scores(t, sets) for t in (self._means.to_frame().T, self._draws))
        groups = self._groups[sets].reindex(drawn.columns, fill_value=self._groups.max())
        found = pd.DataFrame(self._edges(drawn, groups), ["low", "high"], drawn.columns)
        found.loc["value"] = mean.iloc[0].to_numpy(float)
        found["rPC"] = self._relative(found, drawn)
        return found[[*sets, *_SCORES]].T.rename_axis("score").reset_index()

    def _with_scores(self, table: pd.DataFrame, sets: list[str]) -> pd.DataFrame:
        """The columns `sets`, mPC and AUC of each row of `table`."""
        mean = table[self._sets].mean(axis=1, skipna=False)
        return table[sets].assign(mPC=mean, AUC=self._area(table))

    def _area(self, table: pd.DataFrame) -> np.ndarray | float:
        """AUC of each row of `table`; nan without clean twins."""
        if 0 not in self._bins or len(self._bins) < 2:
            return np.nan
        x = self._places.loc[self._bins, "x"].to_numpy()
        return trapezoid(table[self._bins].to_numpy(float), x, axis=1) / (x[-1] or np.nan)

    def _relative(self, found: pd.DataFrame, drawn: pd.DataFrame) -> list[float]:
        """Low, high and value of rPC. Where no draw differs, the ends follow from those of mPC and
        of the clean twins."""
        if CLEAN not in found or not found.loc["value", CLEAN]:
            return [np.nan] * 3
        clean = drawn[CLEAN].where(drawn[CLEAN] > 0)
        low, high = percentile_edges((drawn["mPC"] / clean).to_numpy()[:, None])[:, 0]
        if not high - low > 1e-12:
            low = found.loc["low", "mPC"] / found.loc["high", CLEAN]
            high = found.loc["high", "mPC"] / (found.loc["low", CLEAN] or np.nan)
        return [low, high, found.loc["value", "mPC"] / found.loc["value", CLEAN]]

    @staticmethod
    def _edges(drawn: pd.DataFrame, groups: pd.Series) -> np.ndarray:
        edges = percentile_edges(drawn.to_numpy(float))
        widen(edges, groups.to_numpy(), SHARES)
        return edges


def table_robustness(inputs: Inputs) -> PaperTable:
    """The scores of `robustness` as a table; nothing of it is printed in the paper."""
    points, scores = robustness(inputs)
    last = points.groupby("bin")["x"].first().iloc[-1]
    found = [_cell(score) for score in scores.to_dict("records")]
    share = inputs.config.paper.hidden
    notes = [
        "[95 % bootstrap interval that draws groups of clips]; the mean over seeds; N source clips",
        f"{CLEAN}: the clean twins; mPC: mean of the degrees; rPC: mPC in percent of {CLEAN}",
        f"AUC: mean top-1 over the measured share of the actor that is hidden ({share}), from 0 "
        f"to {last:.3f}, the mean of the last of {points['bin'].max()} bins of equal numbers",
        "a network per scale, occluder greyed: oracles, which know the scale, or the occluder",
    ]
    printed = printed_values(3).iloc[:0]
    title = "Robustness to occlusion: top-1 accuracy (%), mPC, rPC and AUC of occlusion"
    cells = pd.DataFrame(found, columns=CELL)
    return table_of_cells("table_robustness", title, "Model", printed, cells, notes)


def _cell(score: dict) -> dict[str, object]:
    percent = {name: 100 * score[name] for name in ("value", "low", "high")}
    kept = {name: score[name] for name in ("clips", "groups", "seeds")}
    return {
        "source": "ours", "row": score["series"], "column": score["score"], "metric": "top-1",
        "one_clip": one_clip_points(score["clips"]),
    } | percent | kept  # fmt: skip
