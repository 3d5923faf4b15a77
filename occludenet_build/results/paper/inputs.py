"""Inputs of tables and figures: the predictions, checked and with unique names.

A row of a table is a model with its arm; its trainings (seeds) share `about.name`. A network of
another build has the build in its name, and where two recipes or builds have the same name, a mark
tells them apart: `x3d_s [s10] + car`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from occludenet_build.config import Config
from occludenet_build.core import seeds
from occludenet_build.core.build import BuildTables
from occludenet_build.core.errors import UserError
from occludenet_build.recognition.accuracy import SHARES, bootstrap_curve
from occludenet_build.recognition.prediction_table import (
    ModelInfo,
    Predictions,
    check_same_labels,
    read_predictions,
)
from occludenet_build.release.terms import ungreyed_set
from occludenet_build.results.charts import Chart, draw_chart
from occludenet_build.results.paper import parents
from occludenet_build.results.paper.items import predictions_in


class MissingInput(UserError):
    """An input of a table or figure does not exist; the message says what to do."""


@dataclass(frozen=True)
class Inputs:
    """Everything that a table or figure is made from."""

    root: Path
    """The build's folder."""
    predicted: tuple[Predictions, ...]
    """Predictions of this build, of dumps and of other builds."""
    parents: dict[str, tuple[str, ...]]
    """Classes by parent class, as in Appendix G."""
    config: Config

    def among_all(self) -> Inputs:
        """The inputs without models that chose among a few options, as video LLMs do: an accuracy
        among five classes and one among all have no common mean."""
        kept = tuple(one for one in self.predicted if one.about.options is None)
        return replace(self, predicted=kept)

    def random(self, *purpose: str) -> np.random.Generator:
        """A generator that depends on the seed of the build and the purpose only."""
        return seeds.rng(self.config.seed, *purpose)

    def curve(
        self,
        rows: pd.DataFrame,
        by: Sequence[str],
        value: str,
        purpose: str,
        bounds: tuple[float, float] = SHARES,
    ) -> pd.DataFrame:
        """`accuracy.bootstrap_curve` with the draws of a purpose and paper.bootstrap resamples."""
        random = self.random(purpose, "bootstrap")
        return bootstrap_curve(rows, by, value, random, self.config.paper.bootstrap, bounds)

    def figure(
        self,
        name: str,
        draw: Callable[[Figure], None],
        width: float,
        height: float,
        numbers: pd.DataFrame,
    ) -> PaperFigure:
        """A figure of `width` x `height` inches with paper.dpi, and the numbers in it."""
        return PaperFigure(draw_chart(name, draw, width, height, self.config.paper.dpi), numbers)


@dataclass(frozen=True)
class PaperFigure:
    """The files of a figure and the numbers in it."""

    chart: Chart
    numbers: pd.DataFrame


@dataclass(frozen=True)
class SourcedPredictions(Predictions):
    """Predictions of one training or of another program's model, with their source.

    The rows have no logits, since those of eight models of 400 classes take a gigabyte, and of
    the derived test sets of the stage variants only those with a greyed occluder: their figures are
    the report's (background_bias).
    """

    backbone: str
    """The model's name in its file, without a mark."""
    build: str
    """Folder of the other build; "" for this build."""


def read_inputs(root: Path, config: Config) -> Inputs:
    """Inputs of the build in `root`."""
    return Inputs(
        root, read_all_predictions(root, config), parents.read_parents(config.paper.parents), config
    )


def read_all_predictions(root: Path, config: Config) -> tuple[SourcedPredictions, ...]:
    """All predictions of this build, of its dumps and of predictions.builds, with unique names.

    Raises UserError where one of predictions.builds has none. Two predictions of a model for one
    clip, and models of one set with different labels, also end it with a UserError.
    """
    found = _sourced(root, predictions_in(root, config.paper.trained))
    for build in config.predictions.builds:
        files = predictions_in(Path(build))
        if not files:
            raise UserError(
                f"config: predictions.builds: wanted a build with evaluate/ or predictions/, "
                f"{build} has neither; run evaluate there, or remove it"
            )
        found += _sourced(Path(build), files, build)
    named = _with_unique_names(_joined(found))
    _must_be_single(named)
    _must_agree_by_set(named)
    return tuple(named)


def backbone_of(one: Predictions) -> str:
    """The name of the model without a mark."""
    return one.backbone if isinstance(one, SourcedPredictions) else one.about.model


def _sourced(root: Path, files: Sequence[Path], build: str = "") -> list[SourcedPredictions]:
    """The predictions in `files` of the build in `root`; those of derived sets alone are none."""
    left_out = {name for name in BuildTables(root).derived_sets() if ungreyed_set(name) is None}
    found = []
    for predicted in map(read_predictions, files):
        rows = predicted.rows.drop(columns=["logits", "erased_logits"])
        kept = rows[~rows["set"].isin(left_out)].reset_index(drop=True)
        if len(kept) or rows.empty:
            about = predicted.about
            found.append(SourcedPredictions(about, kept, about.model, build))
    return found


def _joined(found: Sequence[SourcedPredictions]) -> list[SourcedPredictions]:
    """One per training: another program's model may have a file per set."""
    groups: dict[tuple[str, ModelInfo], list[SourcedPredictions]] = {}
    for one in found:
        groups.setdefault((one.build, one.about), []).append(one)
    return [
        replace(parts[0], rows=pd.concat([part.rows for part in parts], ignore_index=True))
        for parts in groups.values()
    ]


def _with_unique_names(found: Sequence[SourcedPredictions]) -> list[SourcedPredictions]:
    """Predictions with a mark after the model where its name alone is ambiguous."""
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
    # a network of another build saw other clips, even if no network here has its name
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
    """The name of a build's folder; its path where another build's folder has the same name."""
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
    """Raises UserError unless models with predictions of the same set know the same labels."""
    by_set: dict[str, list[Predictions]] = {}
    for one in predicted:
        for name in one.rows["set"].unique():
            by_set.setdefault(name, []).append(one)
    for name, models in by_set.items():
        try:
            check_same_labels(models)
        except UserError as error:
            raise UserError(f"set {name}: {error}") from error
