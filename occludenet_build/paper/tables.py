"""Tables 2, 3, 4 and 6: accuracies of models by set, by level, of comparators, by alpha."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from occludenet_build.core import seeds
from occludenet_build.core.statistics import bootstrap_mean
from occludenet_build.paper import cells, published
from occludenet_build.paper.inputs import Inputs, Missing
from occludenet_build.paper.shown import LISTED, Shown, shown
from occludenet_build.paper.table import Table, of_cells
from occludenet_build.recognition.predictions import About

LEVELS = {LISTED: "Unoccluded", "D-25": "Slight", "D-50": "Moderate", "D-75": "Heavy"}
"""Column of Table 2 -> level of Table 3."""
INTERVALS = (
    "ours: [Wilson 95 % interval], which holds for these clips and not for another training; "
    "± the standard deviation over seeds; N clips"
)
COMPARATORS = ("stillmix", "fame", "clean", "baseline", "car")
"""Arms of Table 4, in its order; clean is trained on the clean twins."""


def table_2(inputs: Inputs) -> Table:
    printed = published.values(2)
    counted = shown(inputs)
    top1 = lines_of(counted, _models(inputs), ("top-1",))
    return _table("table_2", "Top-1 accuracy (%) of models by set", printed, top1, counted, inputs)


def table_3(inputs: Inputs) -> Table:
    counted = shown(inputs)
    found = cells.best_known(lines_of(counted, _models(inputs)))
    means = cells.mean_of_models(found, list(LEVELS))
    if means.empty:
        raise Missing(
            f"Table 3: wanted a model with predictions of all of {', '.join(LEVELS)}, there is "
            "none; evaluate one on them (composite.scales 0.25, 0.5, 0.75 and clean twins)"
        )
    per_model = found[found["column"].isin(list(LEVELS))].groupby("row")["column"].nunique()
    models = per_model[per_model == len(LEVELS)].index.tolist()
    rows = [_level(mean, counted, models, inputs) for mean in means.to_dict("records")]
    ours = pd.DataFrame(rows, columns=cells.CELL).sort_values("column", key=_by_level)
    notes = [
        f"ours: the mean of {', '.join(models)}; [95 % interval by drawing clips anew]",
        "; ".join(f"{level}: {name}" for name, level in LEVELS.items()),
        _whose(counted),
        *counted.notes(inputs, LEVELS),
    ]
    title = "Mean accuracy (%) of the models by level of occlusion"
    printed = published.values(3)
    printed = printed.assign(row=printed["metric"])
    return of_cells("table_3", title, "Accuracy", printed, ours, notes)


def _by_level(columns: pd.Series) -> pd.Series:
    return columns.map(list(LEVELS.values()).index)


def _level(
    mean: dict[str, object], counted: Shown, models: list[str], inputs: Inputs
) -> dict[str, object]:
    """The cell of a level: the mean over models and, over clips, its interval."""
    rows = counted.rows
    here = rows[(rows["column"] == mean["column"]) & rows["name"].isin(models)]
    name = here["set"].iloc[0]
    right = here.groupby(["clip", "name"])[cells.METRICS[str(mean["metric"])]].mean()
    by_clip = 100 * right.groupby("clip").mean()
    random = seeds.rng(inputs.config.seed, "table_3", str(mean["column"]), str(mean["metric"]))
    low, high = bootstrap_mean(by_clip.to_numpy(), random, inputs.config.paper.bootstrap)
    return {
        "source": "ours", "row": mean["metric"], "column": LEVELS[str(mean["column"])],
        "set": name, "metric": mean["metric"], "value": mean["value"], "low": low, "high": high,
        "clips": len(by_clip), "seeds": 1, "left_out": counted.left_out[name],
    }  # fmt: skip


def table_4(inputs: Inputs) -> Table:
    printed = published.values(4)
    counted = shown(inputs)
    wanted = list(printed["column"].unique())
    abouts = (one.about for one in inputs.predicted)
    named = {about.name: about.name for about in abouts if about.arm in COMPARATORS}
    found = lines_of(counted, named)
    found = found[found["column"].isin(wanted)]
    found = found.sort_values("row", key=lambda rows: rows.map(_arm_order), kind="stable")
    if found.empty:
        raise Missing(
            f"Table 4: wanted predictions of some of {', '.join(COMPARATORS)}, there are none; "
            "train them: train.arms"
        )
    title = "Top-1 and top-5 accuracy (%) of CAR and what it is compared with"
    return _table("table_4", title, printed, found, counted, inputs)


def _arm_order(row: str) -> tuple[str, int]:
    model, _, arm = row.rpartition(" + ")
    return model, COMPARATORS.index(arm)


def table_6(inputs: Inputs) -> Table:
    printed = published.values(6)
    counted = shown(inputs)
    found = lines_of(counted, _alphas(inputs))
    found = found[found["column"].isin(list(printed["column"].unique()))]
    if found["row"].nunique() < 2:
        raise Missing(
            "Table 6: wanted trainings with two values of alpha on D-25, D-50 or D-75, got "
            f"{found['row'].nunique()}; train baseline and car, or name more in train.alphas"
        )
    alphas = {row: float(row.rsplit(" ", 1)[1]) for row in found["row"].unique()}
    found = found.sort_values("row", key=lambda rows: rows.map(alphas), kind="stable")
    title = "Top-1 and top-5 accuracy (%) by the weight alpha of the causal term"
    printed = printed.assign(row="alpha " + printed["row"])
    return _table("table_6", title, printed, found, counted, inputs, "Alpha")


def _alphas(inputs: Inputs) -> dict[str, str]:
    """Name of a training -> its line in Table 6; arms that have no alpha have none."""
    found: dict[str, str] = {}
    lines: dict[str, str] = {}
    # car before car_a1, which may be the same alpha once more
    for about in sorted((one.about for one in inputs.predicted), key=lambda about: about.arm or ""):
        line = _alpha(about)
        if line is not None and lines.setdefault(line, about.name) == about.name:
            found[about.name] = line
    return found


def _alpha(about: About) -> str | None:
    if about.arm == "baseline":
        return f"{about.model}, alpha 0"
    if about.arm is None or not about.arm.startswith("car") or about.alpha is None:
        return None
    return f"{about.model}, alpha {about.alpha:g}"


def _models(inputs: Inputs) -> dict[str, str]:
    """A line for each, but for the arms of Table 6."""
    abouts = (one.about for one in inputs.predicted)
    return {about.name: about.name for about in abouts if not (about.arm or "").startswith("car_")}


def lines_of(
    counted: Shown, named: Mapping[str, str], metrics: Sequence[str] = tuple(cells.METRICS)
) -> pd.DataFrame:
    """Cells of the trainings whose name has a line in the table."""
    rows = counted.rows.assign(row=counted.rows["name"].map(named))
    found = cells.cells(rows[rows["row"].notna()], counted.left_out)
    return found[found["metric"].isin(list(metrics))].reset_index(drop=True)


def _table(
    name: str,
    title: str,
    printed: pd.DataFrame,
    found: pd.DataFrame,
    counted: Shown,
    inputs: Inputs,
    first: str = "Method",
) -> Table:
    notes = [INTERVALS, *counted.notes(inputs, found["column"].unique())]
    if LISTED in set(found["column"]):
        notes.append(_whose(counted))
    return of_cells(name, title, first, printed, found, notes)


def _whose(counted: Shown) -> str:
    sets = counted.rows.loc[counted.rows["column"] == LISTED, "set"]
    if sets.iloc[0] == LISTED:
        return f"{LISTED}: of ours the list of that name"
    return f"{LISTED}: of ours the clean twins of the occluded clips, as in the paper"
