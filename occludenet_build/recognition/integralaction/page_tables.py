"""modes.csv and gate.csv as tables of texts, for the page of a build."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from occludenet_build.recognition.integralaction.gates import DIFFERENCE

Row = dict[str, Any]
Table = dict[str, Any]
"""title, head, blocks [{title, rows}], notes: as models/tables.json."""

_SOURCES = {
    "": "",
    "occluded": "poses of the clip shown",
    "clean": "poses of the clean twin",
    DIFFERENCE: "difference",
}


def page_tables(modes: Sequence[Row], gates: Sequence[Row]) -> dict[str, Table]:
    """The tables by name, from the rows of modes.csv and of gate.csv."""
    tables = {}
    if modes:
        tables["integralaction_accuracy"] = _modes(modes)
    if gates:
        tables["integralaction_gate"] = _gates(gates)
    return tables


def _modes(rows: Sequence[Row]) -> Table:
    blocks = []
    for (mode, source), part in groupby(rows, lambda row: (row["mode"], row["poses"])):
        title = f"{mode}, {_SOURCES[source]}" if source else mode
        cells = [[row["set"], str(row["clips"]), _interval(row, "top1", 1), _top5(row)]
                 for row in part]  # fmt: skip
        blocks.append({"title": title, "rows": cells})
    return {
        "title": "IntegralAction: accuracy of its modes, in percent",
        "head": ["set", "clips", "top-1 (95 %)", "top-5"],
        "blocks": blocks,
        "notes": [f"{_seeds(rows)}; the clips are those that every mode has predicted."],
    }


def _gates(rows: Sequence[Row]) -> Table:
    blocks = []
    for (by, source), part in groupby(
        sorted(rows, key=lambda row: (row["by"] != "set", list(_SOURCES).index(row["poses"]))),
        lambda row: (row["by"], row["poses"]),
    ):
        what = "by set" if by == "set" else "by the measured share of the actor that is hidden"
        cells = [[row["value"], str(row["clips"]), _interval(row, "gate", 3),
                  f"{100 * row['found']:.0f} %"] for row in part]  # fmt: skip
        blocks.append({"title": f"{what}, {_SOURCES[source]}", "rows": cells})
    return {
        "title": "IntegralAction: mean gate, from 0 (all RGB) to 1 (all pose)",
        "head": ["set, or share", "clips", "gate (95 %)", "with a pose"],
        "blocks": blocks,
        "notes": [
            f"{_seeds(rows)}. Difference: the gate with the poses found on the occluded clip less "
            "that with the poses of its clean twin, clip by clip."
        ],
    }


def _interval(row: Row, name: str, digits: int) -> str:
    value, low, high = (f"{row[key]:.{digits}f}" for key in (name, "low", "high"))
    return f"{value} ({low} to {high})"


def _top5(row: Row) -> str:
    return "-" if row["top5"] == "" else f"{row['top5']:.1f}"


def _seeds(rows: Sequence[Row]) -> str:
    numbers = sorted({row["seeds"] for row in rows})
    return f"Seeds: {' or '.join(map(str, numbers))}"
