"""The paper's printed numbers: Tables 1 to 6, values of figures, Appendix G.

table_<n>.csv    the cells as printed, empty where the paper has a dash or nothing. Sets have the
                 same name in all tables: K-400-O for K-O, S, I and M for O-S, O-I and O-M.
figures.json     values of figures from captions and text
parents.json     Appendix G: the parents as printed, the names that Kinetics-400 spells differently
                 with the reason, and its classes without a parent
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

_HERE = Path(__file__).parent
DESCRIPTIVE = ("Dataset", "Method", "Venue", "Backbone", "Alpha", "Metric")
"""Columns that describe a row; the other columns are sets or levels."""


def printed_table(number: int) -> pd.DataFrame:
    """Table 1 to 6 as printed: all cells are text, "" where nothing is printed."""
    return pd.read_csv(_HERE / f"table_{number}.csv", dtype=str, keep_default_na=False)


def printed_values(number: int) -> pd.DataFrame:
    """The numbers of Table 2 to 6, a row each: `row` (str), `column` (str), `metric` (top-1 or
    top-5), `printed` (text), `value` (float64, percent)."""
    printed = printed_table(number)
    named = next((name for name in DESCRIPTIVE if name in printed and name != "Metric"), None)
    printed = printed.rename(columns={named: "row"} if named else {}).assign(
        **{} if named else {"row": "mean of models"}
    )
    rest = [name for name in printed if name not in (*DESCRIPTIVE, "row")]
    long = printed.reset_index().melt(["index", "row", "Metric"], rest, "column", "value")
    long = long[long["value"] != ""].sort_values("index", kind="stable")
    return pd.DataFrame(
        {
            "row": long["row"],
            "column": long["column"],
            "metric": long["Metric"],
            "printed": long["value"],
            "value": long["value"].astype(float),
        }
    ).reset_index(drop=True)


def printed_parents() -> dict[str, Any]:
    """Appendix G from parents.json: source, parents, renamed, orphans."""
    return json.loads((_HERE / "parents.json").read_text(encoding="utf-8"))


def printed_figures() -> dict[str, Any]:
    """The printed values of figures, by the name of the figure."""
    return json.loads((_HERE / "figures.json").read_text(encoding="utf-8"))
