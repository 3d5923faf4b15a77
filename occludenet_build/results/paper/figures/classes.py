"""Figures 5a, 5b, 15 and 16: accuracy and drop by class and by parent class, mean over the models.

The figures pool all degrees of OccludeNet-D, on the clips that every model saw. A class with
several parents counts for each of them; in Figure 5a classes without a parent have a row of their
own. Figures 15 (blue) and 16 (red) show the classes of the parents with the largest and the
smallest drop: clean minus occluded, clip by clip; a parent's drop is over all clips of its classes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from occludenet_build.recognition.accuracy import DIFFERENCES
from occludenet_build.release.terms import CLEAN
from occludenet_build.results.charts import PAGE, footnote
from occludenet_build.results.degrees import clip_drops
from occludenet_build.results.paper.common_clips import (
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
    whiskers,
    zero_line,
)
from occludenet_build.results.paper.inputs import Inputs, MissingInput, PaperFigure

ORPHANS = "(no parent)"
ENDS = 10
"""Number of best and of worst classes in Figure 5b."""
PARENTS = 4
"""Number of parents in Figures 15 and 16, as in the paper's text."""
MIN_CLASSES = 2
"""Smallest number of evaluated classes of a ranked parent: one class alone is that class."""
_BAR = 0.72
"""Height of a bar; bars are 1 apart."""


def mean_rows(inputs: Inputs, what: str) -> tuple[pd.DataFrame, str]:
    """Mean over models by set and clip, for OccludeNet-D and its twins, and the models' names.

    Columns as in `common_clips.mean_over_models`. Raises MissingInput where no clip is common to
    all models.
    """
    rows = model_series(inputs.among_all())
    sets = need_degrees(rows, what)
    with_clean = [CLEAN, *sets] if rows["set"].eq(CLEAN).any() else sets
    rows = series_with(rows, with_clean, what)
    found = mean_over_models(rows)
    if found.empty:
        raise MissingInput(
            f"{what}: no clip was shown to all models; leave out the one that saw others"
        )
    return found, models_of(rows)


