"""Accuracy over the measured share of the actor that is hidden, with its area and reference lines.

The numbers are those of results.paper.robustness.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from occludenet_build.results.charts import COLUMN, MUTED, footnote
from occludenet_build.results.paper.figures.style import (
    band_lines,
    clips_label,
    legend_above,
    legend_height,
)
from occludenet_build.results.paper.inputs import Inputs, PaperFigure
from occludenet_build.results.paper.robustness import GREYED, MODEL, SEVERITY, robustness

_STROKES = {SEVERITY: (0, (4, 1.5)), GREYED: (0, (1.2, 1.2))}
"""Line style of reference lines, by kind."""
_MARKS = {SEVERITY: "x", GREYED: "+"}
_WORDS = {
    "actor_hidden": "Measured share of the actor that is hidden (%)",
    "area_ratio": "Measured share of the actor's box that is hidden (%)",
}


def figure_robustness(inputs: Inputs) -> PaperFigure:
    """Top-1 over the measured share hidden, a line per model, its AUC in the legend."""
    points, scores = robustness(inputs)
    auc = scores[scores["score"] == "AUC"].set_index("series")["value"]
    named = points.assign(series=points["series"].map(lambda name: _label(name, auc[name])))
    drawn = named.assign(x=100 * named["x"])

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        band_lines(axes, drawn[drawn["kind"] == MODEL], "x", ["mean", "low", "high"])
        _references(axes, drawn)
        _bin_numbers(axes, drawn)
        axes.set(xlabel=_WORDS[inputs.config.paper.hidden], ylabel="Top-1 accuracy (%)")
        footnote(figure, "bands: 95 % bootstrap over groups of clips; dashed, dotted: oracles")
        legend_above(figure, axes)

    height = 2.5 + legend_height(named["series"].unique(), COLUMN)
    return inputs.figure("figure_robustness", draw, COLUMN, height, points)


def _label(series: str, auc: float) -> str:
    return series if pd.isna(auc) else f"{series} (AUC {100 * auc:.1f})"


def _references(axes: Axes, drawn: pd.DataFrame) -> None:
    for kind, stroke in _STROKES.items():
        for number, (series, rows) in enumerate(drawn[drawn["kind"] == kind].groupby("series")):
            grey = str(0.25 + 0.2 * (number % 3))
            axes.plot(rows["x"], 100 * rows["mean"], color=grey, linestyle=stroke, label=series,
                      marker=_MARKS[kind], linewidth=0.9)  # fmt: skip


def _bin_numbers(axes: Axes, drawn: pd.DataFrame) -> None:
    """The number of clips of each bin, above it."""
    style: Any = {"rotation": 90, "ha": "center", "va": "bottom", "fontsize": 5, "color": MUTED}
    for _, rows in drawn.groupby("bin"):
        place = axes.get_xaxis_transform()
        axes.text(rows["x"].iloc[0], 1.01, clips_label(rows["n"]), transform=place, **style)
