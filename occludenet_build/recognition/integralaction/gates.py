"""What the gate does under occlusion, and how well the three modes do: tables with intervals.

The question that the paper could not ask: does the gate turn away from poses that were found on a
hidden person, and what would it do with the poses of the clean twin? Every occluded clip is asked
with both, and the difference of both is what occlusion does to the gate. Of several seeds a clip
has its mean; the bootstrap draws groups of clips that are not independent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from occludenet_build.config.integralaction import MODES, POSE_SOURCES
from occludenet_build.core.errors import UserError
from occludenet_build.core.tables import column, read_table
from occludenet_build.recognition.accuracy import group_interval, set_order, tells_top5
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
        column("reason", "string", "why the clip has no poses: no_poses, bad_poses, not_json, "
               "...; null where it has some"),
        column("degree", "float64", "measured size of the occluder relative to the actor's box"),
        column("actor_hidden", "float64", "measured share of the actor's mask that is hidden"),
        column("label", "string", "the clip's class"),
        column("group", "string", "the group of clips that are not independent; null: the name of "
               "the source clip tells"),
        column("seed", "int64", "seed of the training"),
    ]
)  # fmt: skip
"""A row per clip and source of poses, of <mode>-<seed>.gates.parquet."""

EDGES = (0.0, 0.05, 0.15, 0.3, 0.5, 1.0)
"""Edges of the shares of the actor that are hidden, of which each pair is a row of gate.csv."""

DIFFERENCE = "occluded - clean"
"""In gate.csv in the place of the source: the gate with one less the gate with the other."""

GATE_COLUMNS = ("by", "value", "poses", "seeds", "clips", "groups", "gate", "low", "high", "found")
"""Of gate.csv. by: set or hidden; value: the set, or the share of the actor that is hidden, from
and to; poses: occluded, clean or DIFFERENCE; found: share of the clips in which anybody has a pose
(of a difference: in both); low, high: 95 % bootstrap."""

MODE_COLUMNS = ("mode", "poses", "set", "seeds", "clips", "groups", "top1", "low", "high", "top5")
"""Of modes.csv; percent. clips: those that every network has predicted; low, high: bootstrap over
groups of the mean over seeds; top5: empty where it is always right."""

Row = dict[str, Any]


def predictions_file(path: Path, source: str) -> Path:
    """The table of predictions with poses of a source. `path`: that of the clip that is shown."""
    return path if source == POSE_SOURCES[0] else path.with_suffix(f".{source}.parquet")


def gate_rows(paths: Sequence[Path]) -> list[Row]:
    """The rows of gate.csv, from gates tables of all seeds; none of networks without a gate."""
    tables = [read_table(path).to_pandas() for path in paths]
    every = pd.concat(tables, ignore_index=True).dropna(subset=["gate"]) if tables else None
    if every is None or every.empty:
        return []
    every["group"] = groups_of(every)
    every["found"] = every["found"] > 0
    kept = dict.fromkeys(["clip", "scale", "group", "actor_hidden"], "first")
    keys = ["set", "file", "poses"]
    one = every.groupby(keys, sort=False).agg(kept | {"gate": "mean", "found": "max"}).reset_index()
    one = pd.concat([one, _differences(one)], ignore_index=True)
    seeds = every["seed"].nunique()
    return [*_by_set(one, seeds), *_by_hidden(one, seeds)]


def _differences(one: pd.DataFrame) -> pd.DataFrame:
    """Of every occluded clip the gate with its own poses less that with its clean twin's."""
    parts = [one[(one["poses"] == s) & (one["scale"] > 0)] for s in POSE_SOURCES]
    shown, twin = (part.set_index(["set", "file"]) for part in parts)
    of_twin = twin[["gate", "found"]].add_suffix("_twin")
    both = shown.join(of_twin, how="inner")
    both["gate"] -= both["gate_twin"]
    both["found"] &= both["found_twin"]
    return both.assign(poses=DIFFERENCE).reset_index()[one.columns]


def _by_set(one: pd.DataFrame, seeds: int) -> Iterator[Row]:
    parts = dict(list(one.groupby(["set", "poses"], sort=False)))
    for name, source in sorted(parts, key=lambda key: (_order(parts[key]), _source(key[1]))):
        yield _row("set", name, source, seeds, parts[name, source])


