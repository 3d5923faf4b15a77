"""Figures 5a, 5b, 15 and 16: accuracy and drop by class and by parent class, mean over the models.

All degrees of OccludeNet-D together, of the clips that every model was shown. A class that stands
under several parents counts for each of them; in Figure 5a those under none have a row of their
own. Figures 15 (blue) and 16 (red) show the classes of the parents that occlusion hurts most and
least: the drop is clean minus occluded, clip by clip, a parent's over all clips of its classes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from occludenet_build.recognition.accuracy import DIFFERENCES, bootstrap_curve
from occludenet_build.release.terms import CLEAN
from occludenet_build.results.charts import PAGE, draw_chart
from occludenet_build.results.paper.common_clips import (
    clip_drops,
    mean_over_models,
    model_series,
    models_of,
    need_degrees,
    series_with,
)
from occludenet_build.results.paper.figures.style import (
    BLUE,
    GREY,
    RED,
    clean_marks,
    footnote,
    whiskers,
    zero_line,
)
from occludenet_build.results.paper.inputs import Inputs, MissingInput, PaperFigure

ORPHANS = "(no parent)"
ENDS = 10
"""Classes at each end of Figure 5b."""
PARENTS = 4
"""Parents in Figures 15 and 16, as in the paper's text."""
MIN_CLASSES = 2
"""Parents of fewer evaluated classes are not ranked: a parent of one class is that class."""


def mean_rows(inputs: Inputs, what: str) -> tuple[pd.DataFrame, str]:
    """Mean over models, a row per set and clip of OccludeNet-D and its twins; how many models.

    Columns as of `common_clips.mean_over_models`. Raises Missing where all models share no clip.
    """
    rows = model_series(inputs)
    sets = need_degrees(rows, what)
    wanted = [CLEAN, *sets] if rows["set"].eq(CLEAN).any() else sets
    rows = series_with(rows, wanted, what)
    found = mean_over_models(rows)
    if found.empty:
        raise MissingInput(
            f"{what}: no clip was shown to all models; leave out the one that saw others"
        )
    return found, models_of(rows)


