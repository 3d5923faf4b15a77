"""What the gate does under occlusion, and how well the three modes do: tables with intervals.

The question that the paper could not ask: does the gate turn away from poses that were found on a
hidden person, and what would it do with the poses of the clean twin? Every clip is asked with both.
Of several seeds a clip has its mean; the bootstrap draws groups of clips that are not independent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from occludenet_build.core.tables import column, read_table
from occludenet_build.recognition.accuracy import group_interval, set_order
from occludenet_build.recognition.groups import groups_of
from occludenet_build.recognition.prediction_table import read_predictions

GATES = pa.schema(
    [
        column("clip", "string", "id of the source clip"),
        column("set", "string", "clean, D-25, D-50, D-75, or the name of a list"),
        column("scale", "float64", "size of the occluder relative to the actor's box; 0: clean"),
        column("file", "string", "the clip"),
        column("poses", "string", "on which clip the poses were found: occluded, the one that is "
               "shown, or clean, its clean twin"),
        column("gate", "float64", "mean of the gate over views, frames and channels, 0 to 1: 1 is "
               "all pose, 0 all RGB; null but for rgb_pose"),
        column("found", "int32", "persons with a pose, over all views and frames"),
        column("degree", "float64", "measured size of the occluder relative to the actor's box"),
        column("actor_hidden", "float64", "measured share of the actor's mask that is hidden"),
        column("label", "string", "the clip's class"),
        column("seed", "int64", "seed of the training"),
    ]
)  # fmt: skip
"""A row per clip and source of poses, of <mode>-<seed>.gates.parquet."""

EDGES = (0.0, 0.05, 0.15, 0.3, 0.5, 1.0)
"""Edges of the shares of the actor that are hidden, of which each pair is a row of gate.csv."""

GATE_COLUMNS = ("by", "value", "poses", "seeds", "clips", "groups", "gate", "low", "high", "found")
"""Of gate.csv. by: set or hidden; value: the set, or the share of the actor that is hidden, from
and to; found: share of the clips in which anybody has a pose; low, high: 95 % bootstrap."""

MODE_COLUMNS = ("mode", "poses", "set", "seeds", "clips", "groups", "top1", "low", "high", "top5")
"""Of modes.csv; percent. low, high: bootstrap over groups of the mean over seeds."""


def gate_rows(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """The rows of gate.csv, from gates tables of rgb_pose of all seeds."""
    if not paths:
        return []
    every = pd.concat([read_table(path).to_pandas() for path in paths])
    every = every.dropna(subset=["gate"])
    every["group"] = groups_of(every)
    keys = ["set", "file", "poses"]
    kept = ["clip", "scale", "group", "actor_hidden"]
    one = every.groupby(keys, sort=False).agg(
        dict.fromkeys(kept, "first") | {"gate": "mean", "found": "max"}
    )
    seeds = every["seed"].nunique()
    return [*_by_set(one.reset_index(), seeds), *_by_hidden(one.reset_index(), seeds)]


def _by_set(one: pd.DataFrame, seeds: int) -> Iterator[dict[str, Any]]:
    parts = dict(list(one.groupby(["set", "poses"], sort=False)))
    for name, source in sorted(parts, key=lambda key: (_order(parts[key]), key[1] != "occluded")):
        yield _row("set", name, source, seeds, parts[name, source])


def _order(part: pd.DataFrame) -> tuple[bool, float, str]:
    scale = part["scale"].iloc[0]
    return set_order(part["set"].iloc[0], None if np.isnan(scale) else scale)


def _by_hidden(one: pd.DataFrame, seeds: int) -> Iterator[dict[str, Any]]:
    measured = one.dropna(subset=["actor_hidden"])
    for low, high in pairwise(EDGES):
        last = high == EDGES[-1]
        hidden = measured["actor_hidden"]
        inside = measured[(hidden >= low) & ((hidden < high) | last)]
        for source, part in sorted(inside.groupby("poses"), key=lambda one: one[0] != "occluded"):
            yield _row("hidden", f"{low:g} to {high:g}", str(source), seeds, part)


def _row(by: str, value: str, source: str, seeds: int, part: pd.DataFrame) -> dict[str, Any]:
    low, high = group_interval(part["gate"].to_numpy(), part["group"])
    return {
        "by": by,
        "value": value,
        "poses": source,
        "seeds": seeds,
        "clips": len(part),
        "groups": part["group"].nunique(),
        "gate": round(float(part["gate"].mean()), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "found": round(float((part["found"] > 0).mean()), 4),
    }


def mode_rows(tables: Mapping[tuple[str, str], Sequence[Path]]) -> list[dict[str, Any]]:
    """The rows of modes.csv. `tables`: (mode, source of poses) -> predictions of all seeds; the
    source is empty for rgb_only."""
    found = []
    for (mode, source), paths in tables.items():
        every = pd.concat([read_predictions(path).rows for path in paths]) if paths else None
        if every is None or every.empty:
            continue
        every["group"] = groups_of(every)
        parts = [part for _, part in every.groupby("set", sort=False)]
        found += [
            {"mode": mode, "poses": source, "seeds": len(paths)} | _accuracies(part)
            for part in sorted(parts, key=_order)
        ]
    return found


def _accuracies(part: pd.DataFrame) -> dict[str, Any]:
    """Mean over seeds of each clip, then over clips."""
    by_clip = part.groupby("file", sort=False).agg(
        {"top1": "mean", "top5": "mean", "group": "first"}
    )
    low, high = group_interval(by_clip["top1"].to_numpy(float), by_clip["group"])
    return {
        "set": part["set"].iloc[0],
        "clips": len(by_clip),
        "groups": by_clip["group"].nunique(),
        "top1": round(100 * float(by_clip["top1"].mean()), 2),
        "low": round(100 * low, 2),
        "high": round(100 * high, 2),
        "top5": round(100 * float(by_clip["top5"].mean()), 2),
    }
