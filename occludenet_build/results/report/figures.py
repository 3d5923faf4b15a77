"""Charts of the report as SVG: with fixed colours for files, with CSS variables for the page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from occludenet_build.release.terms import CLEAN
from occludenet_build.results.charts import INK, LINE, MUTED, draw_svg
from occludenet_build.results.report import accuracy as counted
from occludenet_build.results.report.accuracy import SeedMean, TrainingScore

COLOURS = {
    "ink": INK,
    "muted": MUTED,
    "line": LINE,
    "baseline": "#64748b",
    "car": "#c8521a",
    "box": "#2b6cb0",
    "mask": "#1f8268",
}
"""Colour in files, by the CSS variable of the page."""

_BINS = [share / 20 for share in range(21)]
_MARKS = {"baseline": "o", "car": "s"}
_OTHERS = ("#7a5195", "#2b6cb0", "#1f8268", "#b08900", "#a3195b")


def inline_svg(svg: str) -> str:
    """An SVG file for embedding in the page, with the page's colours, font and width."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*"', r'<svg aria-hidden="true" \1', svg, count=1)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<g>\s*<path d="[^"]*" style="fill: )#ffffff', r"\1none", svg)
    svg = svg.replace("'DejaVu Sans'", "system-ui, sans-serif")
    for name, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg


def occlusion_duration_chart(clips: pd.DataFrame) -> str | None:
    """Histogram of the share of frames in which a source clip is occluded; None without clips."""
    ratios = clips[clips["set"] != CLEAN].groupby("clip")["duration_ratio"].first()
    if ratios.empty:
        return None

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.hist(ratios, bins=_BINS, color=COLOURS["box"], rwidth=0.92)
        axes.set(xlim=(0, 1), xlabel="share of the frames that are occluded", ylabel="source clips")
        _whole_numbers(axes)

    return draw_svg("occlusion_duration", draw, 6.6, 2.5)


def area_ratio_chart(clips: pd.DataFrame) -> str | None:
    """Histograms of the hidden share of the actor's box, and of their mask where there are masks,
    at each scale; None without occluded clips."""
    occluded = clips[clips["set"] != CLEAN]
    sets = occluded.groupby("set")["scale"].first().sort_values().index.tolist()
    kinds = [("area_ratio", "box", "the box"), ("actor_hidden", "mask", "the mask")]
    kinds = [kind for kind in kinds if occluded[kind[0]].notna().any()]
    if not sets or not kinds:
        return None

    def draw(figure: Figure) -> None:
        grid = figure.subplots(len(kinds), len(sets), sharex=True, sharey=True, squeeze=False)
        for axes, name in zip(grid[0], sets, strict=True):
            axes.set_title(name, loc="left")
        for line, (column, colour, words) in zip(grid, kinds, strict=True):
            for axes, name in zip(line, sets, strict=True):
                values = occluded.loc[occluded["set"] == name, column].dropna()
                _shares(axes, values, COLOURS[colour])
            line[0].set_ylabel("clips")
            line[len(line) // 2].set_xlabel(f"share of {words} hidden, mean of occluded frames")

    return draw_svg("area_ratio", draw, 1.2 + 1.9 * len(sets), 0.5 + 1.6 * len(kinds))


def _shares(axes: Axes, values: pd.Series, colour: str) -> None:
    """Draw a histogram of shares with its median."""
    axes.hist(values, bins=_BINS, color=colour, rwidth=0.92)
    axes.set(xlim=(0, 1))
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.tick_params(labelbottom=True)
    _whole_numbers(axes)
    if len(values):
        middle = float(values.median())
        axes.axvline(middle, color=COLOURS["ink"], linewidth=1)
        side = "left" if middle < 0.6 else "right"
        place = axes.get_xaxis_transform()
        axes.text(middle, 0.98, f" {middle:.2f} ", ha=side, va="top", transform=place)


def accuracy_chart(
    found: list[TrainingScore], averaged: list[SeedMean], classes: int | None
) -> str | None:
    """Top-1 by set, a line per arm; bars are Wilson intervals, or deviations over seeds.

    `classes`: number of classes that the networks know, for the line of chance. None without
    scores.
    """
    if not found:
        return None
    sets = counted.set_names(found)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for number, arm in enumerate(sorted({score.arm for score in found})):
            _arm(axes, arm, found, averaged, sets, shift=0.06 * number - 0.03)
        if classes:
            axes.axhline(100 / classes, color=COLOURS["muted"], linewidth=1, linestyle=(0, (2, 2)))
            place = (1.0, 100 / classes)
            axes.annotate(
                "chance", place, (3, 0), xycoords=("axes fraction", "data"), va="center",
                textcoords="offset points", color=COLOURS["muted"], fontsize=8,
            )  # fmt: skip
        axes.set_xticks(range(len(sets)), sets)
        axes.set(ylim=(-2, 102), xlim=(-0.3, len(sets) - 0.7), ylabel="top-1, percent")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)

    return draw_svg("accuracy", draw, 6.0, 3.1)


def _arm(
    axes: Axes,
    arm: str,
    found: list[TrainingScore],
    averaged: list[SeedMean],
    sets: list[str],
    shift: float,
) -> None:
    of_arm = [score for score in found if score.arm == arm]
    seeds = [mean for mean in averaged if mean.arm == arm]
    colour = _colour(arm, {score.arm for score in found})
    style: dict[str, Any] = {
        "color": colour,
        "marker": _MARKS.get(arm, "D"),
        "markersize": 5,
        "capsize": 3,
    }
    if seeds:
        places = np.array([sets.index(mean.set) for mean in seeds]) + shift
        bars = np.array([100 * mean.deviation for mean in seeds])
        axes.errorbar(places, [100 * m.top1 for m in seeds], bars, label=arm, **style)
        dots = [sets.index(score.set) + shift for score in of_arm]
        tops = [100 * score.top1 for score in of_arm]
        axes.scatter(dots, tops, s=9, color=colour, alpha=0.5, linewidths=0)
        return
    places = np.array([sets.index(score.set) for score in of_arm]) + shift
    edges = [(score.top1 - score.low, score.high - score.top1) for score in of_arm]
    bars = 100 * np.array(edges).T
    axes.errorbar(places, [100 * score.top1 for score in of_arm], bars, label=arm, **style)


def loss_chart(curves: dict[tuple[str, int], pd.DataFrame]) -> str | None:
    """Cross entropy and causal term by step, a line per training; None without curves."""
    curves = {key: rows for key, rows in curves.items() if len(rows)}
    if not curves:
        return None

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, 2)
        named = {"ce": "cross entropy", "kl": "causal term, before its weight"}
        for axes, (column, title) in zip(panels, named.items(), strict=True):
            labelled = set()
            for (arm, _), rows in curves.items():
                if column == "kl" and arm == "baseline":
                    continue
                label = None if arm in labelled else arm
                labelled.add(arm)
                colour = _colour(arm, {arm for arm, _ in curves})
                axes.plot(rows["step"], rows[column], color=colour, linewidth=1.4, label=label)
            axes.set_title(title, loc="left")
            axes.set(xlabel="step", ylim=(0, None))
        panels[0].legend(loc="upper right")

    return draw_svg("loss", draw, 6.6, 2.6)


def _colour(arm: str, arms: Iterable[str]) -> str:
    """Fixed colours for baseline and CAR; other arms take the remaining colours in turn."""
    others = sorted(set(arms) - set(COLOURS))
    return COLOURS.get(arm) or _OTHERS[others.index(arm) % len(_OTHERS)]


def _whole_numbers(axes: Axes) -> None:
    axes.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
