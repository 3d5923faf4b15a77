"""The table of predictions: one file per model and training, a row per clip.

The metadata of the file's schema holds the labels in the order of the logits and the facts of the
model (`About`), so tables of different label maps cannot be mixed by mistake.
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
import pyarrow.compute as pc

from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.tables import column
from occludenet_build.recognition.accuracy import set_order, tells_top5

PREDICTIONS = pa.schema(
    [
        column("clip", "string", "id of the source clip, shared by its scales and its clean twin"),
        column("set", "string", "clean, D-25, D-50, D-75, or the name of a list: S, I, M, K-400"),
        column("scale", "float64", "size of the occluder relative to the actor's box; 0: clean; "
               "null for clips of a list"),
        column("file", "string", "the clip, relative to the build's folder or to the list's"),
        column("label", "string", "the clip's class"),
        column("predicted", "string", "the label of the largest logit"),
        column("top1", "bool", "whether predicted is the label"),
        column("top5", "bool", "whether the label is among the 5 largest logits"),
        column("logits", pa.list_(pa.float32()), "logits of the averaged prediction, in the order "
               "of the network's labels: mean logits, or the logarithm of the mean softmax"),
        column("erased_logits", pa.list_(pa.float32()), "logits of the clip without its actor; "
               "null where they were not computed or nothing is erased"),
        column("degree", "float64", "mean size of the occluder relative to the actor's box, "
               "measured; null where unknown"),
        column("area_ratio", "float64", "share of the actor's box that is hidden, mean over the "
               "occluded frames"),
        column("actor_hidden", "float64", "share of the actor's mask that is hidden, mean over the "
               "occluded frames"),
        column("duration_ratio", "float64", "share of the clip's time in which it is occluded"),
        column("group", "string", "clips of one group are not independent: what evaluate.group or "
               "the key group of a list or dump names. Absent where nothing is named, then "
               "recognition.groups derives the group from the clip"),
    ]
)  # fmt: skip
LOGIT_COLUMNS = ("logits", "erased_logits")

_ABOUT = b"occludenet_build.recognition.predictions"


@dataclass(frozen=True)
class ModelInfo:
    """The facts of the model that made the predictions."""

    model: str
    """The backbone, or the name that the user gave to a dump."""
    labels: tuple[str, ...]
    """In the order of the logits."""
    arm: str | None = None
    """baseline, car, ...; None where the model was not trained here."""
    seed: int | None = None
    average: str = "softmax"
    """How views were averaged: softmax or logits."""
    views: int | None = None
    crops: int | None = None
    epochs: int | None = None
    """Epochs of the training; None where unknown."""
    alpha: float | None = None
    """Weight of the causal term; None where unknown."""
    options: int | None = None
    """Number of options, where the model chose among fewer classes than `labels`, as a video LLM
    does; None: among all."""

    @property
    def name(self) -> str:
        """Name of the model in tables and figures, such as `x3d_s + car`."""
        if self.options is not None:
            return f"{self.model} ({self.options} options)"
        return self.model if self.arm is None else f"{self.model} + {self.arm}"


@dataclass(frozen=True)
class Predictions:
    """The predictions of one model."""

    about: ModelInfo
    rows: pd.DataFrame
    """Columns of PREDICTIONS."""


def write_predictions(rows: Sequence[dict[str, Any]], about: ModelInfo, path: Path) -> None:
    """Write rows of PREDICTIONS, with `about` in the file's metadata."""
    table = tables.from_rows(list(rows), PREDICTIONS)
    if table["group"].null_count == len(table):
        table = table.drop_columns("group")
    noted = {_ABOUT: json.dumps(asdict(about), sort_keys=True).encode()}
    tables.write_table(table.replace_schema_metadata((table.schema.metadata or {}) | noted), path)


def read_predictions(path: Path) -> Predictions:
    """Read a file of `write_predictions`; `group` is null where the file names none.

    Raises UserError where it is another table or cannot be read, and where a logit is not finite.
    """
    table = tables.read_table(path)
    about = model_info_of(table, path)
    check_finite_logits(table, path)
    if "group" not in table.column_names:
        table = table.append_column("group", pa.nulls(len(table), pa.string()))
    return Predictions(about, table.to_pandas())


def check_finite_logits(table: pa.Table, path: Path | str) -> None:
    """Raises UserError where a logit of a table is not a finite number: it has no rank, and would
    be counted as the first class."""
    for name in LOGIT_COLUMNS:
        lists = table[name].combine_chunks()
        finite = pc.fill_null(pc.is_finite(pc.list_flatten(lists)), False)
        bad = pc.filter(pc.list_parent_indices(lists), pc.invert(finite))
        if len(bad):
            row = bad[0].as_py()
            raise UserError(
                f"{path}, {table['file'][row].as_py()} of {table['set'][row].as_py()}: wanted "
                f"numbers as {name}, got nan or infinite in {pc.count_distinct(bad).as_py()} rows; "
                "the network has diverged: train it again with a lower learning rate"
            )


def model_info_of(table: pa.Table, path: Path | str) -> ModelInfo:
    """The facts of the model in the metadata of a table. Raises UserError where there are none."""
    noted = (table.schema.metadata or {}).get(_ABOUT)
    if noted is None:
        raise UserError(
            f"wanted predictions written by evaluate or predictions, {path} is another table, or "
            "of an older version; run evaluate again"
        )
    values = json.loads(noted)
    return ModelInfo(**values | {"labels": tuple(values["labels"])})


def row_order(row: dict[str, Any]) -> tuple[Any, ...]:
    """Sort key of rows of PREDICTIONS: sets by `accuracy.set_order`, then files by name."""
    return *set_order(row["set"], row.get("scale")), row["file"]


def log_summary(sets: Sequence[dict[str, Any]], classes: int, skipped: int) -> None:
    """Log the accuracies of `accuracy.summarise_sets` and the number of skipped files.

    `classes`: number of the model's classes; top-5 is "-" where it is always right. Of sets with
    fewer groups than clips a second line has the interval that draws groups.
    """
    logging.info("%-10s %6s  %-22s %7s", "set", "n", "top-1 % (95 %)", "top-5 %")
    for entry in sets:
        top1 = "{top1:.1f} ({top1_low:.1f} to {top1_high:.1f})".format(**entry)
        tells = entry["top5"] is not None and tells_top5(classes)
        top5 = f"{entry['top5']:.1f}" if tells else "-"
        logging.info("%-10s %6d  %-22s %7s", entry["set"], entry["n"], top1, top5)
        if "top1_group_low" in entry:
            words = "{groups:,} groups: {top1_group_low:.1f} to {top1_group_high:.1f} by group"
            logging.info("%-10s %6s  of %s", "", "", words.format(**entry))
    if skipped:
        logging.warning("%d files were left out; `skipped` in the .json has the reasons", skipped)


def check_same_labels(predicted: Sequence[Predictions]) -> None:
    """Raises UserError unless all models know the same labels, in any order."""
    for other in predicted[1:]:
        if set(other.about.labels) != set(predicted[0].about.labels):
            only = sorted(set(other.about.labels) ^ set(predicted[0].about.labels))
            raise UserError(
                f"label maps do not match: {predicted[0].about.name} has "
                f"{len(predicted[0].about.labels)} labels, {other.about.name} "
                f"{len(other.about.labels)}; {', '.join(only[:5])} only in one of them; compare "
                "models of the same labels"
            )
