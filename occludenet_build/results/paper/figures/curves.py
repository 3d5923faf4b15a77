"""Figures 4a, 4b, 4c and 14: accuracy against how much is occluded, a line per model.

Bands are 95 % bootstrap intervals over source clips (accuracy.bootstrap_curve). 4a and 14 stand at the
nominal degrees, the sets of OccludeNet-D; 4b and 4c pool these sets and put each clip where it was
measured. 4b's bins hold equal numbers of clips, since area ratios crowd at the small end; 4c's have
equal widths, since most clips are occluded all the time and quantiles would coincide.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from occludenet_build.recognition.accuracy import DIFFERENCES, bootstrap_curve
from occludenet_build.release.terms import CLEAN
from occludenet_build.results.charts import COLUMN, LINE, MUTED, draw_chart
from occludenet_build.results.paper.common_clips import (
    NO_TOP5,
    clip_drops,
    model_series,
    need_degrees,
)
from occludenet_build.results.paper.figures.style import (
    OURS,
    band_lines,
    clips_label,
    draw_published_line,
    footnote,
    legend_above,
    legend_height,
    published_drops,
    published_levels,
    with_published,
)
from occludenet_build.results.paper.inputs import Inputs, MissingInput, PaperFigure

_BAND = ["mean", "low", "high"]


def by_degree(inputs: Inputs) -> pd.DataFrame:
    """Figure 4a: series, set, degree (0: clean), mean (top-1, 0 to 1), low, high, n.

    Raises Missing without predictions of OccludeNet-D.
    """
    rows = model_series(inputs)
    sets = need_degrees(rows, "Figure 4a")
    rows = rows[rows["set"].isin([CLEAN, *sets])]
    random, resamples = inputs.random("4a", "bootstrap"), inputs.config.paper.bootstrap
    return _by_degree(bootstrap_curve(rows, ["series", "set"], "top1", random, resamples))


def _by_degree(found: pd.DataFrame) -> pd.DataFrame:
    return found.assign(degree=found["set"].map(_degree)).sort_values(["series", "degree"])


def _degree(name: str) -> float:
    return 0.0 if name == CLEAN else float(name.removeprefix("D-")) / 100


def figure_4a(inputs: Inputs) -> PaperFigure:
    """Raises Missing: see `by_degree`."""
    numbers = with_published(by_degree(inputs), published_levels("top-1"), inputs)
    return _degrees("figure_4a", numbers, "Top-1 accuracy (%)", inputs)


def drop_by_degree(inputs: Inputs) -> pd.DataFrame:
    """Figure 14: series, set, degree, mean (top-5 clean minus occluded, -1 to 1), low, high, n.

    Raises Missing without a clip both clean and occluded, or where no model knows so many classes
    that its top-5 can be wrong; others are left out.
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
    random, resamples = inputs.random("14", "bootstrap"), inputs.config.paper.bootstrap
    return _by_degree(
        bootstrap_curve(pairs, ["series", "set"], "drop", random, resamples, DIFFERENCES)
    )


def figure_14(inputs: Inputs) -> PaperFigure:
    """Raises Missing: see `drop_by_degree`."""
    numbers = with_published(drop_by_degree(inputs), published_drops("top-5"), inputs)
    return _degrees("figure_14", numbers, "Top-5 accuracy drop (points)", inputs)


def _degrees(name: str, numbers: pd.DataFrame, words: str, inputs: Inputs) -> PaperFigure:
    ours, names = numbers[numbers["source"] == OURS], numbers["series"].unique()

    def draw(figure: Drawing) -> None:
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
    return PaperFigure(draw_chart(name, draw, COLUMN, height, inputs.config.paper.dpi), numbers)


