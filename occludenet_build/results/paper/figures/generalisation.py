"""Figures 7 (left, right) and 8: OccludeNet-D and other occlusions.

Figure 7 shows the effect of training on OccludeNet-D for clips of other data sets. Of the networks
trained in a build, the arm `clean` was trained on the clean twins, `baseline` on OccludeNet-D, and
`car` on OccludeNet-D with CAR. For other models the dump's name has the training data: `x3d_s on
K-400-O` is x3d_s trained on K-400-O. Only models with at least two trainings are compared.

Figure 8 shows the accuracy drop of a class by the occluders of OccludeNet-D and of K-400-O, for the
ten classes with the largest drop on OccludeNet-D (mean over its degrees and over the models with
predictions of K-400-O). The paper says "the ten classes with the largest accuracy drop are randomly
selected"; nothing is drawn here. A class's drop is its accuracy on the clean twins minus that on
the set; the clips of K-400-O need not be those of the twins.
"""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from occludenet_build.recognition.accuracy import DIFFERENCES, group_interval, wilson
from occludenet_build.release.terms import CLEAN
from occludenet_build.results.charts import COLUMN, INK, PAGE, PALETTE, footnote
from occludenet_build.results.paper.common_clips import (
    DEGREES,
    degree_sets,
    model_series,
    models_of,
    series_with,
)
from occludenet_build.results.paper.figures.style import (
    GREY,
    best_on_s,
    clips_label,
    draw_published_level,
    legend_above,
    legend_height,
    zero_line,
)
from occludenet_build.results.paper.inputs import Inputs, MissingInput, PaperFigure

TRAINED = {
    "clean": "clean twins",
    "baseline": "OccludeNet-D",
    "car": "OccludeNet-D, CAR",
    "stillmix": "OccludeNet-D, StillMix",
    "fame": "OccludeNet-D, FAME",
}
"""Training data and method, by arm."""

_SETS = ("clean", "D-25", "D-50", "D-75", "K-400", "K-400-O", "S", "I", "M", "EPIC")

REAL = ("S", "I", "M")
"""Sets of real occlusions."""

OTHER = "K-400-O"
"""The other synthetic occlusions of Figure 8."""
CLASSES = 10
_SHADES = ("#9ecae1", "#4292c6", "#08519c")


