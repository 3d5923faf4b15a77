"""Figures 4a, 4b, 4c and 14: accuracy by the extent of the occlusion, a line per model.

Bands are 95 % bootstrap intervals over source clips (accuracy.bootstrap_curve). Figures 4a and 14
use the nominal degrees, the sets of OccludeNet-D; 4b and 4c pool these sets and use the measured
ratios of each clip. The bins of 4b have equal numbers of clips, since most area ratios are small;
those of 4c have equal widths, since most clips are occluded all the time and quantiles coincide.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from occludenet_build.recognition.accuracy import DIFFERENCES
from occludenet_build.release.terms import CLEAN
from occludenet_build.results.charts import COLUMN, LINE, MUTED, footnote
from occludenet_build.results.degrees import clip_drops
from occludenet_build.results.paper.common_clips import (
    NO_TOP5,
    equal_counts,
    model_series,
    need_degrees,
)
from occludenet_build.results.paper.figures.style import (
    OURS,
    band_lines,
    clips_label,
    draw_published_line,
    legend_above,
    legend_height,
    published_drops,
    published_levels,
    with_published,
)
from occludenet_build.results.paper.inputs import Inputs, MissingInput, PaperFigure

_BAND = ["mean", "low", "high"]


def by_degree(inputs: Inputs) -> pd.DataFrame:
    """Numbers of Figure 4a: series, set, degree (0: clean), mean (top-1, 0 to 1), low, high, n."""
    rows = model_series(inputs)
    sets = need_degrees(rows, "Figure 4a")
    rows = rows[rows["set"].isin([CLEAN, *sets])]
    return _by_degree(inputs.curve(rows, ["series", "set"], "top1", "4a"))


def _by_degree(found: pd.DataFrame) -> pd.DataFrame:
    return found.assign(degree=found["set"].map(_degree)).sort_values(["series", "degree"])


def _degree(name: str) -> float:
    return 0.0 if name == CLEAN else float(name.removeprefix("D-")) / 100


def figure_4a(inputs: Inputs) -> PaperFigure:
    """Figure 4a: top-1 by degree."""
    numbers = with_published(by_degree(inputs), published_levels("top-1"), inputs)
    return _degrees("figure_4a", numbers, "Top-1 accuracy (%)", inputs)


def drop_by_degree(inputs: Inputs) -> pd.DataFrame:
    """Numbers of Figure 14: series, set, degree, mean (top-5 clean minus occluded, -1 to 1), low,
    high, n.

    Models whose top-5 is always right are left out. Raises MissingInput where no model is left, or
    where no model has a clip both clean and occluded.
    """
    rows = model_series(inputs)
    need_degrees(rows, "Figure 14", clean=True)
    if rows["top5"].isna().all():
        raise MissingInput(f"Figure 14: {NO_TOP5}; evaluate a model of more classes")
    pairs = clip_drops(rows, "top5")
    if pairs.empty:
        raise MissingInput(
            "Figure 14: no model was shown a clip both clean and occluded; evaluate the set clean "
            "of the same split"
        )
    return _by_degree(inputs.curve(pairs, ["series", "set"], "drop", "14", DIFFERENCES))


def figure_14(inputs: Inputs) -> PaperFigure:
    """Figure 14: top-5 drop by degree."""
    numbers = with_published(drop_by_degree(inputs), published_drops("top-5"), inputs)
    return _degrees("figure_14", numbers, "Top-5 accuracy drop (points)", inputs)


def _degrees(name: str, numbers: pd.DataFrame, words: str, inputs: Inputs) -> PaperFigure:
    ours, names = numbers[numbers["source"] == OURS], numbers["series"].unique()

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        band_lines(axes, ours, "degree", _BAND)
        draw_published_line(axes, numbers)
        ticks = [
            (degree, f"{'clean' if degree == 0 else f'{degree:.2f}'}\n{clips_label(rows['n'])}")
            for degree, rows in ours.groupby("degree")
        ]
        axes.set_xticks([at for at, _ in ticks], [text for _, text in ticks])
        axes.set(xlabel="Occlusion degree", ylabel=words)
        footnote(figure, "bands: 95 % bootstrap over clips")
        legend_above(figure, axes)

    height = 2.35 + legend_height(names, COLUMN)
    return inputs.figure(name, draw, COLUMN, height, numbers)


def accuracy_by_bin(inputs: Inputs, column: str, edges: Callable[[pd.Series, int], np.ndarray],
           what: str) -> pd.DataFrame:  # fmt: skip
    """Numbers of Figures 4b and 4c: series, bin, x (mean of `column` in the bin), from_, to, mean,
    low, high, n.

    `edges(values, bins)` returns the edges float64 (B + 1,) of B bins, as `equal_counts` does. A
    value on an edge belongs to the bin above it, the largest value to the last bin. Raises
    MissingInput where no clip has a measured value.
    """
    rows = model_series(inputs)
    sets = need_degrees(rows, what)
    rows = rows[rows["set"].isin(sets) & rows[column].notna()]
    if rows.empty:
        raise MissingInput(
            f"{what}: no clip of {', '.join(sets)} has a measured {column}; it comes from "
            "annotate/clips.parquet: build OccludeNet-D here, or name a build in predictions.builds"
        )
    borders = edges(rows.drop_duplicates(["set", "clip"])[column], inputs.config.paper.bins)
    bins = np.searchsorted(borders, rows[column], side="right") - 1
    rows = rows.assign(bin=bins.clip(0, len(borders) - 2))
    found = inputs.curve(rows, ["series", "bin"], "top1", what)
    found["x"] = rows.groupby(["series", "bin"])[column].mean().to_numpy()
    return found.assign(from_=borders[found["bin"]], to=borders[found["bin"] + 1])


def equal_widths(values: pd.Series, bins: int) -> np.ndarray:
    """Edges float64 (B + 1,) of B = `bins` bins of equal width from 0 to 1."""
    return np.linspace(0, 1, bins + 1)


def figure_4b(inputs: Inputs) -> PaperFigure:
    """Figure 4b: top-1 by measured area ratio."""
    numbers = accuracy_by_bin(inputs, "area_ratio", equal_counts, "Figure 4b")
    words = "Occlusion area ratio (measured share of the actor's box)"
    return _bins("figure_4b", numbers, words, "equal numbers", inputs)


def figure_4c(inputs: Inputs) -> PaperFigure:
    """Figure 4c: top-1 by measured duration ratio."""
    numbers = accuracy_by_bin(inputs, "duration_ratio", equal_widths, "Figure 4c")
    words = "Occlusion duration ratio (measured share of the frames)"
    return _bins("figure_4c", numbers, words, "equal widths", inputs)


def _bins(name: str, numbers: pd.DataFrame, words: str, kind: str, inputs: Inputs) -> PaperFigure:
    names = numbers["series"].unique()

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        band_lines(axes, numbers, "x", _BAND)
        axes.set(xlabel=words, ylabel="Top-1 accuracy (%)")
        _bin_marks(axes, numbers)
        footnote(
            figure, f"bins of {kind}, each drawn at its mean; bands: 95 % bootstrap over clips"
        )
        legend_above(figure, axes)

    height = 2.5 + legend_height(names, COLUMN)
    return inputs.figure(name, draw, COLUMN, height, numbers)


def _bin_marks(axes: Axes, numbers: pd.DataFrame) -> None:
    """Draw the bins as stripes, with the number of clips of each above."""
    low, high = numbers["x"].min(), numbers["x"].max()
    axes.set_xlim(max(0.0, low - 0.05 * (high - low)), high + 0.05 * (high - low) + 1e-9)
    left, right = axes.get_xlim()
    place, at = axes.get_xaxis_transform(), -np.inf
    for number, (_, rows) in enumerate(numbers.groupby("bin")):
        edges = rows["from_"].iloc[0], rows["to"].iloc[0]
        if number % 2:
            axes.axvspan(max(left, edges[0]), min(right, edges[1]), color=LINE, alpha=0.35, lw=0)
        at = max(rows["x"].mean(), at + 0.035 * (right - left))
        axes.text(at, 1.01, clips_label(rows["n"]), rotation=90, ha="center", va="bottom",
                  fontsize=5, color=MUTED, transform=place)  # fmt: skip
