"""The answers of all networks, a row per training, set and clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from occludenet_build.config.models import Models
from occludenet_build.core.errors import UserError
from occludenet_build.recognition.accuracy import tells_top5
from occludenet_build.recognition.groups import groups_of
from occludenet_build.recognition.prediction_table import (
    Predictions,
    check_same_labels,
    read_predictions,
)
from occludenet_build.results.degrees import left_out, shared_by_all

OTHERS = {"integralaction": "IntegralAction"}
"""Folder of another system's predictions -> its name in tables."""
TRAINING = ["network", "arm", "seed"]
"""Columns that identify a training."""
ROWS = [*TRAINING, "among", "classes", "set", "scale", "clip", "group", "top1", "top5"]
"""Columns of the answers: `among`, what is ranked together (the arm; another system by itself),
`classes` that the network knows, `top1` and `top5` 0 or 1, float64 (`top5` nan where it is always
right)."""


def read_answers(
    members: Sequence[Path], others: Sequence[Path], models: Models
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The answers (ROWS) on clips that all networks saw, and by set the clips that do not count.

    Raises UserError where there is no table, where labels differ, where a training is there twice,
    and where no clip of a set was shown to all networks.
    """
    if not members and not others:
        raise UserError("wanted --predictions or --others, got none; name tables of predictions")
    named = [(models.name_of(path.parent.name), path, False) for path in members]
    named += [(OTHERS.get(path.parent.name, path.parent.name), path, True) for path in others]
    found = [(name, read_predictions(path), path, other) for name, path, other in named]
    _must_agree(found)
    rows = pd.concat([_answers(*one) for one in found], ignore_index=True)
    rows = rows.assign(group=groups_of(rows))
    kept = shared_by_all(rows, TRAINING)
    left = left_out(rows, kept)
    if empty := [name for name in left if not kept["set"].eq(name).any()]:
        raise UserError(
            f"wanted clips that all networks saw, got none in {', '.join(empty)}; evaluate all on "
            "the same split (evaluate.split, integralaction.split) and clips"
        )
    return kept[ROWS], left


def _must_agree(found: Sequence[tuple[str, Predictions, Path, bool]]) -> None:
    """Raises UserError unless all know the same labels, and no training is there twice."""
    check_same_labels([predicted for _, predicted, _, _ in found])
    seen: dict[tuple[str, str, int], Path] = {}
    for name, predicted, path, other in found:
        training = (name, *_training(predicted, path, other))
        if training in seen:
            raise UserError(
                f"{name}: wanted one table per arm and seed, got {seen[training]} and {path}; name "
                "one of them"
            )
        seen[training] = path


def _training(predicted: Predictions, path: Path, other: bool) -> tuple[str, int]:
    """Arm (mode) and seed of a table; of another system those in the name of its file."""
    about = predicted.about
    stem, _, number = path.stem.rpartition("-")
    arm = (stem if other else about.arm) or about.arm or path.stem
    return arm, about.seed if about.seed is not None else int(number) if number.isdigit() else 0


def _answers(name: str, predicted: Predictions, path: Path, other: bool) -> pd.DataFrame:
    arm, seed = _training(predicted, path, other)
    rows = predicted.rows[["set", "scale", "clip", "group", "label", "top1", "top5"]]
    rows = rows.astype({"top1": float, "top5": float, "scale": float})
    classes = len(predicted.about.labels)
    if not tells_top5(classes):
        rows["top5"] = np.nan
    among = name if other else arm
    return rows.assign(network=name, arm=arm, seed=seed, among=among, classes=classes)