def with_parents(rows: pd.DataFrame, parents: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """`rows` once per parent of their label, in a column `parent`; ORPHANS where there is none."""
    pairs = [(name, parent) for parent, names in parents.items() for name in names]
    map_ = pd.DataFrame(pairs, columns=["label", "parent"]).drop_duplicates()
    return rows.merge(map_, on="label", how="left").fillna({"parent": ORPHANS})


def class_accuracy(rows: pd.DataFrame, by: str, inputs: Inputs, name: str) -> pd.DataFrame:
    """by, mean (top-1 on D, 0 to 1), low, high, n (clips), classes, clean, drop (clean - mean).

    clean and drop are NaN where the twins were not evaluated.
    """
    clean, random = rows["set"].eq(CLEAN), inputs.random(name, "bootstrap")
    found = bootstrap_curve(
        rows[~clean], [by], "top1", random, inputs.config.paper.bootstrap
    ).set_index(by)
    found["classes"] = rows.groupby(by)["label"].nunique()
    found["clean"] = rows[clean].groupby(by)["top1"].mean()
    return found.assign(drop=found["clean"] - found["mean"]).reset_index()


def by_parent(inputs: Inputs) -> tuple[pd.DataFrame, str]:
    """Figure 5a: `class_accuracy` by parent, best first, ORPHANS last; of which models.

    Raises Missing where no class stands under a parent.
    """
    rows, of = mean_rows(inputs, "Figure 5a")
    rows = with_parents(rows, inputs.parents)
    if rows["parent"].eq(ORPHANS).all():
        raise MissingInput(
            "Figure 5a: none of the classes stands under a parent of Kinetics-400; give a file "
            "with your own in paper.parents"
        )
    found = class_accuracy(rows, "parent", inputs, "5a")
    order = found.assign(last=found["parent"].eq(ORPHANS))
    order = order.sort_values(["last", "mean"], ascending=[True, False])
    return order.drop(columns="last").reset_index(drop=True), of


def figure_5a(inputs: Inputs) -> PaperFigure:
    """Raises Missing: see `by_parent`."""
    numbers, of = by_parent(inputs)

    def draw(figure: Drawing) -> None:
        axes = figure.subplots()
        _bars(axes, numbers, "parent", BLUE)
        axes.set(xlim=(0, 100), xlabel="Top-1 accuracy (%)")
        footnote(figure, f"{of}, all degrees of OccludeNet-D; a class counts for each of its parents;"
             " whiskers: 95 % bootstrap over clips; diamond: clean twins")  # fmt: skip

    height = 0.75 + 0.165 * len(numbers)
    return PaperFigure(
        draw_chart("figure_5a", draw, PAGE, height, inputs.config.paper.dpi), numbers
    )


def _bars(axes: Axes, numbers: pd.DataFrame, name: str, colour: str) -> None:
    """Accuracy as horizontal bars from the top, whiskers, a stroke at the clean twins', names."""
    places = np.arange(len(numbers))
    axes.barh(places, 100 * numbers["mean"], height=0.72, color=colour, alpha=0.85)
    whiskers(axes, places, numbers)
    clean_marks(axes, places, numbers["clean"])
    axes.set_yticks(places, [_words(row, name) for row in numbers.to_dict("records")])
    axes.set_ylim(len(numbers) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.tick_params(axis="y", length=0)


def _words(row: dict[str, object], name: str) -> str:
    number = row["classes"]
    classes = f"{number} class{'es' if number != 1 else ''}, " if name == "parent" else ""
    return f"{row[name]}  ({classes}N {row['n']:,})"


def best_and_worst(inputs: Inputs) -> tuple[pd.DataFrame, str]:
    """Figure 5b: `class_accuracy` by class, of the ENDS best and the ENDS worst, `end` best or worst; of
    which models.

    Of fewer than 2 x ENDS classes, half of them at each end. Equal accuracies: by name. Raises
    Missing where predictions know one class only.
    """
    rows, of = mean_rows(inputs, "Figure 5b")
    means = rows[rows["set"] != CLEAN].groupby("label")["top1"].mean()
    order = means.sort_index().sort_values(ascending=False, kind="stable").index
    number = min(ENDS, len(order) // 2)
    if number == 0:
        raise MissingInput("Figure 5b: wanted at least two classes, the predictions know one")
    chosen = dict.fromkeys(order[:number], "best") | dict.fromkeys(order[-number:], "worst")
    found = class_accuracy(rows[rows["label"].isin(list(chosen))], "label", inputs, "5b")
    found = found.set_index("label").loc[list(chosen)].reset_index()
    return found.assign(end=found["label"].map(chosen)), of


def figure_5b(inputs: Inputs) -> PaperFigure:
    """Raises Missing: see `best_and_worst`."""
    numbers, of = best_and_worst(inputs)
    has_clean = numbers["drop"].notna().any()

    def draw(figure: Drawing) -> None:
        columns = 2 if has_clean else 1
        panels = figure.subplots(
            2, columns, squeeze=False, sharex="col", width_ratios=[3, 2][:columns]
        )
        for line, (end, colour) in zip(panels, (("best", BLUE), ("worst", RED)), strict=True):
            rows = numbers[numbers["end"] == end].reset_index(drop=True)
            _bars(line[0], rows, "label", colour)
            line[0].set_title(f"{len(rows)} {end} classes", loc="left")
            if has_clean:
                _drops(line[1], rows)
        panels[-1][0].set(xlim=(0, 100), xlabel="Top-1 accuracy (%)")
        if has_clean:
            panels[-1][1].set_xlabel("Drop, clean minus occluded (points)")
        footnote(figure, f"{of}, all degrees of OccludeNet-D; whiskers: 95 % bootstrap over clips; "
             "diamond: clean twins")  # fmt: skip

    height = 0.9 + 0.17 * len(numbers)
    return PaperFigure(
        draw_chart("figure_5b", draw, PAGE, height, inputs.config.paper.dpi), numbers
    )


def _drops(axes: Axes, rows: pd.DataFrame) -> None:
    places = np.arange(len(rows))
    axes.barh(places, 100 * rows["drop"], height=0.72, color=GREY)
    zero_line(axes, "v")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks([])
    axes.set_title("their drop", loc="left")
    axes.grid(visible=True, axis="x")


def _clip_drops(inputs: Inputs, what: str) -> tuple[pd.DataFrame, str]:
    """set, clip, label, drop (-1 to 1), mean over models: a row per clip and degree."""
    rows = model_series(inputs)
    sets = need_degrees(rows, what, clean=True)
    rows = series_with(rows, [CLEAN, *sets], what)
    found = clip_drops(mean_over_models(rows).assign(series=""))
    if found.empty:
        raise MissingInput(f"{what}: no clip was shown to all models, clean and occluded")
    return found, models_of(rows)


def drops_by_parent(inputs: Inputs, what: str, most: bool) -> tuple[pd.DataFrame, str]:
    """parent, parent_drop, parent_n, label, mean (drop, -1 to 1), low, high, n; largest first; of
    which models.

    The PARENTS with the largest drop (`most`), or with the smallest. Raises Missing where no parent
    has MIN_CLASSES classes.
    """
    rows, of = _clip_drops(inputs, what)
    rows = with_parents(rows, inputs.parents)
    rows = rows[rows["parent"] != ORPHANS]
    grouped = rows.groupby("parent")
    ranked = grouped["drop"].agg(parent_drop="mean", parent_n="size")
    ranked = ranked[grouped["label"].nunique() >= MIN_CLASSES]
    if ranked.empty:
        raise MissingInput(
            f"{what}: no parent class has {MIN_CLASSES} classes with predictions; evaluate more "
            "classes of Kinetics-400, or give your own parents in paper.parents"
        )
    ranked = ranked.sort_values(["parent_drop"], ascending=not most, kind="stable").head(PARENTS)
    rows = rows[rows["parent"].isin(ranked.index)]
    random, resamples = inputs.random(what, "bootstrap"), inputs.config.paper.bootstrap
    found = bootstrap_curve(rows, ["parent", "label"], "drop", random, resamples, DIFFERENCES)
    found = found.join(ranked, on="parent").sort_values(
        ["parent_drop", "parent", "mean", "label"], ascending=[not most, True, False, True]
    )
    return found.reset_index(drop=True), of


def figure_15(inputs: Inputs) -> PaperFigure:
    """Raises Missing: see `drops_by_parent`."""
    return _by_parents("figure_15", *drops_by_parent(inputs, "Figure 15", most=True), BLUE, inputs)


def figure_16(inputs: Inputs) -> PaperFigure:
    """Raises Missing: see `drops_by_parent`."""
    return _by_parents("figure_16", *drops_by_parent(inputs, "Figure 16", most=False), RED, inputs)


def _by_parents(
    name: str, numbers: pd.DataFrame, of: str, colour: str, inputs: Inputs
) -> PaperFigure:
    parents = list(numbers["parent"].unique())
    lines = -(-len(parents) // 2)
    longest = [
        max(int((numbers["parent"] == parent).sum()) for parent in parents[2 * line : 2 * line + 2])
        for line in range(lines)
    ]

    def draw(figure: Drawing) -> None:
        grid = figure.subplots(
            lines, min(2, len(parents)), squeeze=False, sharex=True, height_ratios=longest
        )
        for axes in grid.flat[len(parents) :]:
            axes.set_visible(False)
        for axes, parent in zip(grid.flat, parents, strict=False):
            _parent_panel(axes, numbers[numbers["parent"] == parent], colour)
        for line, number in zip(grid, longest, strict=True):
            for axes in line:
                axes.set_ylim(number - 0.4, -0.6)
        for axes in grid[-1]:
            axes.set_xlabel("Drop, clean minus occluded (points)")
        footnote(figure, f"{of}, all degrees of OccludeNet-D; whiskers: 95 % bootstrap over clips")

    height = 0.6 + sum(0.35 + 0.165 * number for number in longest)
    return PaperFigure(draw_chart(name, draw, PAGE, height, inputs.config.paper.dpi), numbers)


def _parent_panel(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    places = np.arange(len(rows))
    axes.barh(places, 100 * rows["mean"], height=0.72, color=colour, alpha=0.85)
    whiskers(axes, places, rows)
    zero_line(axes, "v")
    names = [f"{row.label}  (N {row.n:,})" for row in rows.itertuples()]
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    first = rows.iloc[0]
    axes.set_title(
        f"{first['parent']}: {100 * first['parent_drop']:.1f} points (N {first['parent_n']:,})",
        loc="left",
    )
