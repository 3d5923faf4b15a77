"""What the paper prints: its Tables 1 to 6, values of figures, Appendix G. Facts, never ours.

table_<n>.csv    the cells as they are printed, empty where the paper has a dash or nothing. Sets
                 have one name in all tables: K-400-O for K-O, S, I and M for O-S, O-I and O-M.
figures.json     values that captions and text give for figures
parents.json     Appendix G: the parents as printed, which names Kinetics-400 writes in another
                 way and why, and its classes without a parent
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

_HERE = Path(__file__).parent
DESCRIPTIVE = ("Dataset", "Method", "Venue", "Backbone", "Alpha", "Metric")
"""Columns that say whose values stand in a row; the other columns are sets or levels."""


def printed_table(number: int) -> pd.DataFrame:
    """Table 1 to 6 as printed: all columns are text, "" where nothing is printed."""
    return pd.read_csv(_HERE / f"table_{number}.csv", dtype=str, keep_default_na=False)


def printed_values(number: int) -> pd.DataFrame:
    """Table 2 to 6, a row per printed number: `row` (str), `column` (str), `metric` (top-1, top-5),
    `printed` (its text), `value` (float64, percent)."""
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
    """Appendix G as in parents.json: source, parents, renamed, orphans."""
    return json.loads((_HERE / "parents.json").read_text(encoding="utf-8"))


def printed_figures() -> dict[str, Any]:
    """What is printed of figures, by the name of the figure."""
    return json.loads((_HERE / "figures.json").read_text(encoding="utf-8"))
