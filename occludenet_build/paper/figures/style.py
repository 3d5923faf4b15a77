"""How the paper's charts look: lines told apart by colour, mark and stroke; N under every point."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from occludenet_build.core.charts import INK, MUTED, PALETTE
from occludenet_build.paper.common_clips import clip_range

BLUE, RED, GREY = "#2b6cb0", "#c0392b", "#9aa5b1"

_MARKS = "osD^vPX*"
_STROKES = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1, 1.5)))


def line_style(number: int) -> dict[str, Any]:
    """Colour, mark and stroke of the series of this number; more than 8 change their stroke."""
    return {
        "color": PALETTE[number % len(PALETTE)],
        "marker": _MARKS[number % len(_MARKS)],
        "linestyle": _STROKES[number // len(PALETTE) % len(_STROKES)],
    }


def clean_marks(axes: Axes, places: Any, clean: pd.Series) -> None:
    """A diamond at the accuracy of the clean twins (`clean`, 0 to 1), on horizontal bars at these
    places."""
    axes.plot(100 * clean, places, "D", color="white", markeredgecolor=INK, markersize=3.2,
              markeredgewidth=0.8, linestyle="none", zorder=4, clip_on=False)  # fmt: skip


def band_lines(
    axes: Axes, numbers: pd.DataFrame, x: str, columns: list[str], factor: float = 100
) -> None:
    """A line per series through columns[0], its band between columns[1] and columns[2], all times
    `factor`; `x`: the column of the horizontal axis."""
    for number, (series, rows) in enumerate(numbers.groupby("series", sort=True)):
        style = line_style(number)
        values, low, high = (factor * rows[name] for name in columns)
        axes.fill_between(rows[x], low, high, color=style["color"], alpha=0.13, linewidth=0)
        axes.plot(rows[x], values, label=series, **style)


def legend_above(figure: Figure, axes: Axes) -> None:
    """In as many columns as the figure's width has room for; very long names are wrapped."""
    handles, names = axes.get_legend_handles_labels()
    wrapped = ["\n".join(textwrap.wrap(name, _LONGEST)) for name in names]
    columns = _columns(names, figure.get_figwidth())
    figure.legend(handles, wrapped, loc="outside upper center", ncols=columns)


def legend_height(names: Iterable[str], width: float) -> float:
    """Inches that `legend_above` takes in a figure of this width, inches."""
    names = list(names)
    lines = -(-len(names) // _columns(names, width))
    return 0.1 + 0.125 * lines + 0.1 * sum(len(name) > _LONGEST for name in names)


_LONGEST = 60
"""Letters of a name on one line: a column of a paper holds no more."""


def _columns(names: Sequence[str], width: float) -> int:
    """1 to 4 columns, filled one after the other, as many as fit side by side."""
    for columns in range(min(4, len(names)), 1, -1):
        lines = -(-len(names) // columns)
        parts = [names[start : start + lines] for start in range(0, len(names), lines)]
        if sum(0.42 + 0.047 * max(map(len, part)) for part in parts) <= width:
            return columns
    return 1


def clips(n: pd.Series) -> str:
    """`N 120`, or `N 118-120` where series were shown different clips; `n`: int, one per series.

    >>> clips(pd.Series([1200, 1200])), clips(pd.Series([3, 5]))
    ('N 1,200', 'N 3-5')
    """
    return f"N {clip_range(n, '-')}"


def foot(figure: Figure, text: str) -> None:
    """A line under the chart that says what it is of."""
    figure.supxlabel(text, fontsize=5.5, color=MUTED)


def zero_line(axes: Axes, way: str = "h") -> None:
    """A thin line at 0, horizontal ("h") or vertical ("v")."""
    (axes.axhline if way == "h" else axes.axvline)(0, color=INK, linewidth=0.6)


def whiskers(axes: Axes, places: Any, numbers: pd.DataFrame, factor: float = 100) -> None:
    """95 % intervals (columns mean, low, high) on horizontal bars at these places."""
    mean = factor * numbers["mean"].to_numpy()
    low, high = factor * numbers["low"].to_numpy(), factor * numbers["high"].to_numpy()
    edges = [(mean - low).clip(0), (high - mean).clip(0)]
    axes.errorbar(mean, places, xerr=edges, fmt="none", ecolor=INK, elinewidth=0.6)
