"""Tables of the paper: their cells, their printed and measured blocks, and their files.

A training has a cell with N and interval; several trainings of a row also have a cell with the mean
over seeds. The columns of cells and of the CSV files, CELL: `source` (paper, ours), `row`,
`column`, `set` (of ours), `metric` (top-1, top-5), `value` (percent; null for top-5 among at most
five classes, which is always right), `low`, `high` (Wilson 95 %, percent; null for a mean over
seeds), `right` and `clips` (N), `groups` (number of groups of clips that are not independent,
recognition.groups), `group_low`, `group_high` (95 % bootstrap that draws groups; null where each
clip is a group), `one_clip` (points of the value that one clip is worth), `left_out`
(clips that do not count, as some model did not see them), `seed` (null: the mean over seeds),
`seeds` (number of seeds of the mean), `sd` (standard deviation over seeds, points).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from occludenet_build.core.files import write_text
from occludenet_build.recognition.accuracy import (
    METRICS,
    Accuracy,
    one_clip_points,
    over_seeds,
    percents,
)
from occludenet_build.results.paper.common_clips import CommonClips
from occludenet_build.results.text_tables import ABSENT, numbers_csv, write_texts

CELL = [
    "source", "row", "column", "set", "metric", "value", "low", "high", "right", "clips",
    "groups", "group_low", "group_high", "one_clip", "left_out", "seed", "seeds", "sd",
]  # fmt: skip


def line_cells(
    counted: CommonClips, named: Mapping[str, str], metrics: Sequence[str] = tuple(METRICS)
) -> pd.DataFrame:
    """Cells of the trainings that have a row in the table. `named`: the row by training name."""
    rows = counted.rows.assign(row=counted.rows["name"].map(named))
    return cells(rows[rows["row"].notna()], counted.left_out, metrics)


def cells(
    rows: pd.DataFrame, left_out: Mapping[str, int], metrics: Sequence[str] = tuple(METRICS)
) -> pd.DataFrame:
    """Cells of `rows`: one per training and metric, then the means of rows with several trainings.

    `rows`: common_clips.score_rows with the columns `row` and `column` of the table.
    """
    found = [
        _cell(part, row, column, seed, metric, left_out)
        for (row, column, seed), part in rows.groupby(["row", "column", "seed"], sort=False)
        for metric in metrics
    ]
    single = pd.DataFrame(found, columns=CELL)
    return pd.concat([single, mean_cells(single)], ignore_index=True) if found else single


def _cell(
    part: pd.DataFrame, row: str, column: str, seed: int, metric: str, left_out: Mapping[str, int]
) -> dict[str, object]:
    answers, name, clips = part[METRICS[metric]], part["set"].iloc[0], len(part)
    return {
        "source": "ours", "row": row, "column": column, "set": name, "metric": metric,
        "clips": clips, "groups": part["group"].nunique(), "one_clip": one_clip_points(clips),
        "left_out": left_out[name], "seed": seed, "seeds": 1,
    } | ({} if answers.isna().any() else _value(Accuracy.of(answers, part["group"])))  # fmt: skip


def _value(accuracy: Accuracy) -> dict[str, float]:
    found = percents("", accuracy)
    return {"value": found.pop(""), "right": accuracy.right} | {
        name.removeprefix("_"): edge for name, edge in found.items()
    }


def mean_cells(single: pd.DataFrame) -> pd.DataFrame:
    """Cells with the mean over seeds, for the rows of `single` with several trainings."""
    found = []
    for (row, column, metric), part in single.groupby(["row", "column", "metric"], sort=False):
        if len(part) > 1:
            same = {"source": "ours", "row": row, "column": column, "metric": metric}
            same["set"] = part["set"].iloc[0]
            spread = dict(zip(("value", "sd"), _over_seeds(part["value"]), strict=True))
            number = {name: int(part[name].min()) for name in ("clips", "groups")}
            number["seeds"] = len(part)
            one = {"one_clip": part["one_clip"].max(), "left_out": int(part["left_out"].max())}
            found.append(same | spread | number | one)
    return pd.DataFrame(found, columns=CELL)


def _over_seeds(values: pd.Series) -> tuple[float | None, float | None]:
    return (None, None) if values.isna().any() else over_seeds(values.tolist())


def cells_to_show(found: pd.DataFrame) -> pd.DataFrame:
    """The cells that tables show: the mean over seeds where there is one, else the training."""
    most = found.groupby(["source", "row", "column", "metric"])["seeds"].transform("max")
    return found[(found["seeds"] == most) | found["seeds"].isna()]


def mean_of_models(values: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Mean by column and metric over the rows that have all of `columns`.

    This computes the paper's Table 3 from its Table 2. `values`: row, column, metric, value.
    Returns column, metric, value (percent; null where no row has one) and models (their number).
    """
    chosen = values[values["column"].isin(columns)]
    complete = chosen.groupby(["row", "metric"])["column"].transform("nunique") == len(columns)
    groups = chosen[complete].groupby(["column", "metric"], sort=False)["value"]
    return groups.agg(value="mean", models="count").reset_index()


