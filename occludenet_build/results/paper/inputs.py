"""What the tables and figures are made from: the predictions, read, checked and named apart.

A line of a table is a model with its arm; its trainings (seeds) share `about.name`. The name of a
network that another build trained says which, and so does one that two recipes or two builds would
share: `x3d_s [s10] + car`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from occludenet_build.config import Config
from occludenet_build.core import seeds
from occludenet_build.core.errors import UserError
from occludenet_build.recognition.prediction_table import About, Predictions, check_same_labels
from occludenet_build.recognition.prediction_table import read_predictions as read_predictions
from occludenet_build.results.charts import Chart
from occludenet_build.results.paper import parents
from occludenet_build.results.paper.items import predictions_in


class MissingInput(UserError):
    """An item cannot be made from what this build holds: what is missing and what to do."""


@dataclass(frozen=True)
class Inputs:
    """All that an item may read."""

    root: Path
    """The build's folder."""
    predicted: tuple[Predictions, ...]
    """Of this build, of dumps, of other builds."""
    parents: dict[str, tuple[str, ...]]
    """Parent class -> its classes, as in Appendix G."""
    config: Config

    def random(self, *purpose: str) -> np.random.Generator:
        """A generator that depends on the seed of the build and the purpose alone."""
        return seeds.rng(self.config.seed, *purpose)


@dataclass(frozen=True)
class PaperFigure:
    """One figure: both files, and the numbers in it."""

    chart: Chart
    numbers: pd.DataFrame


@dataclass(frozen=True)
class SourcedPredictions(Predictions):
    """Predictions of one training, or of a model from elsewhere, and where they come from. The
    rows are without logits: those of eight models of 400 classes fill a gigabyte."""

    backbone: str
    """The model's name as its file has it, whatever was added to tell it from others."""
    build: str
    """Folder of the other build; "" for this one."""


def read_inputs(root: Path, config: Config) -> Inputs:
    """Inputs of the build in `root`. Raises UserError: see `read_all_predictions` and `parents.read_parents`."""
    return Inputs(
        root, read_all_predictions(root, config), parents.read_parents(config.paper.parents), config
    )


def read_all_predictions(root: Path, config: Config) -> tuple[SourcedPredictions, ...]:
    """All predictions of this build, of its dumps and of predictions.builds, names unique.

    Raises UserError where a named build has none, where a model says two things of one clip, or
    where two models that were shown the same set know different labels.
    """
    found = [_sourced(path, "") for path in predictions_in(root, config.paper.trained)]
    for build in config.predictions.builds:
        files = predictions_in(Path(build))
        if not files:
            raise UserError(
                f"config: predictions.builds: wanted a build with evaluate/ or predictions/, "
                f"{build} has neither; run evaluate there, or remove it"
            )
        found += [_sourced(path, build) for path in files]
    named = _named_apart(_joined(found))
    _must_be_single(named)
    _must_agree_by_set(named)
    return tuple(named)


def backbone_of(one: Predictions) -> str:
    """The model without what tells it from others of its name."""
    return one.backbone if isinstance(one, SourcedPredictions) else one.about.model


def _sourced(path: Path, build: str) -> SourcedPredictions:
    predicted = read_predictions(path)
    rows = predicted.rows.drop(columns=["logits", "erased_logits"])
    return SourcedPredictions(predicted.about, rows, predicted.about.model, build)


def _joined(found: Sequence[SourcedPredictions]) -> list[SourcedPredictions]:
    """One per training: a model from elsewhere may have a file per set."""
    groups: dict[tuple[str, About], list[SourcedPredictions]] = {}
    for one in found:
        groups.setdefault((one.build, one.about), []).append(one)
    return [
        replace(parts[0], rows=pd.concat([part.rows for part in parts], ignore_index=True))
        for parts in groups.values()
    ]


def _named_apart(found: Sequence[SourcedPredictions]) -> list[SourcedPredictions]:
    """With a mark behind the model where the name alone does not tell trainings apart."""
    builds = {one.build for one in found}
    named = []
    for one in found:
        same = [other for other in found if other.about.name == one.about.name]
        marks = [*_build_mark(one, same, builds), *_recipe_marks(one, same)]
        mark = f" [{', '.join(marks)}]" if marks else ""
        named.append(replace(one, about=replace(one.about, model=one.about.model + mark)))
    return named


def _build_mark(
    one: SourcedPredictions, same: Sequence[SourcedPredictions], builds: set[str]
) -> list[str]:
    # a network trained elsewhere saw other clips, even where no name here is its own
    if one.build and (one.about.arm or len({other.build for other in same}) > 1):
        return [_folder(one.build, builds)]
    return []


def _recipe_marks(one: SourcedPredictions, same: Sequence[SourcedPredictions]) -> list[str]:
    """Epochs and alpha, where trainings of that name in the same build differ in them."""
    here = [other.about for other in same if other.build == one.build]
    marks = []
    if len({about.epochs for about in here}) > 1:
        marks.append(f"{one.about.epochs} epochs")
    if len({about.alpha for about in here}) > 1:
        marks.append(f"alpha {one.about.alpha:g}" if one.about.alpha is not None else "alpha ?")
    return marks


def _folder(build: str, others: Iterable[str]) -> str:
    """The name of a build's folder, or its path where another's has that name too."""
    name = Path(build).name
    return build if sum(Path(other).name == name for other in others) > 1 else name


def _must_be_single(named: Sequence[SourcedPredictions]) -> None:
    parts = [one.rows[["clip", "set"]].assign(name=one.about.name, seed=one.about.seed or 0)
             for one in named]  # fmt: skip
    rows = pd.concat(parts) if parts else pd.DataFrame(columns=["name", "seed", "set", "clip"])
    twice = rows[rows.duplicated(["name", "seed", "set", "clip"])]
    if len(twice):
        name, clip, where = twice[["name", "clip", "set"]].iloc[0]
        raise UserError(
            f"{name}: wanted one prediction per clip and set, got two of {clip} in {where}; name "
            "its file once"
        )


def _must_agree_by_set(predicted: Sequence[Predictions]) -> None:
    """Models that were shown the same set know the same labels. Raises UserError."""
    shown: dict[str, list[Predictions]] = {}
    for one in predicted:
        for name in one.rows["set"].unique():
            shown.setdefault(name, []).append(one)
    for name, models in shown.items():
        try:
            check_same_labels(models)
        except UserError as error:
            raise UserError(f"set {name}: {error}") from error