def with_parents(rows: pd.DataFrame, parents: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """`rows` once for each parent of their label, in a column `parent`; ORPHANS if it has none."""
    pairs = [(name, parent) for parent, names in parents.items() for name in names]
    table = pd.DataFrame(pairs, columns=["label", "parent"]).drop_duplicates()
    return rows.merge(table, on="label", how="left").fillna({"parent": ORPHANS})


def class_accuracy(rows: pd.DataFrame, by: str, inputs: Inputs, name: str) -> pd.DataFrame:
    """Accuracy by label or parent, `by`: mean (top-1 on D, 0 to 1), low, high, n (clips), classes,
    clean, drop (clean - mean).

    clean and drop are nan where the twins were not evaluated. `name`: the purpose of the draws.
    """
    clean = rows["set"].eq(CLEAN)
    found = inputs.curve(rows[~clean], [by], "top1", name).set_index(by)
    found["classes"] = rows.groupby(by)["label"].nunique()
    found["clean"] = rows[clean].groupby(by)["top1"].mean()
    return found.assign(drop=found["clean"] - found["mean"]).reset_index()


def by_parent(inputs: Inputs) -> tuple[pd.DataFrame, str]:
    """`class_accuracy` by parent, best first and ORPHANS last, for Figure 5a; the models' names.

    Raises MissingInput where no class has a parent.
    """
    rows, models = mean_rows(inputs, "Figure 5a")
    rows = with_parents(rows, inputs.parents)
    if rows["parent"].eq(ORPHANS).all():
        raise MissingInput(
            "Figure 5a: none of the classes has a parent among those of Kinetics-400; set "
            "paper.parents to a file with your own"
        )
    found = class_accuracy(rows, "parent", inputs, "5a")
    order = found.assign(last=found["parent"].eq(ORPHANS))
    order = order.sort_values(["last", "mean"], ascending=[True, False])
    return order.drop(columns="last").reset_index(drop=True), models


def figure_5a(inputs: Inputs) -> PaperFigure:
    """Figure 5a: top-1 by parent class."""
    numbers, models = by_parent(inputs)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        _accuracy_bars(axes, numbers, "parent", BLUE)
        axes.set(xlim=(0, 100), xlabel="Top-1 accuracy (%)")
        footnote(
            figure,
            f"{models}, all degrees of OccludeNet-D; a class counts for each of its parents;"
            " whiskers: 95 % bootstrap over clips; diamond: clean twins",
        )

    height = 0.75 + 0.165 * len(numbers)
    return inputs.figure("figure_5a", draw, PAGE, height, numbers)


def _accuracy_bars(axes: Axes, numbers: pd.DataFrame, name: str, colour: str) -> None:
    """Accuracy bars with diamonds at the accuracy of the clean twins; `name`: label or parent."""
    labels = [_bar_label(row, name) for row in numbers.to_dict("records")]
    _bars(axes, numbers, labels, colour)
    clean_marks(axes, np.arange(len(numbers)), numbers["clean"])
    axes.set_ylim(len(numbers) - 0.4, -0.6)


def _bars(axes: Axes, numbers: pd.DataFrame, labels: list[str], colour: str) -> None:
    """Horizontal bars of `mean` from the top, with whiskers and labels."""
    places = np.arange(len(numbers))
    axes.barh(places, 100 * numbers["mean"], height=_BAR, color=colour, alpha=0.85)
    whiskers(axes, places, numbers)
    axes.set_yticks(places, labels)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.tick_params(axis="y", length=0)


def _bar_label(row: dict[str, object], name: str) -> str:
    number = row["classes"]
    classes = f"{number} class{'es' if number != 1 else ''}, " if name == "parent" else ""
    return f"{row[name]}  ({classes}N {row['n']:,})"


def best_and_worst(inputs: Inputs) -> tuple[pd.DataFrame, str]:
    """`class_accuracy` of the ENDS best and the ENDS worst classes, for Figure 5b; models' names.

    The column `end` is best or worst. With fewer than 2 x ENDS classes each end has half of them.
    Equal accuracies are sorted by name. Raises MissingInput for predictions of a single class.
    """
    rows, models = mean_rows(inputs, "Figure 5b")
    means = rows[rows["set"] != CLEAN].groupby("label")["top1"].mean()
    order = means.sort_index().sort_values(ascending=False, kind="stable").index
    number = min(ENDS, len(order) // 2)
    if number == 0:
        raise MissingInput("Figure 5b: wanted at least two classes, the predictions know one")
    chosen = dict.fromkeys(order[:number], "best") | dict.fromkeys(order[-number:], "worst")
    found = class_accuracy(rows[rows["label"].isin(list(chosen))], "label", inputs, "5b")
    found = found.set_index("label").loc[list(chosen)].reset_index()
    return found.assign(end=found["label"].map(chosen)), models


def figure_5b(inputs: Inputs) -> PaperFigure:
    """Figure 5b: best and worst classes with their drop."""
    numbers, models = best_and_worst(inputs)
    has_clean = numbers["drop"].notna().any()

    def draw(figure: Figure) -> None:
        columns = 2 if has_clean else 1
        panels = figure.subplots(
            2, columns, squeeze=False, sharex="col", width_ratios=[3, 2][:columns]
        )
        for line, (end, colour) in zip(panels, (("best", BLUE), ("worst", RED)), strict=True):
            rows = numbers[numbers["end"] == end].reset_index(drop=True)
            _accuracy_bars(line[0], rows, "label", colour)
            line[0].set_title(f"{len(rows)} {end} classes", loc="left")
            if has_clean:
                _drops(line[1], rows)
        panels[-1][0].set(xlim=(0, 100), xlabel="Top-1 accuracy (%)")
        if has_clean:
            panels[-1][1].set_xlabel("Drop, clean minus occluded (points)")
        footnote(
            figure,
            f"{models}, all degrees of OccludeNet-D; whiskers: 95 % bootstrap over clips; "
            "diamond: clean twins",
        )

    height = 0.9 + 0.17 * len(numbers)
    return inputs.figure("figure_5b", draw, PAGE, height, numbers)


def _drops(axes: Axes, rows: pd.DataFrame) -> None:
    places = np.arange(len(rows))
    axes.barh(places, 100 * rows["drop"], height=_BAR, color=GREY)
    zero_line(axes, "v")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks([])
    axes.set_title("their drop", loc="left")
    axes.grid(visible=True, axis="x")


def _clip_drops(inputs: Inputs, what: str) -> tuple[pd.DataFrame, str]:
    """Drops by clip and degree, mean over models: set, clip, label, drop (-1 to 1); models' names.

    Raises MissingInput where no clip is common to all models, clean and occluded.
    """
    rows = model_series(inputs.among_all())
    sets = need_degrees(rows, what, clean=True)
    rows = series_with(rows, [CLEAN, *sets], what)
    found = clip_drops(mean_over_models(rows).assign(series=""))
    if found.empty:
        raise MissingInput(f"{what}: no clip was shown to all models, clean and occluded")
    return found, models_of(rows)


def drops_by_parent(inputs: Inputs, what: str, most: bool) -> tuple[pd.DataFrame, str]:
    """Drops of the classes of PARENTS parents, largest first, and the models' names.

    Columns: parent, parent_drop, parent_n, label, mean (drop, -1 to 1), low, high, n. The parents
    are those with the largest drop (`most`), or with the smallest. Raises MissingInput where no
    parent has MIN_CLASSES classes.
    """
    rows, models = _clip_drops(inputs, what)
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
    found = inputs.curve(rows, ["parent", "label"], "drop", what, DIFFERENCES)
    found = found.join(ranked, on="parent").sort_values(
        ["parent_drop", "parent", "mean", "label"], ascending=[not most, True, False, True]
    )
    return found.reset_index(drop=True), models


def figure_15(inputs: Inputs) -> PaperFigure:
    """Figure 15: classes of the parents with the largest drop."""
    return _by_parents("figure_15", *drops_by_parent(inputs, "Figure 15", most=True), BLUE, inputs)


def figure_16(inputs: Inputs) -> PaperFigure:
    """Figure 16: classes of the parents with the smallest drop."""
    return _by_parents("figure_16", *drops_by_parent(inputs, "Figure 16", most=False), RED, inputs)


def _by_parents(
    name: str, numbers: pd.DataFrame, models: str, colour: str, inputs: Inputs
) -> PaperFigure:
    parents = list(numbers["parent"].unique())
    lines = -(-len(parents) // 2)
    longest = [
        max(int((numbers["parent"] == parent).sum()) for parent in parents[2 * line : 2 * line + 2])
        for line in range(lines)
    ]

    def draw(figure: Figure) -> None:
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
        footnote(
            figure, f"{models}, all degrees of OccludeNet-D; whiskers: 95 % bootstrap over clips"
        )

    height = 0.6 + sum(0.35 + 0.165 * number for number in longest)
    return inputs.figure(name, draw, PAGE, height, numbers)


def _parent_panel(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    _bars(axes, rows, [f"{row.label}  (N {row.n:,})" for row in rows.itertuples()], colour)
    zero_line(axes, "v")
    first = rows.iloc[0]
    axes.set_title(
        f"{first['parent']}: {100 * first['parent_drop']:.1f} points (N {first['parent_n']:,})",
        loc="left",
    )