def paper_cells(values: pd.DataFrame) -> pd.DataFrame:
    """Cells of published.printed_values: only `value` is known, and `printed`, its text."""
    return values.assign(source="paper").reindex(columns=[*CELL, "printed"])


def cell_text(cell: Mapping[str, Any]) -> str:
    """The text of a cell: `62.67 [51.4, 72.7]`, with groups `62.67 [51.4, 72.7; by group 48.0,
    76.0]`, a mean `62.67 ± 1.20`, the paper's as printed."""
    if cell["source"] == "paper":
        return str(cell["printed"])
    if pd.isna(cell["value"]):
        return ABSENT
    if not pd.isna(cell["sd"]):
        return f"{cell['value']:.2f} ± {cell['sd']:.2f}"
    return f"{cell['value']:.2f} [{cell['low']:.1f}, {cell['high']:.1f}{by_group_text(cell)}]"


def by_group_text(cell: Mapping[str, Any], sign: str = "") -> str:
    """`; by group 48.0, 76.0`, empty where each clip is a group. `sign`: + to show it."""
    if pd.isna(cell["group_low"]):
        return ""
    return f"; by group {cell['group_low']:{sign}.1f}, {cell['group_high']:{sign}.1f}"


def cells_text(found: pd.DataFrame) -> str:
    """The text of the cells of one row and column: top-1, top-5, and numbers of seeds and clips."""
    chosen = cells_to_show(found).sort_values("metric").to_dict("records")
    texts = [cell_text(cell) for cell in chosen]
    if set(texts) == {ABSENT}:
        return ABSENT
    words = " / ".join(texts)
    return f"{words} ({counts_text(chosen[0])})" if chosen[0]["source"] == "ours" else words


def counts_text(cell: Mapping[str, Any]) -> str:
    """Numbers of seeds and clips of a cell: `3 seeds, N=75`, `N=1,242 of 414 groups`."""
    several = f"{cell['seeds']:.0f} seeds, " if cell["seeds"] != 1 else ""
    groups = f" of {cell['groups']:,.0f} groups" if cell["groups"] < cell["clips"] else ""
    return f"{several}N={cell['clips']:,.0f}{groups}"


@dataclass(frozen=True)
class PaperTable:
    """A table with a block of printed and a block of measured numbers."""

    name: str
    """Name of the item, such as table_2."""
    title: str
    head: list[str]
    paper: list[list[str]]
    """Rows of the printed block, a text per column of `head`; "-" where nothing is printed."""
    ours: list[list[str]]
    """Rows of the measured block; "-" where nothing was measured."""
    notes: list[str]
    numbers: pd.DataFrame
    """The numbers of both blocks for the CSV file; the column `source` is paper or ours."""

    @property
    def blocks(self) -> list[tuple[str, list[list[str]]]]:
        """Title and rows of the blocks that have some."""
        found = [("paper, as printed", self.paper), ("ours, measured", self.ours)]
        return [(title, rows) for title, rows in found if rows]


def table_of_cells(
    name: str,
    title: str,
    first: str,
    printed: pd.DataFrame,
    found: pd.DataFrame,
    notes: list[str],
    show: Callable[[pd.DataFrame], str] = cells_text,
) -> PaperTable:
    """A table of `printed` (published.printed_values) and `found` (cells).

    Rows and columns keep their order; printed columns come first. `show`: the text of the cells of
    one row and column.
    """
    paper = paper_cells(printed)
    columns = list(dict.fromkeys([*paper["column"], *found["column"]]))
    printed_rows, ours = text_grid(paper, columns, show), text_grid(found, columns, show)
    both = [*paper.to_dict("records"), *found.to_dict("records")]
    numbers = pd.DataFrame(both, columns=found.columns)
    return PaperTable(name, title, [first, *columns], printed_rows, ours, notes, numbers)


def text_grid(
    found: pd.DataFrame, columns: Sequence[str], show: Callable[[pd.DataFrame], str]
) -> list[list[str]]:
    """The rows of a block: the name of the row, then the text of each column."""
    groups = dict(iter(found.groupby(["row", "column"], sort=False)))
    return [
        [row, *(show(groups[row, c]) if (row, c) in groups else ABSENT for c in columns)]
        for row in dict.fromkeys(found["row"])
    ]


def write_table(table: PaperTable, folder: Path) -> None:
    """Write <name>.csv, .md and .tex."""
    write_text(folder / f"{table.name}.csv", numbers_csv(table.numbers))
    write_texts(table, folder)
