"""The paper's tables and figures by name, and their inputs.

This module uses the standard library only, since the workflow imports it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple


class Item(NamedTuple):
    """A table or figure."""

    kind: str
    """table, chart (a figure of numbers) or sheet (a figure of pictures)."""
    needs: tuple[str, ...]
    """Inputs: clips (the annotated clips), occluders (the bank), predictions (of evaluate, dumps
    and other builds), attention (Grad-CAM)."""


SUFFIXES = {
    "table": (".csv", ".md", ".tex"),
    "chart": (".svg", ".png", ".csv"),
    "sheet": (".svg", ".png", ".csv"),
}
"""Suffixes of an item's files paper/<name><suffix>, by kind."""

_TABLE = Item("table", ("predictions",))
_CHART = Item("chart", ("predictions",))
_LOOK = Item("sheet", ("clips", "predictions", "attention"))

ITEMS = {
    "table_1": Item("table", ("clips", "occluders")),
    **dict.fromkeys(("table_2", "table_3", "table_4", "table_5", "table_6"), _TABLE),
    "figure_2": _LOOK,
    "figure_3": Item("sheet", ("clips", "occluders")),
    **dict.fromkeys(("figure_4a", "figure_4b", "figure_4c", "figure_5a", "figure_5b"), _CHART),
    **dict.fromkeys(("figure_7_left", "figure_7_right", "figure_8"), _CHART),
    "figure_9": _LOOK,
    "figure_11": Item("sheet", ("clips",)),
    "figure_12": Item("sheet", ("occluders",)),
    "figure_13": Item("sheet", ("clips",)),
    **dict.fromkeys(("figure_14", "figure_15", "figure_16"), _CHART),
    "figure_17": _LOOK,
    "table_robustness": _TABLE,
    "figure_robustness": _CHART,
}
"""All items, in the order of the paper; those of robustness are not in it."""


def targets() -> dict[str, tuple[str, ...]]:
    """Items by the name of a target: every item, and figure_4, figure_5, figure_7 for all parts."""
    parts: dict[str, list[str]] = {}
    for name in ITEMS:
        parts.setdefault(_whole(name), []).append(name)
    return {name: (name,) for name in ITEMS} | {name: tuple(p) for name, p in parts.items()}


def needed(name: str, files: Mapping[str, Iterable[str]]) -> list[str]:
    """The input files of an item; `files`: those of each word of Item.needs."""
    return [path for need in ITEMS[name].needs for path in files[need]]


def predictions_in(build: Path, trained: bool = True) -> list[Path]:
    """Files of the predictions of a build: evaluate's, called <arm>-<seed>, of D and then of S, I
    and M, then those of dumps."""
    ours = evaluations_in(build, ".parquet") if trained else []
    return [*ours, *sorted(build.glob("predictions/*.parquet"))]


def evaluations_in(build: Path, suffix: str) -> list[Path]:
    """Files <arm>-<seed> with this suffix that evaluate wrote, of D and then of S, I and M."""
    found = [
        path for depth in ("", "*/") for path in sorted(build.glob(f"evaluate/{depth}*-*{suffix}"))
    ]
    return [path for path in found if path.stem.rpartition("-")[2].isdigit()]


def _whole(name: str) -> str:
    """figure_4 for figure_4a, figure_7 for figure_7_left."""
    kind, number = name.split("_")[:2]
    return f"{kind}_{number.rstrip('abcdefgh')}"
