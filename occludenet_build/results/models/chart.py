"""The losses of all networks as a figure: a line per network, in the order of the ranks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from occludenet_build.results.charts import INK, PALETTE, draw_svg
from occludenet_build.results.models.study import MEAN, title_of

_LINE = 0.26
"""Height of a line, inches."""
_BESIDE = 0.25
"""Distance of the outermost degrees from their line, in lines: equal drops hide no dot."""


def drops_chart(rows: pd.DataFrame) -> str:
    """SVG of the drops (study.DROP): the mean over degrees with its interval, and each degree."""
    among = list(dict.fromkeys(rows["among"]))
    lines = [rows[rows["among"].eq(name) & rows["degree"].eq(MEAN)] for name in among]
    heights = [len(part) for part in lines]

    def draw(figure: Figure) -> None:
        panels = figure.subplots(
            len(among), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
        )[:, 0]
        for axes, name, means in zip(panels, among, lines, strict=True):
            _draw_panel(axes, rows[rows["among"] == name], means)
            axes.set_title(title_of(rows[rows["among"] == name]), loc="left")
        panels[-1].set_xlabel("top-1 lost from the clean twin, points")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))

    return draw_svg("models", draw, 6.6, 1.1 + _LINE * sum(heights) + 0.3 * len(among))


def _draw_panel(axes: Axes, rows: pd.DataFrame, means: pd.DataFrame) -> None:
    names = list(zip(means["network"], means["arm"], strict=True))
    places = np.arange(len(names))[::-1]
    edges = np.array([means["drop"] - means["low"], means["high"] - means["drop"]])
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.errorbar(
        means["drop"], places, xerr=edges, fmt="o", color=INK, capsize=3, markersize=5,
        label="mean of the degrees, 95 % interval",
    )  # fmt: skip
    place = dict(zip(names, places, strict=True))
    degrees = [name for name in dict.fromkeys(rows["degree"]) if name != MEAN]
    beside = np.linspace(_BESIDE, -_BESIDE, len(degrees)) if len(degrees) > 1 else [_BESIDE]
    for degree, colour, shift in zip(degrees, PALETTE * len(degrees), beside, strict=False):
        part = rows[rows["degree"] == degree]
        at = [place[key] + shift for key in zip(part["network"], part["arm"], strict=True)]
        axes.scatter(part["drop"], at, s=14, color=colour, label=degree, zorder=3)
    labels = [f"{n} {a}" if a != g else n for (n, a), g in zip(names, means["among"], strict=True)]
    axes.set_yticks(places, labels)
    axes.grid(axis="x")
    axes.grid(axis="y", visible=False)
    axes.set_ylim(-0.7, len(names) - 0.3)
