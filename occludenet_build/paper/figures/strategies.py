"""Figure 8: what OccludeNet-D's occluders cost a class, and what those of K-400-O cost it.

The ten classes with the largest drop on OccludeNet-D (mean over its degrees and over the models
that were also shown K-400-O). The paper says "the ten classes with the largest accuracy drop are
randomly selected"; nothing is drawn here. A class's drop is its accuracy on the clean twins minus
that on the set; K-400-O's clips need not be those of the twins.
"""

from __future__ import annotations

import textwrap

import pandas as pd
from matplotlib.figure import Figure as Drawing

from occludenet_build.core.charts import INK, PAGE, PALETTE, chart
from occludenet_build.paper.figures import scores
from occludenet_build.paper.figures.style import foot, legend_above, legend_height, zero_line
from occludenet_build.paper.inputs import Figure, Inputs

OTHER = "K-400-O"
CLASSES = 10
_SHADES = ("#9ecae1", "#4292c6", "#08519c")


def drops(inputs: Inputs) -> pd.DataFrame:
    """series, label, set, accuracy (top-1, 0 to 1), n, clean, clean_n, drop; worst class first."""
    rows = scores.scores(inputs)
    sets = scores.degrees(rows) or scores.DEGREES
    rows = scores.series_with(rows, [scores.CLEAN, *sets, OTHER], "Figure 8")
    grouped = rows.groupby(["series", "label", "set"])["top1"]
    found = grouped.agg(accuracy="mean", n="size").reset_index()
    clean = found[found["set"] == scores.CLEAN].set_index(["series", "label"])
    clean = clean[["accuracy", "n"]].set_axis(["clean", "clean_n"], axis=1)
    found = found[found["set"] != scores.CLEAN].join(clean, on=["series", "label"], how="inner")
    found["drop"] = found["clean"] - found["accuracy"]
    mean = found[found["set"] != OTHER].groupby("label")["drop"].mean()
    both = set(found.loc[found["set"] == OTHER, "label"])
    worst = mean[mean.index.isin(both)].sort_values(ascending=False, kind="stable").head(CLASSES)
    found = found[found["label"].isin(worst.index)].assign(rank=lambda d: d["label"].map(
        {label: rank for rank, label in enumerate(worst.index)}))  # fmt: skip
    return found.sort_values(["rank", "set", "series"]).reset_index(drop=True)


def figure_8(inputs: Inputs) -> Figure:
    numbers = drops(inputs)
    labels = list(numbers["label"].unique())
    sets = [*scores.degrees(numbers), OTHER]
    colours = [*[_SHADES[min(n, 2)] for n in range(len(sets) - 1)], PALETTE[1]]
    width = 0.82 / len(sets)

    def draw(figure: Drawing) -> None:
        axes = figure.subplots()
        for number, (name, colour) in enumerate(zip(sets, colours, strict=True)):
            rows = numbers[numbers["set"] == name]
            places = {
                label: at + (number - (len(sets) - 1) / 2) * width
                for at, label in enumerate(labels)
            }
            means = rows.groupby("label")["drop"].mean()
            at = [places[label] for label in means.index]
            axes.bar(at, 100 * means, 0.94 * width, color=colour, label=name)
            dots = rows["label"].map(places)
            axes.scatter(dots, 100 * rows["drop"], s=3, color=INK, linewidths=0, zorder=3)
        zero_line(axes)
        axes.set_xticks(range(len(labels)), [_label(numbers, label) for label in labels])
        axes.set(ylabel="Accuracy drop from clean (points)")
        foot(
            figure,
            f"bars: {scores.models(numbers)}; dots: each of them; N: clips of a degree of "
            f"OccludeNet-D | of {OTHER}",
        )
        legend_above(figure, axes)

    height = 2.6 + legend_height(sets, PAGE)
    return Figure(chart("figure_8", draw, PAGE, height, inputs.config.paper.dpi), numbers)


def _label(numbers: pd.DataFrame, label: str) -> str:
    """The class with its clips: of a degree of OccludeNet-D, and of K-400-O."""
    rows = numbers[numbers["label"] == label]
    of_other = rows["set"] == OTHER
    n = f"N {rows.loc[~of_other, 'n'].max():,} | {rows.loc[of_other, 'n'].max():,}"
    return "\n".join([*textwrap.wrap(label, 13), n])
