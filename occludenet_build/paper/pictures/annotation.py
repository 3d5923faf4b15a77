"""Figure 13: the first lines of an annotation file of OccludeNet-D, as they stand in the CSV."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from occludenet_build.core.charts import INK, LINE, MUTED, PAGE, chart
from occludenet_build.paper.inputs import Figure, Inputs, Missing
from occludenet_build.paper.pictures import panels

ROWS = 36
"""As many lines as in the paper's figure."""
LONGEST = 34
"""Letters of a cell; the rest becomes an ellipsis."""


def source(inputs: Inputs) -> Path:
    """The annotation of evaluate.split, else of the first split that has one."""
    folder = inputs.root / inputs.config.composite.dataset / "annotations"
    mine = folder / f"{inputs.config.evaluate.split}_d.csv"
    for path in (mine, *sorted(folder.glob("*_d.csv"))):
        if path.exists() and len(path.read_bytes().splitlines()) > 1:
            return path
    raise Missing(f"Figure 13: wanted {mine} with a clip in it; run annotate")


def excerpt(path: Path) -> pd.DataFrame:
    """The header and the first ROWS lines, all cells as text."""
    return pd.read_csv(path, dtype=str, keep_default_na=False, nrows=ROWS)


def figure_13(inputs: Inputs) -> Figure:
    path = source(inputs)
    rows = excerpt(path)

    def draw(figure: Drawing) -> None:
        axes = figure.subplots()
        _table(axes, rows)
        panels.foot(figure, f"{path.name}, the first {len(rows)} lines")

    height = 0.6 + 0.115 * (len(rows) + 2)
    chart_ = chart("figure_13", draw, PAGE, height, inputs.config.paper.dpi)
    numbered = rows.set_axis(range(1, len(rows) + 1)).rename_axis("line").reset_index()
    return Figure(chart_, numbered)


def _table(axes: Axes, rows: pd.DataFrame) -> None:
    """Text in columns, each as wide as its longest cell."""
    axes.set_axis_off()
    head = [_two_lines(name) for name in rows.columns]
    widths = [_width(name, rows[column]) for name, column in zip(head, rows.columns, strict=True)]
    left, total = 3.6, 3.6 + sum(widths)
    axes.set(xlim=(0, total), ylim=(len(rows) - 0.5, -2.2))
    for line in range(len(rows)):
        axes.text(2.4, line, str(line + 1), fontsize=4, color=MUTED, ha="right", va="center")
    for name, column, width in zip(head, rows.columns, widths, strict=True):
        axes.text(left, -0.75, name, fontsize=4.3, fontweight="bold", color=INK, va="bottom")
        for line, cell in enumerate(rows[column]):
            axes.text(left, line, _short(cell), fontsize=4.3, color=INK, va="center")
        left += width
    for line in range(len(rows) + 1):
        axes.axhline(line - 0.5, color=LINE, linewidth=0.4)


def _two_lines(name: str) -> str:
    """A header of several words on two lines, so that its column stays as narrow as its cells.

    >>> _two_lines("occluder pixel ratio"), _two_lines("fps")
    ('occluder\\npixel ratio', 'fps')
    """
    first, _, rest = name.partition(" ")
    return f"{first}\n{rest}" if rest else name


def _short(cell: str) -> str:
    return cell if len(cell) <= LONGEST else f"{cell[: LONGEST - 1]}…"


def _width(name: str, cells: pd.Series) -> float:
    """In letters, with the gap to the next column; the header is bold."""
    longest = max(len(_short(cell)) for cell in cells)
    return 2.2 + max(longest, 1.12 * max(map(len, name.split("\n"))))
