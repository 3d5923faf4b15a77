"""Figures 5a and 5b: which kinds of actions survive occlusion, mean over the models.

All degrees of OccludeNet-D together, of the clips that every model was shown. A class that stands
under several parents counts for each of them; those under none have a row of their own.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from occludenet_build.core.charts import PAGE, chart
from occludenet_build.paper.figures import scores
from occludenet_build.paper.figures.bootstrap import curve
from occludenet_build.paper.figures.style import (
    BLUE,
    GREY,
    RED,
    clean_marks,
    foot,
    whiskers,
    zero_line,
)
from occludenet_build.paper.inputs import Figure, Inputs, Missing

ORPHANS = "(no parent)"
ENDS = 10
"""Classes at each end of Figure 5b."""


def occluded(inputs: Inputs, what: str) -> tuple[pd.DataFrame, str]:
    """Mean over models, a row per set and clip of OccludeNet-D and its twins; how many models."""
    rows = scores.scores(inputs)
    sets = scores.need_degrees(rows, what)
    wanted = [scores.CLEAN, *sets] if rows["set"].eq(scores.CLEAN).any() else sets
    rows = scores.series_with(rows, wanted, what)
    found = scores.averaged(rows)
    if found.empty:
        raise Missing(f"{what}: no clip was shown to all models; leave out the one that saw others")
    return found, scores.models(rows)


def with_parents(rows: pd.DataFrame, parents: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """`rows` once per parent of their label, in a column `parent`; ORPHANS where there is none."""
    pairs = [(name, parent) for parent, names in parents.items() for name in names]
    map_ = pd.DataFrame(pairs, columns=["label", "parent"]).drop_duplicates()
    return rows.merge(map_, on="label", how="left").fillna({"parent": ORPHANS})


def summary(rows: pd.DataFrame, by: str, inputs: Inputs, name: str) -> pd.DataFrame:
    """by, mean (top-1 on D, 0 to 1), low, high, n (clips), classes, clean, drop (clean - mean).

    clean and drop are NaN where the twins were not evaluated.
    """
    paper, seed, clean = inputs.config.paper, inputs.config.seed, rows["set"].eq(scores.CLEAN)
    found = curve(rows[~clean], [by], "top1", paper, seed, name).set_index(by)
    found["classes"] = rows.groupby(by)["label"].nunique()
    found["clean"] = rows[clean].groupby(by)["top1"].mean()
    return found.assign(drop=found["clean"] - found["mean"]).reset_index()


def by_parent(inputs: Inputs) -> tuple[pd.DataFrame, str]:
    """Figure 5a: SUMMARY by parent, best first, ORPHANS last."""
    rows, of = occluded(inputs, "Figure 5a")
    rows = with_parents(rows, inputs.parents)
    if rows["parent"].eq(ORPHANS).all():
        raise Missing(
            "Figure 5a: none of the classes stands under a parent of Kinetics-400; give a file "
            "with your own in paper.parents"
        )
    found = summary(rows, "parent", inputs, "5a")
    order = found.assign(last=found["parent"].eq(ORPHANS))
    order = order.sort_values(["last", "mean"], ascending=[True, False])
    return order.drop(columns="last").reset_index(drop=True), of


def figure_5a(inputs: Inputs) -> Figure:
    numbers, of = by_parent(inputs)

    def draw(figure: Drawing) -> None:
        axes = figure.subplots()
        _bars(axes, numbers, "parent", BLUE)
        axes.set(xlim=(0, 100), xlabel="Top-1 accuracy (%)")
        foot(figure, f"{of}, all degrees of OccludeNet-D; a class counts for each of its parents;"
             " whiskers: 95 % bootstrap over clips; diamond: clean twins")  # fmt: skip

    height = 0.75 + 0.165 * len(numbers)
    return Figure(chart("figure_5a", draw, PAGE, height, inputs.config.paper.dpi), numbers)


def _bars(axes: Axes, numbers: pd.DataFrame, name: str, colour: str) -> None:
    """Accuracy as horizontal bars from the top, whiskers, a stroke at the clean twins', names."""
    places = np.arange(len(numbers))
    axes.barh(places, 100 * numbers["mean"], height=0.72, color=colour, alpha=0.85)
    whiskers(axes, places, numbers)
    clean_marks(axes, places, numbers["clean"])
    axes.set_yticks(places, [_words(row, name) for row in numbers.to_dict("records")])
    axes.set_ylim(len(numbers) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.tick_params(axis="y", length=0)


def _words(row: dict[str, object], name: str) -> str:
    number = row["classes"]
    classes = f"{number} class{'es' if number != 1 else ''}, " if name == "parent" else ""
    return f"{row[name]}  ({classes}N {row['n']:,})"


def ends(inputs: Inputs) -> tuple[pd.DataFrame, str]:
    """Figure 5b: SUMMARY by class, of the ENDS best and the ENDS worst; `end` best or worst.

    Of fewer than 2 x ENDS classes, half of them at each end. Equal accuracies: by name.
    """
    rows, of = occluded(inputs, "Figure 5b")
    means = rows[rows["set"] != scores.CLEAN].groupby("label")["top1"].mean()
    order = means.sort_index().sort_values(ascending=False, kind="stable").index
    number = min(ENDS, len(order) // 2)
    if number == 0:
        raise Missing("Figure 5b: wanted at least two classes, the predictions know one")
    chosen = dict.fromkeys(order[:number], "best") | dict.fromkeys(order[-number:], "worst")
    found = summary(rows[rows["label"].isin(list(chosen))], "label", inputs, "5b")
    found = found.set_index("label").loc[list(chosen)].reset_index()
    return found.assign(end=found["label"].map(chosen)), of


def figure_5b(inputs: Inputs) -> Figure:
    numbers, of = ends(inputs)
    has_clean = numbers["drop"].notna().any()

    def draw(figure: Drawing) -> None:
        columns = 2 if has_clean else 1
        panels = figure.subplots(
            2, columns, squeeze=False, sharex="col", width_ratios=[3, 2][:columns]
        )
        for line, (end, colour) in zip(panels, (("best", BLUE), ("worst", RED)), strict=True):
            rows = numbers[numbers["end"] == end].reset_index(drop=True)
            _bars(line[0], rows, "label", colour)
            line[0].set_title(f"{len(rows)} {end} classes", loc="left")
            if has_clean:
                _drops(line[1], rows)
        panels[-1][0].set(xlim=(0, 100), xlabel="Top-1 accuracy (%)")
        if has_clean:
            panels[-1][1].set_xlabel("Drop, clean minus occluded (points)")
        foot(figure, f"{of}, all degrees of OccludeNet-D; whiskers: 95 % bootstrap over clips; "
             "diamond: clean twins")  # fmt: skip

    height = 0.9 + 0.17 * len(numbers)
    return Figure(chart("figure_5b", draw, PAGE, height, inputs.config.paper.dpi), numbers)


def _drops(axes: Axes, rows: pd.DataFrame) -> None:
    places = np.arange(len(rows))
    axes.barh(places, 100 * rows["drop"], height=0.72, color=GREY)
    zero_line(axes, "v")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks([])
    axes.set_title("their drop", loc="left")
    axes.grid(visible=True, axis="x")
