"""Figures 15 and 16: the classes of the parents that occlusion hurts most (blue), least (red).

The drop is clean minus occluded, clip by clip, all degrees of OccludeNet-D together, mean over the
models; a parent's is over all clips of its classes. Parents of fewer than MIN_CLASSES evaluated
classes are not ranked: a parent of one class is that class.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from occludenet_build.core.charts import PAGE, chart
from occludenet_build.paper.figures import classes, scores
from occludenet_build.paper.figures.bootstrap import curve
from occludenet_build.paper.figures.style import BLUE, RED, foot, whiskers, zero_line
from occludenet_build.paper.inputs import Figure, Inputs, Missing

PARENTS = 4
"""Parents in a figure, as in the paper's text."""
MIN_CLASSES = 2


def drops(inputs: Inputs, what: str) -> tuple[pd.DataFrame, str]:
    """set, clip, label, drop (-1 to 1), mean over models: a row per clip and degree."""
    rows = scores.scores(inputs)
    sets = scores.need_degrees(rows, what, clean=True)
    rows = scores.series_with(rows, [scores.CLEAN, *sets], what)
    found = scores.paired(scores.averaged(rows).assign(series=""))
    if found.empty:
        raise Missing(f"{what}: no clip was shown to all models, clean and occluded")
    return found, scores.models(rows)


def subclasses(inputs: Inputs, what: str, most: bool) -> tuple[pd.DataFrame, str]:
    """parent, parent_drop, parent_n, label, mean (drop, -1 to 1), low, high, n; largest first.

    The PARENTS with the largest drop, or with the smallest.
    """
    rows, of = drops(inputs, what)
    rows = classes.with_parents(rows, inputs.parents)
    rows = rows[rows["parent"] != classes.ORPHANS]
    grouped = rows.groupby("parent")
    ranked = grouped["drop"].agg(parent_drop="mean", parent_n="size")
    ranked = ranked[grouped["label"].nunique() >= MIN_CLASSES]
    if ranked.empty:
        raise Missing(
            f"{what}: no parent class has {MIN_CLASSES} classes with predictions; evaluate more "
            "classes of Kinetics-400, or give your own parents in paper.parents"
        )
    ranked = ranked.sort_values(["parent_drop"], ascending=not most, kind="stable").head(PARENTS)
    rows = rows[rows["parent"].isin(ranked.index)]
    paper, seed = inputs.config.paper, inputs.config.seed
    found = curve(rows, ["parent", "label"], "drop", paper, seed, what)
    found = found.join(ranked, on="parent").sort_values(
        ["parent_drop", "parent", "mean", "label"], ascending=[not most, True, False, True]
    )
    return found.reset_index(drop=True), of


def figure_15(inputs: Inputs) -> Figure:
    return _figure("figure_15", *subclasses(inputs, "Figure 15", most=True), BLUE, inputs)


def figure_16(inputs: Inputs) -> Figure:
    return _figure("figure_16", *subclasses(inputs, "Figure 16", most=False), RED, inputs)


def _figure(name: str, numbers: pd.DataFrame, of: str, colour: str, inputs: Inputs) -> Figure:
    parents = list(numbers["parent"].unique())
    lines = -(-len(parents) // 2)
    longest = [
        max(int((numbers["parent"] == parent).sum()) for parent in parents[2 * line : 2 * line + 2])
        for line in range(lines)
    ]

    def draw(figure: Drawing) -> None:
        grid = figure.subplots(
            lines, min(2, len(parents)), squeeze=False, sharex=True, height_ratios=longest
        )
        for axes in grid.flat[len(parents) :]:
            axes.set_visible(False)
        for axes, parent in zip(grid.flat, parents, strict=False):
            _panel(axes, numbers[numbers["parent"] == parent], colour)
        for line, number in zip(grid, longest, strict=True):
            for axes in line:
                axes.set_ylim(number - 0.4, -0.6)
        for axes in grid[-1]:
            axes.set_xlabel("Drop, clean minus occluded (points)")
        foot(figure, f"{of}, all degrees of OccludeNet-D; whiskers: 95 % bootstrap over clips")

    height = 0.6 + sum(0.35 + 0.165 * number for number in longest)
    return Figure(chart(name, draw, PAGE, height, inputs.config.paper.dpi), numbers)


def _panel(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    places = np.arange(len(rows))
    axes.barh(places, 100 * rows["mean"], height=0.72, color=colour, alpha=0.85)
    whiskers(axes, places, rows)
    zero_line(axes, "v")
    names = [f"{row.label}  (N {row.n:,})" for row in rows.itertuples()]
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    first = rows.iloc[0]
    axes.set_title(
        f"{first['parent']}: {100 * first['parent_drop']:.1f} points (N {first['parent_n']:,})",
        loc="left",
    )
