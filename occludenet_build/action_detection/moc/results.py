"""AP by training and test set, and where the attention is, over all networks of the stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from occludenet_build.action_detection.attention import Shares
from occludenet_build.core.build import read_json
from occludenet_build.core.tables import read_table
from occludenet_build.recognition.accuracy import group_interval

Row = dict[str, Any]

AP_COLUMNS = ("network", "trained_on", "seed", "set", "metric", "value", "low", "high", "n")
"""Of ap.csv; percent; n: videos; low, high: 95 % bootstrap over groups of videos."""
ATTENTION_COLUMNS = (
    *("network", "trained_on", "seed", "set", "part", "value", "low", "high", "area", "n"),
)  # fmt: skip
"""Of attention.csv; shares 0 to 1. part: actor, occluder, background; value: share of the
attention, the mean over videos of their means; area: share of the picture; n: videos."""


def ap_rows(paths: Sequence[Path]) -> list[Row]:
    """The rows of ap.csv, from the .json of each network."""
    found = []
    for path in paths:
        read = read_json(path)
        about = {name: read[name] for name in ("network", "trained_on", "seed")}
        for row in read["ap"]:
            numbers = {name: round(row[name], 2) for name in ("value", "low", "high")}
            found.append(about | {"set": row["set"], "metric": row["metric"]} | numbers)
            found[-1]["n"] = row["n"]
    return found


def attention_rows(paths: Sequence[Path]) -> list[Row]:
    """The rows of attention.csv, from the .json and .attention.parquet of each network."""
    found = []
    for path in paths:
        read = read_json(path)
        about = {name: read[name] for name in ("network", "trained_on", "seed")}
        rows = read_table(path.with_suffix(".attention.parquet")).to_pandas()
        for set_, part in rows.groupby("set", sort=False):
            found += [about | {"set": set_} | row for row in _shares(part)]
    return found


def _shares(rows: pd.DataFrame) -> Iterator[Row]:
    for part in Shares._fields:
        values = rows[part].dropna()
        if values.empty:
            continue
        low, high = group_interval(values.to_numpy(), rows.loc[values.index, "group"])
        numbers = {
            "value": values.mean(),
            "low": low,
            "high": high,
            "area": rows.loc[values.index, f"area_{part}"].mean(),
        }
        yield (
            {"part": part}
            | {name: round(float(number), 4) for name, number in numbers.items()}
            | {"n": len(values)}
        )


def page(ap: Sequence[Row], attention: Sequence[Row]) -> str:
    """ap.md: a table per metric, networks and trainings by test set; then the attention."""
    lines = ["# Action detection: AP by training and test set", ""]
    lines += ["Percent; the mean over the seeds, in brackets the smallest and the largest.", ""]
    for metric in _distinct(ap, "metric"):
        lines += [f"## {metric}", "", *_table([row for row in ap if row["metric"] == metric]), ""]
    for part in _distinct(attention, "part"):
        shown = [row for row in attention if row["part"] == part]
        percent = [row | {"value": 100 * row["value"]} for row in shown]
        areas = {row["set"]: 100 * row["area"] for row in shown}
        lines += [f"## Attention on the {part}", "", *_table(percent, areas), ""]
    if attention:
        lines += [
            "Percent of the attention in a frame; `area` is what it covers of the picture.",
            "",
        ]
    return "\n".join(lines)


def _table(rows: Sequence[Row], areas: dict[str, float] | None = None) -> list[str]:
    sets = _distinct(rows, "set")
    head = ["network", "trained on", "seeds", *sets]
    lines = [head, ["---"] * len(head)]
    pairs = dict.fromkeys((row["network"], row["trained_on"]) for row in rows)
    for pair in pairs:
        own = [row for row in rows if (row["network"], row["trained_on"]) == pair]
        seeds = len(_distinct(own, "seed"))
        lines.append([*pair, str(seeds), *(_cell(own, name) for name in sets)])
    if areas:
        lines.append(["area", "", "", *(f"{areas[name]:.1f}" for name in sets)])
    counts = {row["set"]: row["n"] for row in rows}
    lines.append(["videos", "", "", *(str(counts[name]) for name in sets)])
    return [f"| {' | '.join(line)} |" for line in lines]


def _cell(rows: Sequence[Row], set_: str) -> str:
    values = [row["value"] for row in rows if row["set"] == set_]
    if not values:
        return ""
    ends = f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else ""
    return f"{fmean(values):.1f}{ends}"


def _distinct(rows: Sequence[Row], name: str) -> list[Any]:
    return list(dict.fromkeys(row[name] for row in rows))
