"""Predictions as a table: the answers of a model, of this build or another, clip by clip.

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
from occludenet_build.core.tables import column
from occludenet_build.recognition.accuracy import set_order, tells_top5

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

_ABOUT = b"occludenet_build.recognition.predictions"


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
class Predictions:
    about: About
    rows: pd.DataFrame
    """Columns of PREDICTIONS."""


def write(rows: Sequence[dict[str, Any]], about: About, path: Path) -> None:
    """Write rows of PREDICTIONS with `about` in the file. Raises ValueError for another column."""
    table = tables.from_rows(list(rows), PREDICTIONS)
    noted = {_ABOUT: json.dumps(asdict(about), sort_keys=True).encode()}
    tables.write(table.replace_schema_metadata((table.schema.metadata or {}) | noted), path)


def read_predictions(path: Path) -> Predictions:
    """What `write` wrote. Raises UserError where the file is another table or does not read."""
    table = tables.read(path)
    return Predictions(model_info_of(table, path), table.to_pandas())


def model_info_of(table: pa.Table, path: Path | str) -> About:
    """Whose predictions a table of `path` holds. Raises UserError where it is another table."""
    noted = (table.schema.metadata or {}).get(_ABOUT)
    if noted is None:
        raise UserError(
            f"wanted predictions written by evaluate or predictions, {path} is another table, or "
            "of an older version; run evaluate again"
        )
    values = json.loads(noted)
    return About(**values | {"labels": tuple(values["labels"])})


def row_order(row: dict[str, Any]) -> tuple[Any, ...]:
    """Key that sorts rows of PREDICTIONS: sets by `accuracy.set_order`, then by file."""
    return *set_order(row["set"], row.get("scale")), row["file"]


def log_summary(found: Sequence[dict[str, Any]], classes: int, skipped: int) -> None:
    """Log the accuracies of `accuracy.summarise_sets`, and how many files were left out.

    `classes`: how many the model knows; top-5 is "-" where it says nothing.
    """
    logging.info("%-10s %6s  %-22s %7s", "set", "n", "top-1 % (95 %)", "top-5 %")
    for entry in found:
        top1 = "{top1:.1f} ({top1_low:.1f} to {top1_high:.1f})".format(**entry)
        top5 = f"{entry['top5']:.1f}" if tells_top5(classes) else "-"
        logging.info("%-10s %6d  %-22s %7s", entry["set"], entry["n"], top1, top5)
    if skipped:
        logging.warning("%d files were left out: `skipped` in the .json says why", skipped)


def check_same_labels(predicted: Sequence[Predictions]) -> None:
    """Check that all models know the same labels, by name, in whatever order.

    Raises UserError where one knows a label that another does not.
    """
    for other in predicted[1:]:
        if set(other.about.labels) != set(predicted[0].about.labels):
            only = sorted(set(other.about.labels) ^ set(predicted[0].about.labels))
            raise UserError(
                f"label maps do not match: {predicted[0].about.name} has "
                f"{len(predicted[0].about.labels)} labels, {other.about.name} "
                f"{len(other.about.labels)}; {', '.join(only[:5])} only in one of them; compare "
                "models of the same labels"
            )
