"""Readers of annotate/clips.parquet and annotate/labels.json for training and evaluation.

This module does not import torch, so errors in the input are reported before it is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

from occludenet_build.core import tables
from occludenet_build.core.build import read_json
from occludenet_build.core.errors import UserError

AT_LOAD = "load:"
"""Prefix of counterfactual_hash where the counterfactual has no file and is made from masks."""


@dataclass(frozen=True)
class ClipRow:
    """A row of annotate/clips.parquet, with the columns that training and evaluation use."""

    clip: str
    set: str
    scale: float
    """nan for a clip of a list, and of S, I or M, which nothing was pasted into."""
    split: str
    label: str
    file: str
    file_hash: str
    counterfactual: str | None
    counterfactual_hash: str | None
    frames: int
    """0: unknown, counted when the clip is read."""
    area_ratio: float | None
    duration_ratio: float | None
    degree: float | None = None
    actor_hidden: float | None = None

    @property
    def erased_file(self) -> str | None:
        """The file of the counterfactual; None where there is none or nothing was erased in it."""
        return self.counterfactual if self.counterfactual_hash != self.file_hash else None

    @property
    def erased_at_load(self) -> bool:
        """Whether the counterfactual has no file, and the actor is erased when the clip is read."""
        return (self.counterfactual_hash or "").startswith(AT_LOAD)

    @property
    def erased_hash(self) -> str | None:
        """A hash that identifies the pixels of the counterfactual; None if there is none."""
        return self.counterfactual_hash if self.erased_file or self.erased_at_load else None


def read_clips(path: Path, split: str) -> list[ClipRow]:
    """The clips of a split, sorted by file name, so that no result depends on the table's order.

    Raises UserError for another table, and where a file has two rows.
    """
    names = [field.name for field in fields(ClipRow)]
    table = tables.read_table(path)
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise UserError(
            f"{path}: wanted the columns of annotate/clips.parquet, got none called "
            f"{', '.join(missing)}; run annotate again"
        )
    clips = [ClipRow(**row) for row in table.select(names).to_pylist() if row["split"] == split]
    clips.sort(key=lambda clip: clip.file)
    for one, other in pairwise(clips):
        if one.file == other.file:
            raise UserError(f"{path}: wanted each file once, got {one.file} twice")
    return clips


def read_labels(path: Path) -> list[str]:
    """Label names in the order of their ids, which is the order of a network's logits.

    Raises UserError for a file that is not {name: id} with unique ids.
    """
    try:
        ids = read_json(path)
    except OSError as error:
        raise UserError(f"wanted labels as JSON, {path} cannot be read: {error}") from error
    good = isinstance(ids, dict) and all(type(number) is int for number in ids.values())
    if not good or not ids or len(set(ids.values())) < len(ids):
        raise UserError(
            f"wanted labels as JSON {{name: id}}, each id once, {path} is different; run annotate "
            "again"
        )
    return sorted(ids, key=ids.__getitem__)


def training_clips(
    path: Path, labels: Sequence[str], scales: Sequence[float], reads_erased: bool
) -> list[ClipRow]:
    """The clips of a training: those of the split train at `scales`, and those without a scale.

    Raises UserError where there are none, where a label is unknown, or where an arm that
    `reads_erased` clips has no counterfactual.
    """
    every = read_clips(path, "train")
    if not every:
        raise UserError(
            f"{path}: wanted clips of the split train, got none; change acquire.split, "
            "recordings.split, or the column split of your table"
        )
    clips = [c for c in every if math.isnan(c.scale) or _is_among(c.scale, scales)]
    if not clips:
        raise UserError(
            f"{path}: wanted clips of the split train at scales {tuple(scales)}, got none "
            f"({len(every)} of the split at other scales); change train.scales"
        )
    check_labels_known(clips, labels, "annotate/labels.json")
    if reads_erased and not any(clip.erased_hash for clip in clips):
        raise UserError(
            f"{path}: wanted counterfactuals for CAR or swap, got none for {len(clips)} training "
            "clips; build with train in counterfactual.splits, allow more frames without a mask "
            "(counterfactual.max_unerased), or train the baseline only"
        )
    return clips


def _is_among(scale: float, scales: Sequence[float]) -> bool:
    return any(abs(scale - other) < 1e-6 for other in scales)


def check_labels_known(clips: Sequence[ClipRow], labels: Sequence[str], where: str) -> None:
    """Raises UserError where a clip's label is not among `labels`, those of the file `where`."""
    unknown = sorted({clip.label for clip in clips} - set(labels))
    if unknown:
        raise UserError(
            f"label maps do not match: {where} knows {len(labels)} labels, but not "
            f"{', '.join(unknown[:5])}; use the model and the table of the same labels"
        )