def with_training(rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` with columns model and trained_on (str), for the series whose name has both."""
    parts = {name: _model_and_training(name) for name in rows["series"].unique()}
    known = {name: pair for name, pair in parts.items() if pair is not None}
    rows = rows[rows["series"].isin(list(known))]
    return rows.assign(
        model=rows["series"].map(lambda name: known[name][0]),
        trained_on=rows["series"].map(lambda name: known[name][1]),
    )


def _model_and_training(series: str) -> tuple[str, str] | None:
    """Model and training data of a series; None where the name lacks the training data.

    >>> _model_and_training("x3d_s + clean"), _model_and_training("x3d_s on K-400-O")
    (('x3d_s', 'clean twins'), ('x3d_s', 'K-400-O'))
    >>> _model_and_training("X3D") is None
    True
    """
    model, plus, arm = series.rpartition(" + ")
    if plus and arm in TRAINED:
        return model, TRAINED[arm]
    model, on, source = series.partition(" on ")
    return (model, source) if on else None


def accuracy_on_real(inputs: Inputs) -> pd.DataFrame:
    """Numbers of Figure 7, left: model, set, trained_on, mean (top-1, 0 to 1), low, high, n,
    groups, seeds.

    The interval is Wilson's, that of a mean over several seeds that of the nearest number of
    correct clips; with fewer groups than clips it is the bootstrap that draws groups. Raises
    MissingInput where no model has two trainings with predictions of such a set.
    """
    rows = with_training(model_series(inputs))
    rows = rows[rows["set"].isin(REAL)]
    number = rows.groupby(["model", "set"])["trained_on"].transform("nunique")
    rows = rows[number > 1]
    if rows.empty:
        raise MissingInput(
            "Figure 7, left: wanted one model trained on the clean twins and on OccludeNet-D, "
            "evaluated on a set of real occlusions (S, I or M); add clean to train.arms and the "
            "set to evaluate.lists"
        )
    keys = ["model", "set", "trained_on"]
    parts = rows.groupby(keys)
    found = parts["top1"].agg(mean="mean", n="size")
    found[["low", "high"]] = [_interval(part) for _, part in parts]
    facts = {"groups": parts["group"].nunique(), "seeds": parts["seeds"].max()}
    return found.assign(**facts).reset_index()


def _interval(part: pd.DataFrame) -> tuple[float, float]:
    if part["group"].nunique() < len(part):
        return group_interval(part["top1"].to_numpy(), part["group"])
    return wilson(round(part["top1"].sum()), len(part))


def figure_7_left(inputs: Inputs) -> PaperFigure:
    """Figure 7, left: top-1 on real occlusions by training data."""
    numbers = accuracy_on_real(inputs)
    words = "whiskers: Wilson 95 %, or bootstrap by group where clips are not independent"
    published = best_on_s() if numbers["set"].eq("S").any() else None
    return _bars("figure_7_left", numbers, "Top-1 accuracy (%)", words, inputs, published)


def gains(inputs: Inputs) -> pd.DataFrame:
    """Numbers of Figure 7, right: model, set, trained_on, mean (top-1 minus that of the arm clean),
    low, high, n.

    The comparison is clip by clip, on the clips that both saw. Raises MissingInput without the arm
    clean.
    """
    rows = with_training(model_series(inputs))
    from_clean = rows["trained_on"] == TRAINED["clean"]
    base = rows[from_clean].set_index(["model", "set", "clip"])["top1"].rename("base")
    rows = rows[~from_clean].join(base, on=["model", "set", "clip"], how="inner")
    if rows.empty:
        raise MissingInput(
            "Figure 7, right: wanted one model trained on the clean twins and on OccludeNet-D; add "
            "clean to train.arms"
        )
    rows = rows.assign(gain=rows["top1"] - rows["base"])
    return inputs.curve(rows, ["model", "set", "trained_on"], "gain", "7", DIFFERENCES)


def figure_7_right(inputs: Inputs) -> PaperFigure:
    """Figure 7, right: gain in top-1 on every set."""
    numbers = gains(inputs)
    words = "against training on the clean twins; whiskers: 95 % bootstrap over clips"
    return _bars("figure_7_right", numbers, "Gain in top-1 (points)", words, inputs)


def _bars(
    name: str, numbers: pd.DataFrame, axis: str, words: str, inputs: Inputs,
    published: float | None = None,
) -> PaperFigure:  # fmt: skip
    """A group of bars per model and set, a bar per training; `published`: the paper's on S."""
    groups = sorted(set(zip(numbers["model"], numbers["set"], strict=True)), key=_group_order)
    kinds = _order(numbers["trained_on"].unique())
    width = 0.8 / len(kinds)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for number, kind in enumerate(kinds):
            rows = numbers[numbers["trained_on"] == kind]
            at = np.array([groups.index((row.model, row.set)) for row in rows.itertuples()])
            places = at + (number - (len(kinds) - 1) / 2) * width
            mean, low, high = (100 * rows[column] for column in ("mean", "low", "high"))
            errors = [(mean - low).clip(lower=0), (high - mean).clip(lower=0)]
            look: Any = {
                "color": _colour(kind, kinds),
                "label": kind,
                "error_kw": {"elinewidth": 0.6},
            }
            axes.bar(places, mean, 0.92 * width, yerr=errors, **look)
        if published is not None:
            draw_published_level(
                axes, published, [at for at, (_, kind) in enumerate(groups) if kind == "S"]
            )
        zero_line(axes)
        axes.set_xticks(range(len(groups)), [_group_label(numbers, *group) for group in groups])
        axes.set(ylabel=axis)
        footnote(figure, words)
        legend_above(figure, axes)

    width_inches = COLUMN if len(groups) <= 5 else PAGE
    height = 2.4 + legend_height(kinds, width_inches)
    return inputs.figure(name, draw, width_inches, height, numbers)


def _group_order(group: tuple[str, str]) -> tuple[str, int, str]:
    """Sort key: model, then sets in the order of the paper, then other sets."""
    model, name = group
    return model, _SETS.index(name) if name in _SETS else len(_SETS), name


def _order(kinds: object) -> list[str]:
    known = list(TRAINED.values())
    return sorted(kinds, key=lambda kind: (known.index(kind) if kind in known else -1, kind))  # type: ignore[call-overload]


def _colour(kind: str, kinds: list[str]) -> str:
    """A training of TRAINED has the same colour in both figures; other trainings have others."""
    known = list(TRAINED.values())
    if kind in known:
        return PALETTE[known.index(kind)]
    others = [GREY, *PALETTE[len(known) :]]
    return others[[k for k in kinds if k not in known].index(kind) % len(others)]


def _group_label(numbers: pd.DataFrame, model: str, set_name: str) -> str:
    rows = numbers[(numbers["model"] == model) & (numbers["set"] == set_name)]
    several = numbers["model"].nunique() > 1
    return "\n".join([set_name, *([model] if several else []), clips_label(rows["n"])])


def class_drops(inputs: Inputs) -> pd.DataFrame:
    """Numbers of Figure 8, the class with the largest drop first: series, label, set, accuracy
    (top-1, 0 to 1), n, clean, clean_n, drop, rank."""
    rows = model_series(inputs.among_all())
    sets = degree_sets(rows) or DEGREES
    rows = series_with(rows, [CLEAN, *sets, OTHER], "Figure 8")
    grouped = rows.groupby(["series", "label", "set"])["top1"]
    found = grouped.agg(accuracy="mean", n="size").reset_index()
    clean = found[found["set"] == CLEAN].set_index(["series", "label"])
    clean = clean[["accuracy", "n"]].set_axis(["clean", "clean_n"], axis=1)
    found = found[found["set"] != CLEAN].join(clean, on=["series", "label"], how="inner")
    found["drop"] = found["clean"] - found["accuracy"]
    mean = found[found["set"] != OTHER].groupby("label")["drop"].mean()
    both = set(found.loc[found["set"] == OTHER, "label"])
    worst = mean[mean.index.isin(both)].sort_values(ascending=False, kind="stable").head(CLASSES)
    found = found[found["label"].isin(worst.index)].assign(rank=lambda d: d["label"].map(
        {label: rank for rank, label in enumerate(worst.index)}))  # fmt: skip
    return found.sort_values(["rank", "set", "series"]).reset_index(drop=True)


def figure_8(inputs: Inputs) -> PaperFigure:
    """Figure 8: drop of ten classes on OccludeNet-D and on K-400-O."""
    numbers = class_drops(inputs)
    labels = list(numbers["label"].unique())
    sets = [*degree_sets(numbers), OTHER]
    colours = [*[_SHADES[min(n, 2)] for n in range(len(sets) - 1)], PALETTE[1]]
    width = 0.82 / len(sets)

    def draw(figure: Figure) -> None:
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
        axes.set_xticks(range(len(labels)), [_class_label(numbers, label) for label in labels])
        axes.set(ylabel="Accuracy drop from clean (points)")
        footnote(
            figure,
            f"bars: {models_of(numbers)}; dots: each of them; N: clips of a degree of "
            f"OccludeNet-D | of {OTHER}",
        )
        legend_above(figure, axes)

    height = 2.6 + legend_height(sets, PAGE)
    return inputs.figure("figure_8", draw, PAGE, height, numbers)


def _class_label(numbers: pd.DataFrame, label: str) -> str:
    """The class with its number of clips in a degree of OccludeNet-D, and in K-400-O."""
    rows = numbers[numbers["label"] == label]
    of_other = rows["set"] == OTHER
    n = f"N {rows.loc[~of_other, 'n'].max():,} | {rows.loc[of_other, 'n'].max():,}"
    return "\n".join([*textwrap.wrap(label, 13), n])