def accuracy_by_bin(inputs: Inputs, column: str, edges: Callable[[pd.Series, int], np.ndarray],
           what: str) -> pd.DataFrame:  # fmt: skip
    """Figures 4b, 4c: series, bin, x (mean of `column` in the bin), from_, to, mean, low, high, n.

    `edges(values, bins)`: float64 (B + 1,), those of B bins, as `equal_counts`; a value on an edge
    falls into the bin above it, the largest into the last. Raises Missing without a value.
    """
    paper, rows = inputs.config.paper, model_series(inputs)
    sets = need_degrees(rows, what)
    rows = rows[rows["set"].isin(sets) & rows[column].notna()]
    if rows.empty:
        raise MissingInput(
            f"{what}: no clip of {', '.join(sets)} has a measured {column}; it comes from "
            "annotate/clips.parquet: build OccludeNet-D here, or name a build in predictions.builds"
        )
    borders = edges(rows.drop_duplicates(["set", "clip"])[column], paper.bins)
    place = np.searchsorted(borders, rows[column], side="right") - 1
    rows = rows.assign(bin=place.clip(0, len(borders) - 2))
    random = inputs.random(what, "bootstrap")
    found = bootstrap_curve(rows, ["series", "bin"], "top1", random, paper.bootstrap)
    found["x"] = rows.groupby(["series", "bin"])[column].mean().to_numpy()
    return found.assign(from_=borders[found["bin"]], to=borders[found["bin"] + 1])


def equal_counts(values: pd.Series, bins: int) -> np.ndarray:
    """Edges (B + 1,) float64 of B bins with as equal numbers as ties allow, B at most `bins`.

    `values` (N,) float64, without nan.
    """
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)))
    return edges if len(edges) > 1 else np.array([edges[0], edges[0] + 1e-9])


def equal_widths(values: pd.Series, bins: int) -> np.ndarray:
    """Edges (B + 1,) float64 of B = `bins` bins of equal width from 0 to 1."""
    return np.linspace(0, 1, bins + 1)


def figure_4b(inputs: Inputs) -> PaperFigure:
    """Raises Missing: see `accuracy_by_bin`."""
    numbers = accuracy_by_bin(inputs, "area_ratio", equal_counts, "Figure 4b")
    words = "Occlusion area ratio (measured share of the actor's box)"
    return _bins("figure_4b", numbers, words, "equal numbers", inputs)


def figure_4c(inputs: Inputs) -> PaperFigure:
    """Raises Missing: see `accuracy_by_bin`."""
    numbers = accuracy_by_bin(inputs, "duration_ratio", equal_widths, "Figure 4c")
    words = "Occlusion duration ratio (measured share of the frames)"
    return _bins("figure_4c", numbers, words, "equal widths", inputs)


def _bins(name: str, numbers: pd.DataFrame, words: str, kind: str, inputs: Inputs) -> PaperFigure:
    names = numbers["series"].unique()

    def draw(figure: Drawing) -> None:
        axes = figure.subplots()
        band_lines(axes, numbers, "x", _BAND)
        axes.set(xlabel=words, ylabel="Top-1 accuracy (%)")
        _bin_marks(axes, numbers)
        footnote(
            figure, f"bins of {kind}, each drawn at its mean; bands: 95 % bootstrap over clips"
        )
        legend_above(figure, axes)

    height = 2.5 + legend_height(names, COLUMN)
    return PaperFigure(draw_chart(name, draw, COLUMN, height, inputs.config.paper.dpi), numbers)


def _bin_marks(axes: Axes, numbers: pd.DataFrame) -> None:
    """The bins as stripes, with the number of clips in each above them."""
    low, high = numbers["x"].min(), numbers["x"].max()
    axes.set_xlim(max(0.0, low - 0.05 * (high - low)), high + 0.05 * (high - low) + 1e-9)
    left, right = axes.get_xlim()
    place, at = axes.get_xaxis_transform(), -np.inf
    for number, (_, rows) in enumerate(numbers.groupby("bin")):
        edges = rows["from_"].iloc[0], rows["to"].iloc[0]
        if number % 2:
            axes.axvspan(max(left, edges[0]), min(right, edges[1]), color=LINE, alpha=0.35, lw=0)
        at = max(rows["x"].mean(), at + 0.035 * (right - left))
        axes.text(at, 1.01, clips_label(rows["n"]), rotation=90, ha="center", va="bottom", fontsize=5,
                  color=MUTED, transform=place)  # fmt: skip
