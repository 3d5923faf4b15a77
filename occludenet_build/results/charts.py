"""Charts as SVG and PNG. Text in an SVG stays text; the same numbers give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, MUTED, LINE = "#1b2430", "#5d6878", "#d5dbe3"
"""Colours of text, of secondary text, and of axes and grids."""

COLUMN, PAGE = 3.3, 6.9
"""Widths in inches: one column of a two-column paper, and two."""

PALETTE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#1b2430", "#8c6d1f",
)  # fmt: skip
"""Okabe and Ito's colours, which all kinds of colour vision can distinguish. Their yellow is too
pale for a line on white and is replaced by brown."""

STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "text.parse_math": False,
}

SMALL: Any = STYLE | {
    "font.size": 6.5,
    "axes.titlesize": 7,
    "axes.labelsize": 6.5,
    "axes.labelcolor": INK,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.fontsize": 6,
    "legend.handlelength": 2.4,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
}
"""Style of figures that are printed at their own size, a column or a page wide."""


@dataclass(frozen=True)
class Chart:
    """The files of a figure."""

    svg: str
    png: bytes


def draw_svg(name: str, draw: Callable[[Figure], None], width: float, height: float) -> str:
    """The text of an SVG file of `width` x `height` inches; ids in it depend on `name` only."""
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": name}):
        return _svg(_figure(draw, width, height))


def draw_chart(
    name: str, draw: Callable[[Figure], None], width: float, height: float, dpi: int
) -> Chart:
    """SVG and PNG of a figure for print, `width` x `height` inches; ids depend on `name` only."""
    with matplotlib.rc_context(SMALL | {"svg.hashsalt": name}):
        figure = _figure(draw, width, height)
        return Chart(_svg(figure, dpi), _png(figure, dpi))


def footnote(figure: Figure, text: str) -> None:
    """A line of small text below the chart or the panels."""
    figure.supxlabel(text, fontsize=5.5, color=MUTED)


def _figure(draw: Callable[[Figure], None], width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    draw(figure)
    return figure


def _svg(figure: Figure, dpi: int = 100) -> str:
    """`dpi`: resolution of pictures in the SVG."""
    figure.dpi = dpi
    stream = io.StringIO()
    FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def _png(figure: Figure, dpi: int) -> bytes:
    figure.dpi = dpi
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream, metadata={"Software": None})
    return stream.getvalue()
