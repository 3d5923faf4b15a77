"""Style of the paper's charts, and the published numbers in them.

Series differ in colour, marker and line style; every point states its number of clips N. Published
numbers are a separate grey, dashed series with its own name. They are drawn only where the paper
prints a number (never one read off a picture), and only together with predictions over the 400
classes of Kinetics or of the same set.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from occludenet_build.results.charts import INK, MUTED, PALETTE
from occludenet_build.results.paper import published
from occludenet_build.results.paper.common_clips import clip_range, is_occludenet_d
from occludenet_build.results.paper.inputs import Inputs

BLUE, RED, GREY = "#2b6cb0", "#c0392b", "#9aa5b1"

_MARKS = "osD^vPX*"
_STROKES = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1, 1.5)))


def line_style(number: int) -> dict[str, Any]:
    """Colour, marker and line style of series `number`; the line style changes every 8 series."""
    return {
        "color": PALETTE[number % len(PALETTE)],
        "marker": _MARKS[number % len(_MARKS)],
        "linestyle": _STROKES[number // len(PALETTE) % len(_STROKES)],
    }


def clean_marks(axes: Axes, places: Any, clean: pd.Series) -> None:
    """Diamonds on horizontal bars at `places`: the accuracy of the clean twins, `clean`, 0 to 1."""
    axes.plot(100 * clean, places, "D", color="white", markeredgecolor=INK, markersize=3.2,
              markeredgewidth=0.8, linestyle="none", zorder=4, clip_on=False)  # fmt: skip


def band_lines(
    axes: Axes, numbers: pd.DataFrame, x: str, columns: list[str], factor: float = 100
) -> None:
    """Draw a line per series and its band: `columns` names mean, low and high.

    Values are multiplied by `factor`; `x`: the column of the horizontal axis.
    """
    for number, (series, rows) in enumerate(numbers.groupby("series", sort=True)):
        style = line_style(number)
        values, low, high = (factor * rows[name] for name in columns)
        axes.fill_between(rows[x], low, high, color=style["color"], alpha=0.13, linewidth=0)
        axes.plot(rows[x], values, label=series, **style)


def legend_above(figure: Figure, axes: Axes) -> None:
    """A legend above the axes, with as many columns as fit; long names are wrapped."""
    handles, names = axes.get_legend_handles_labels()
    wrapped = ["\n".join(textwrap.wrap(name, _LONGEST)) for name in names]
    columns = _columns(names, figure.get_figwidth())
    figure.legend(handles, wrapped, loc="outside upper center", ncols=columns)


def legend_height(names: Iterable[str], width: float) -> float:
    """Height of `legend_above` in a figure of this width, both in inches."""
    names = list(names)
    lines = -(-len(names) // _columns(names, width))
    return 0.1 + 0.125 * lines + 0.1 * sum(len(name) > _LONGEST for name in names)


_LONGEST = 60
"""Characters of a name per line, as many as fit into a column of a paper."""


def _columns(names: Sequence[str], width: float) -> int:
    """The largest number of columns, 1 to 4, whose names fit side by side."""
    for columns in range(min(4, len(names)), 1, -1):
        lines = -(-len(names) // columns)
        parts = [names[start : start + lines] for start in range(0, len(names), lines)]
        if sum(0.42 + 0.047 * max(map(len, part)) for part in parts) <= width:
            return columns
    return 1


def clips_label(n: pd.Series) -> str:
    """`N 120`, or `N 118-120` where the numbers of clips `n` of the series differ.

    >>> clips_label(pd.Series([1200, 1200])), clips_label(pd.Series([3, 5]))
    ('N 1,200', 'N 3-5')
    """
    return f"N {clip_range(n, '-')}"


def zero_line(axes: Axes, way: str = "h") -> None:
    """A thin line at 0, horizontal ("h") or vertical ("v")."""
    (axes.axhline if way == "h" else axes.axvline)(0, color=INK, linewidth=0.6)


def whiskers(axes: Axes, places: Any, numbers: pd.DataFrame, factor: float = 100) -> None:
    """95 % intervals on horizontal bars at `places`, from the columns mean, low and high."""
    mean = factor * numbers["mean"].to_numpy()
    low, high = factor * numbers["low"].to_numpy(), factor * numbers["high"].to_numpy()
    edges = [(mean - low).clip(0), (high - mean).clip(0)]
    axes.errorbar(mean, places, xerr=edges, fmt="none", ecolor=INK, elinewidth=0.6)


OURS, PAPER = "ours", "paper"
KINETICS = 400

_LEVELS = {"Unoccluded": 0.0, "Slight": 0.25, "Moderate": 0.5, "Heavy": 0.75}
_NAME = "printed in the paper: mean of 7 models"


def comparable(inputs: Inputs) -> bool:
    """Whether every model with predictions of OccludeNet-D knows the 400 classes of Kinetics."""
    on_d = [one for one in inputs.predicted if is_occludenet_d(one.rows["set"]).any()]
    return all(len(one.about.labels) == KINETICS for one in on_d)


def published_levels(metric: str) -> pd.DataFrame:
    """The means of Table 3: series, degree, mean (0 to 1), source; `metric`: top-1 or top-5."""
    rows = published.printed_values(3)
    rows = rows[rows["metric"] == metric]
    degree = rows["column"].map(_LEVELS).to_numpy()
    mean = rows["value"].to_numpy() / 100
    found = pd.DataFrame({"series": _NAME, "degree": degree, "mean": mean, "source": PAPER})
    return found.sort_values("degree").reset_index(drop=True)


def published_drops(metric: str) -> pd.DataFrame:
    """The drops of Table 3, unoccluded minus each degree; columns as in `published_levels`."""
    found = published_levels(metric)
    clean = found.loc[found["degree"] == 0, "mean"].item()
    return found[found["degree"] > 0].assign(mean=lambda rows: clean - rows["mean"])


def with_published(numbers: pd.DataFrame, printed: pd.DataFrame, inputs: Inputs) -> pd.DataFrame:
    """The measured numbers with a column `source`; if comparable, the published ones follow."""
    ours = numbers.assign(source=OURS)
    return pd.concat([ours, printed], ignore_index=True) if comparable(inputs) else ours


def draw_published_line(axes: Axes, numbers: pd.DataFrame) -> None:
    """Draw the published series, if the numbers contain it."""
    rows = numbers[numbers["source"] == PAPER]
    if len(rows):
        axes.plot(rows["degree"], 100 * rows["mean"], color=MUTED, linestyle=(0, (3, 2)),
                  linewidth=0.9, label=_NAME)  # fmt: skip


def draw_published_level(axes: Axes, percent: float, places: list[int]) -> None:
    """Draw one published number as a dashed line over the groups of bars at `places`."""
    label: str | None = f"printed in the paper: {percent:.2f}"
    for place in places:
        axes.plot([place - 0.45, place + 0.45], [percent, percent], color=MUTED, label=label,
                  linestyle=(0, (3, 2)), linewidth=0.9)  # fmt: skip
        label = None


def best_on_s() -> float:
    """The best top-1 on S after training on OccludeNet-D, percent, from the caption of Figure 7."""
    return float(published.printed_figures()["figure_7"]["top1_percent"])