def _order(part: pd.DataFrame) -> tuple[bool, float, str]:
    scale = part["scale"].iloc[0]
    return set_order(part["set"].iloc[0], None if np.isnan(scale) else scale)


def _source(name: str) -> int:
    return (*POSE_SOURCES, DIFFERENCE).index(name)


def _by_hidden(one: pd.DataFrame, seeds: int) -> Iterator[Row]:
    measured = one.dropna(subset=["actor_hidden"])
    for low, high in pairwise(EDGES):
        last = high == EDGES[-1]
        hidden = measured["actor_hidden"]
        inside = measured[(hidden >= low) & ((hidden < high) | last)]
        for source, part in sorted(inside.groupby("poses"), key=lambda one: _source(one[0])):
            yield _row("hidden", f"{low:g} to {high:g}", str(source), seeds, part)


def _row(by: str, value: str, source: str, seeds: int, part: pd.DataFrame) -> Row:
    bounds = (-1.0, 1.0) if source == DIFFERENCE else (0.0, 1.0)
    low, high = group_interval(part["gate"].to_numpy(float), part["group"], bounds)
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
        "found": round(float(part["found"].mean()), 4),
    }


def mode_rows(paths: Sequence[Path]) -> list[Row]:
    """The rows of modes.csv, from the tables of predictions of all modes and seeds; of those that
    see poses also the tables with the poses of clean twins, which lie beside them.

    Raises UserError where a mode and seed is there twice.
    """
    tables = [table for path in paths for table in _predicted(path)]
    if not tables:
        return []
    every = pd.concat(tables, ignore_index=True)
    every["group"] = groups_of(every)
    by_training = every.groupby(["mode", "poses", "seed", "set", "file"])
    if by_training.ngroups < len(every):
        raise UserError("wanted one table per mode and seed, got two of one; name one of them")
    every = _shared_by_all(every)
    parts = [part for _, part in every.groupby(["mode", "poses", "set"], sort=False)]
    return [_accuracies(part) for part in sorted(parts, key=_mode_order)]


def _predicted(path: Path) -> Iterator[pd.DataFrame]:
    for source in POSE_SOURCES:
        found = predictions_file(path, source)
        if not found.exists() and source != POSE_SOURCES[0]:
            continue
        about, rows = (one := read_predictions(found)).about, one.rows
        shown = "" if about.arm == MODES[0] else source
        top5 = rows["top5"].astype(float) if tells_top5(len(about.labels)) else np.nan
        kept = rows[["clip", "set", "scale", "file", "group"]]
        yield kept.assign(
            mode=about.arm,
            poses=shown,
            seed=about.seed or 0,
            top1=rows["top1"].astype(float),
            top5=top5,
        )


def _shared_by_all(every: pd.DataFrame) -> pd.DataFrame:
    """Without the clips that some network could not read: modes are compared on the same clips."""
    network = every["mode"] + " " + every["poses"] + " " + every["seed"].astype(str)
    numbered = every.assign(network=network)
    seen = numbered.groupby(["set", "file"])["network"].transform("nunique")
    return every[seen == numbered.groupby("set")["network"].transform("nunique")]


def _mode_order(part: pd.DataFrame) -> tuple[Any, ...]:
    first = part.iloc[0]
    source = POSE_SOURCES.index(first["poses"]) if first["poses"] else 0
    return MODES.index(first["mode"]), source, _order(part)


def _accuracies(part: pd.DataFrame) -> Row:
    """Mean over seeds of each clip, then over clips."""
    sums = {"top1": "mean", "top5": "mean", "group": "first"}
    by_clip = part.groupby("file", sort=False).agg(sums)
    low, high = group_interval(by_clip["top1"].to_numpy(float), by_clip["group"])
    top5 = float(by_clip["top5"].mean())
    return {
        **{name: part[name].iloc[0] for name in ("mode", "poses", "set")},
        "seeds": part["seed"].nunique(),
        "clips": len(by_clip),
        "groups": by_clip["group"].nunique(),
        "top1": round(100 * float(by_clip["top1"].mean()), 2),
        "low": round(100 * low, 2),
        "high": round(100 * high, 2),
        "top5": "" if np.isnan(top5) else round(100 * top5, 2),
    }
