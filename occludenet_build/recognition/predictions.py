"""Predictions as a table: what a model says of each clip, ours or another's.

One file per model and training, a row per clip. The file carries, as metadata of its schema, the
labels in the order of the logits and whose predictions they are: tables of different label maps
cannot be mixed by mistake.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.statistics import one_clip_points, wilson
from occludenet_build.core.tables import column

PREDICTIONS = pa.schema(
    [
        column("clip", "string", "id of the source clip: joins a clip with its other scales, its "
               "clean twin and other models"),
        column("set", "string", "clean, D-25, D-50, D-75, or the name of a list: S, I, M, K-400"),
        column("scale", "float64", "size of the occluder relative to the actor's box; 0: clean; "
               "null for clips of a list"),
        column("file", "string", "the clip, relative to the build's folder or to the list's"),
        column("label", "string", "what it shows"),
        column("predicted", "string", "what the network says: the label of the largest logit"),
        column("top1", "bool", "predicted is the label"),
        column("top5", "bool", "the label is among the 5 largest logits"),
        column("logits", pa.list_(pa.float32()), "of the averaged prediction, in the order of the "
               "network's labels: mean logits, or the logarithm of the mean softmax"),
        column("erased_logits", pa.list_(pa.float32()), "the same for the clip without its actor; "
               "null where that was not asked for or nothing is erased"),
        column("degree", "float64", "mean size of the occluder relative to the actor's box, "
               "measured; null where unknown"),
        column("area_ratio", "float64", "share of the actor's box hidden, mean of occluded frames"),
        column("actor_hidden", "float64", "share of the actor's mask hidden, mean"),
        column("duration_ratio", "float64", "share of the clip's time in which it is occluded"),
    ]
)  # fmt: skip

_ABOUT = b"occludenet_build.predictions"


@dataclass(frozen=True)
class About:
    """Whose predictions these are."""

    model: str
    """The backbone, or the name that the user gave to a dump."""
    labels: tuple[str, ...]
    """In the order of the logits."""
    arm: str | None = None
    """baseline, car, ...; None where the model was not trained here."""
    seed: int | None = None
    average: str = "softmax"
    views: int | None = None
    crops: int | None = None
    epochs: int | None = None
    """Of the training; None where unknown."""
    alpha: float | None = None

    @property
    def name(self) -> str:
        """Of a row in a table: `x3d_s + car`."""
        return self.model if self.arm is None else f"{self.model} + {self.arm}"


@dataclass(frozen=True)
class Predicted:
    about: About
    rows: pd.DataFrame
    """Columns of PREDICTIONS."""


def write(rows: Sequence[dict[str, Any]], about: About, path: Path) -> None:
    table = tables.from_rows(list(rows), PREDICTIONS)
    noted = {_ABOUT: json.dumps(asdict(about), sort_keys=True).encode()}
    tables.write(table.replace_schema_metadata((table.schema.metadata or {}) | noted), path)


def read(path: Path) -> Predicted:
    """Raises UserError where the file is none of ours."""
    table = tables.read(path)
    return Predicted(about_of(table, path), table.to_pandas())


def about_of(table: pa.Table, path: Path | str) -> About:
    """Whose predictions a table of `path` holds. Raises UserError where it is none of ours."""
    noted = (table.schema.metadata or {}).get(_ABOUT)
    if noted is None:
        raise UserError(
            f"wanted predictions written by evaluate or predictions, {path} is another table, or "
            "of an older version; run evaluate again"
        )
    values = json.loads(noted)
    return About(**values | {"labels": tuple(values["labels"])})


def ranked(logits: Sequence[float], labels: Sequence[str], label: str) -> dict[str, Any]:
    """predicted, top1 and top5 of one clip; of equal logits the first counts as larger."""
    order = sorted(range(len(labels)), key=lambda position: -logits[position])[:5]
    best = [labels[position] for position in order]
    return {"predicted": best[0], "top1": best[0] == label, "top5": label in best}


def place(row: dict[str, Any]) -> tuple[Any, ...]:
    """Where a row stands in a table: sets by scale, those of lists after them, then by file."""
    scale = row.get("scale")
    return scale is None, scale or 0.0, row["set"], row["file"]


def summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per set, in the order of the rows: set, scale, n, and in percent of the n clips top1 and
    top5, each with `_low` and `_high` (Wilson, 95 %), and one_clip_points."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["set"], []).append(row)
    return [
        {"set": name, "scale": group[0].get("scale"), "n": len(group)}
        | _accuracy(group, "top1")
        | _accuracy(group, "top5")
        | {"one_clip_points": one_clip_points(len(group))}
        for name, group in groups.items()
    ]


def _accuracy(rows: Sequence[dict[str, Any]], name: str) -> dict[str, float]:
    right = sum(row[name] for row in rows)
    low, high = wilson(right, len(rows))
    return {name: 100 * right / len(rows), f"{name}_low": 100 * low, f"{name}_high": 100 * high}


def log_summary(found: Sequence[dict[str, Any]], skipped: int) -> None:
    logging.info("%-10s %6s  %-22s %7s", "set", "n", "top-1 % (95 %)", "top-5 %")
    for entry in found:
        top1 = "{top1:.1f} ({top1_low:.1f} to {top1_high:.1f})".format(**entry)
        logging.info("%-10s %6d  %-22s %7.1f", entry["set"], entry["n"], top1, entry["top5"])
    if skipped:
        logging.warning("%d files were left out: `skipped` in the .json says why", skipped)


def must_agree(predicted: Sequence[Predicted]) -> None:
    """All of one label map, by name; another order is none. Raises UserError."""
    for other in predicted[1:]:
        if set(other.about.labels) != set(predicted[0].about.labels):
            only = sorted(set(other.about.labels) ^ set(predicted[0].about.labels))
            raise UserError(
                f"label maps do not match: {predicted[0].about.name} has "
                f"{len(predicted[0].about.labels)} labels, {other.about.name} "
                f"{len(other.about.labels)}; {', '.join(only[:5])} only in one of them; compare "
                "models of the same labels"
            )
