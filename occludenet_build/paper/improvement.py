"""Table 5: what CAR adds to the baseline, in points and in clips, on the same clips."""

from __future__ import annotations

import pandas as pd

from occludenet_build.core.statistics import mcnemar
from occludenet_build.paper import cells, published
from occludenet_build.paper.inputs import Inputs, Missing
from occludenet_build.paper.models import backbone
from occludenet_build.paper.shown import Shown, shown
from occludenet_build.paper.table import Table, of_cells
from occludenet_build.paper.tables import INTERVALS

ARMS = {"baseline": "{}", "car": "{} + CAR"}
"""Arm -> its row."""
IMPROVEMENT = "{}: improvement"
CELL = [*cells.CELL, "only_car", "only_baseline", "p"]
"""Of an improvement: `value` in points, `right` CAR's right clips minus the baseline's, the clips
that one of them alone had right, and the exact two-sided p of McNemar's test, per seed."""


def table_5(inputs: Inputs) -> Table:
    counted = shown(inputs)
    rows = _rows(counted, inputs)
    pairs = rows.groupby(["line", "column", "seed"])["arm"].transform("nunique") == len(ARMS)
    rows = rows[pairs]
    if rows.empty:
        raise Missing(
            "Table 5: wanted predictions of baseline and car of one seed for the same set, there "
            "are none; train both: train.arms"
        )
    found = _in_order(rows, counted)
    title = "Top-1 accuracy (%) of the baseline and with CAR"
    notes = [
        INTERVALS,
        "improvement: points, clips more right, and p of the exact McNemar test on the same clips",
        "S-5, S-10: of ours the set S, by the epochs of the training",
        *counted.notes(inputs, rows["shown_as"].unique()),
    ]
    return of_cells("table_5", title, "Method", published.values(5), found, notes, _text)


def _rows(counted: Shown, inputs: Inputs) -> pd.DataFrame:
    """Rows of both arms: their `line` (the model), `arm`, and `column`; S is told by its epochs."""
    facts = {
        one.about.name: (one.about.arm, backbone(one), one.about.model, _of_s(one.about.epochs))
        for one in inputs.predicted
        if one.about.arm in ARMS
    }
    rows = counted.rows[counted.rows["name"].isin(list(facts))].copy()
    for place, name in enumerate(("arm", "backbone", "model", "of_s")):
        rows[name] = rows["name"].map({line: fact[place] for line, fact in facts.items()})
    rows["shown_as"] = rows["column"]
    rows["column"] = rows["column"].where(rows["set"] != "S", rows["of_s"])
    # builds share a line, a column each, as in the paper, unless two of them have the same column
    several = rows.groupby(["backbone", "column"])["model"].transform("nunique") > 1
    unclear = rows["backbone"].isin(rows.loc[several, "backbone"].unique())
    rows["line"] = rows["backbone"].where(~unclear, rows["model"])
    return rows


def _of_s(epochs: int | None) -> str:
    return "S" if epochs is None else f"S-{epochs}"


def _in_order(rows: pd.DataFrame, counted: Shown) -> pd.DataFrame:
    """Per model the cells of its baseline, of CAR, and of what CAR adds."""
    found = []
    for line, part in rows.groupby("line", sort=False):
        for arm, pattern in ARMS.items():
            mine = part[part["arm"] == arm].assign(row=pattern.format(line))
            every = cells.cells(mine, counted.left_out)
            found.append(every[every["metric"] == "top-1"])
        found.append(_added(str(line), part, counted))
    return pd.concat([part.reindex(columns=CELL) for part in found], ignore_index=True)


def _added(line: str, part: pd.DataFrame, counted: Shown) -> pd.DataFrame:
    single = pd.DataFrame(
        [
            _pair(line, str(column), int(seed), both, counted)
            for (column, seed), both in part.groupby(["column", "seed"], sort=False)
        ],
        columns=CELL,
    )
    return pd.concat([single, cells.means(single).reindex(columns=CELL)], ignore_index=True)


def _pair(
    line: str, column: str, seed: int, both: pd.DataFrame, counted: Shown
) -> dict[str, object]:
    """CAR against the baseline on the clips that both were shown."""
    name = both["set"].iloc[0]
    right = both.pivot(index="clip", columns="arm", values="top1").dropna().astype(bool)
    car, baseline = right["car"], right["baseline"]
    only = int((car & ~baseline).sum()), int((baseline & ~car).sum())
    more, clips = only[0] - only[1], len(right)
    return {
        "source": "ours", "row": IMPROVEMENT.format(line), "column": column, "set": name,
        "metric": "top-1", "value": 100 * more / clips, "right": more, "clips": clips,
        "one_clip": 100 / clips, "left_out": counted.left_out[name], "seed": seed, "seeds": 1,
        "only_car": only[0], "only_baseline": only[1], "p": mcnemar(*only),
    }  # fmt: skip


def _text(found: pd.DataFrame) -> str:
    """`+1.33 (+1 clips; p=1; N=75)`; over seeds the mean of the points, clips and p of each."""
    if "p" not in found or found["p"].isna().all():
        return cells.together(found)
    (cell,) = cells.best_known(found).to_dict("records")
    tested = found[found["p"].notna()]
    clips = ", ".join(f"{value:+.0f}" for value in tested["right"])
    p = ", ".join(f"{value:.2g}" for value in tested["p"])
    spread = f" ± {cell['sd']:.2f}" if cell["seeds"] > 1 else ""
    return f"{cell['value']:+.2f}{spread} ({clips} clips; p={p}; {cells.counts(cell)})"
