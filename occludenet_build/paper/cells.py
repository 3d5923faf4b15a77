"""Accuracies as cells of a table: every training with N and its interval, and the mean over seeds.

CELL columns, of the CSV files too: `source` (paper, ours), `row`, `column`, `set` (of ours),
`metric` (top-1, top-5), `value` (percent), `low`, `high` (Wilson 95 %, percent; null for a mean
over seeds), `right` and `clips` (N), `one_clip` (points of the value that one clip is), `left_out`
(clips that do not count, as some model was not shown them), `seed` (null: the mean over seeds),
`seeds` (how many the mean is over), `sd` (standard deviation over them, points).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from occludenet_build.core.statistics import one_clip_points, over_seeds, wilson

CELL = [
    "source", "row", "column", "set", "metric", "value", "low", "high", "right", "clips",
    "one_clip", "left_out", "seed", "seeds", "sd",
]  # fmt: skip
METRICS = {"top-1": "top1", "top-5": "top5"}


def cells(rows: pd.DataFrame, left_out: Mapping[str, int]) -> pd.DataFrame:
    """Of `rows` (models.scored, with `row` and `column` beside): a cell per training and metric,
    then one per line for the mean where it has several trainings."""
    found = [
        _cell(part, row, column, seed, metric, left_out)
        for (row, column, seed), part in rows.groupby(["row", "column", "seed"], sort=False)
        for metric in METRICS
    ]
    single = pd.DataFrame(found, columns=CELL)
    return pd.concat([single, means(single)], ignore_index=True) if found else single


def _cell(
    part: pd.DataFrame, row: str, column: str, seed: int, metric: str, left_out: Mapping[str, int]
) -> dict[str, object]:
    right, clips, name = int(part[METRICS[metric]].sum()), len(part), part["set"].iloc[0]
    low, high = wilson(right, clips)
    return {
        "source": "ours", "row": row, "column": column, "set": name, "metric": metric,
        "value": 100 * right / clips, "low": 100 * low, "high": 100 * high, "right": right,
        "clips": clips, "one_clip": one_clip_points(clips), "left_out": left_out[name],
        "seed": seed, "seeds": 1, "sd": None,
    }  # fmt: skip


def means(single: pd.DataFrame) -> pd.DataFrame:
    """Over the seeds of a line; where there is one there is no mean."""
    found = []
    for (row, column, metric), part in single.groupby(["row", "column", "metric"], sort=False):
        if len(part) > 1:
            same = {"source": "ours", "row": row, "column": column, "metric": metric}
            same["set"] = part["set"].iloc[0]
            spread = dict(zip(("value", "sd"), over_seeds(part["value"].tolist()), strict=True))
            number = {"clips": int(part["clips"].min()), "seeds": len(part)}
            one = {"one_clip": part["one_clip"].max(), "left_out": int(part["left_out"].max())}
            found.append(same | spread | number | one)
    return pd.DataFrame(found, columns=CELL)


def best_known(found: pd.DataFrame) -> pd.DataFrame:
    """What stands in the table to read: the mean of a line that has one, else its one training."""
    most = found.groupby(["source", "row", "column", "metric"])["seeds"].transform("max")
    return found[(found["seeds"] == most) | found["seeds"].isna()]


def mean_of_models(values: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Per column and metric the mean over the rows that have all of `columns`: the paper's Table 3
    out of its Table 2. `values`: row, column, metric, value. Returns column, metric, value
    (percent) and models (how many)."""
    here = values[values["column"].isin(columns)]
    whole = here.groupby(["row", "metric"])["column"].transform("nunique") == len(columns)
    groups = here[whole].groupby(["column", "metric"], sort=False)["value"]
    return groups.agg(value="mean", models="size").reset_index()


def paper_cells(values: pd.DataFrame) -> pd.DataFrame:
    """published.values as cells: only the value is known, and in `printed` its text."""
    return values.assign(source="paper").reindex(columns=[*CELL, "printed"])


def text(cell: Mapping[str, Any]) -> str:
    """`62.67 [51.4, 72.7]`; a mean `62.67 ± 1.20`; of the paper what it prints."""
    if cell["source"] == "paper":
        return str(cell["printed"])
    if not pd.isna(cell["sd"]):
        return f"{cell['value']:.2f} ± {cell['sd']:.2f}"
    return f"{cell['value']:.2f} [{cell['low']:.1f}, {cell['high']:.1f}]"


def together(found: pd.DataFrame) -> str:
    """The cells of one place, top-1 before top-5, and how many clips and seeds they are of."""
    shown = best_known(found).sort_values("metric").to_dict("records")
    words = " / ".join(text(cell) for cell in shown)
    return f"{words} ({counts(shown[0])})" if shown[0]["source"] == "ours" else words


def counts(cell: Mapping[str, Any]) -> str:
    """`3 seeds, N=75`"""
    several = f"{cell['seeds']:.0f} seeds, " if cell["seeds"] != 1 else ""
    return f"{several}N={cell['clips']:,.0f}"
