"""What training and evaluation read: rows of annotate/clips.parquet, names of annotate/labels.json.

No torch here: what is wrong with the input is said before anything heavy is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

from occludenet_build.config.recognition import Train
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError

"""The set of the clips without an occluder."""
AT_LOAD = "load:"
"""What counterfactual_hash begins with where there is no file, but the masks to erase with."""


@dataclass(frozen=True)
class Clip:
    """What is used of a row of annotate/clips.parquet; the columns are described there."""

    clip: str
    set: str
    scale: float
    """nan for a clip of a list."""
    split: str
    label: str
    file: str
    file_hash: str
    counterfactual: str | None
    counterfactual_hash: str | None
    frames: int
    """0: not known, counted when the clip is read."""
    area_ratio: float | None
    duration_ratio: float | None
    degree: float | None = None
    actor_hidden: float | None = None

    @property
    def erased_file(self) -> str | None:
        """The counterfactual; None too where nothing was erased: such a pair says nothing."""
        return self.counterfactual if self.counterfactual_hash != self.file_hash else None

    @property
    def erased_at_load(self) -> bool:
        """There is no file: the actor is erased when the clip is read."""
        return (self.counterfactual_hash or "").startswith(AT_LOAD)

    @property
    def erased_hash(self) -> str | None:
        """What stands for the pixels of the counterfactual; None if there is none."""
        return self.counterfactual_hash if self.erased_file or self.erased_at_load else None


def read_clips(path: Path, split: str) -> list[Clip]:
    """The clips of a split by file name: no order of the table enters anything.

    Raises UserError for another table, and where a file stands in it twice.
    """
    names = [field.name for field in fields(Clip)]
    table = tables.read(path)
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise UserError(
            f"{path}: wanted the columns of annotate/clips.parquet, got none called "
            f"{', '.join(missing)}; run annotate again"
        )
    clips = [Clip(**row) for row in table.select(names).to_pylist() if row["split"] == split]
    clips.sort(key=lambda clip: clip.file)
    for one, other in pairwise(clips):
        if one.file == other.file:
            raise UserError(f"{path}: wanted each file once, {one.file} stands there again")
    return clips


def read_labels(path: Path) -> list[str]:
    """Label names in the order of their ids, which is the order of a network's logits.

    Raises UserError for a file that is not {name: id} with each id once.
    """
    try:
        ids = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"wanted labels as JSON, {path} does not read: {error}") from error
    good = isinstance(ids, dict) and all(type(number) is int for number in ids.values())
    if not good or not ids or len(set(ids.values())) < len(ids):
        raise UserError(f"wanted labels as JSON {{name: id}}, each id once; {path} holds other")
    return sorted(ids, key=ids.__getitem__)


def training_clips(path: Path, labels: Sequence[str], settings: Train) -> list[Clip]:
    """The clips a training uses. Raises UserError where there is nothing to train on."""
    every = read_clips(path, "train")
    clips = [c for c in every if any(abs(c.scale - scale) < 1e-6 for scale in settings.scales)]
    if not clips:
        raise UserError(
            f"{path}: wanted clips of the split train at scales {settings.scales}, got none "
            f"({len(every)} of the split at other scales); change train.scales or acquire.split"
        )
    check_labels_known(clips, labels, "annotate/labels.json")
    if settings.alpha > 0 and not any(clip.erased_hash for clip in clips):
        raise UserError(
            f"{path}: wanted counterfactuals for CAR, got none for {len(clips)} training clips; "
            "run counterfactual with train in counterfactual.splits, or train the baseline only"
        )
    return clips


def check_labels_known(clips: Sequence[Clip], labels: Sequence[str], where: str) -> None:
    """Labels are names: Raises UserError for a map that lacks one, as it is another map."""
    unknown = sorted({clip.label for clip in clips} - set(labels))
    if unknown:
        raise UserError(
            f"label maps do not match: {where} knows {len(labels)} labels, but not "
            f"{', '.join(unknown[:5])}; use the model and the table of the same labels"
        )
