"""The clips that accuracies are computed on: those that all models saw, and what sets lack.

OccludeNet-D and its clean twins are one family: a source clip counts only if all of their sets have
it, so levels are compared on the same clips. Tables use `common_clips`, a row per training; charts
use `model_series`, the mean over the trainings of a model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from occludenet_build.config.training import ONE_SCALE, WEIGHTED
from occludenet_build.core import tables
from occludenet_build.core.build import read_json
from occludenet_build.recognition.accuracy import TOP, one_clip_points, tells_top5
from occludenet_build.recognition.groups import groups_of
from occludenet_build.recognition.prediction_table import ModelInfo, Predictions
from occludenet_build.release.terms import CLEAN, ungreyed_set
from occludenet_build.results.degrees import (
    degree_sets,
    is_occludenet_d,
    left_out,
    shared_by_all,
)
from occludenet_build.results.paper.inputs import Inputs, MissingInput
from occludenet_build.results.paper.items import evaluations_in

LISTED = "K-400"
DEGREES = ("D-25", "D-50", "D-75")
"""Sets of OccludeNet-D with the paper's composite.scales; other `D-<percent>` are sets too."""
NO_TOP5 = f"top-5 of a model that knows at most {TOP} classes is always right and is not shown"
_MEASURED = ["degree", "area_ratio", "actor_hidden", "duration_ratio"]
_UNMADE = ("missing_source", "missing_occluder")


def is_side_arm(about: ModelInfo) -> bool:
    """Whether it is an arm of Table 6 (car_a0.5), or one that was trained at a single scale for the
    robustness figure's reference line (scale_0.25), which no other table or figure includes."""
    return (about.arm or "").startswith((WEIGHTED, ONE_SCALE))


def score_rows(predicted: Sequence[Predictions]) -> pd.DataFrame:
    """A row per training, set and clip: `name` (of the model), `seed` (0 without a seed), `set`,
    `clip`, `group`, `label`, `top1`, `top5`, `degree`, `area_ratio`, `actor_hidden`,
    `duration_ratio` (float64).

    `top5` is nan where the model knows so few classes that it is always right. Sets with a greyed
    occluder are left out: they are an oracle of the robustness figure.
    """
    parts = [_scored(one) for one in predicted]
    columns = ["set", "clip", "group", "label", "top1", "top5", *_MEASURED, "name", "seed"]
    if not parts:
        return pd.DataFrame(columns=columns)
    rows = pd.concat(parts, ignore_index=True)
    return rows.assign(group=groups_of(rows))


def _scored(one: Predictions) -> pd.DataFrame:
    usual = one.rows["set"].map(ungreyed_set).isna()
    rows = one.rows.loc[usual, ["set", "clip", "group", "label", "top1", "top5", *_MEASURED]]
    rows = rows.astype(dict.fromkeys(["top1", "top5", *_MEASURED], float))
    if not tells_top5(len(one.about.labels)):
        rows["top5"] = np.nan
    return rows.assign(name=one.about.name, seed=one.about.seed or 0)


# for tables


@dataclass(frozen=True)
class CommonClips:
    """The predictions that a table counts."""

    rows: pd.DataFrame
    """`score_rows`, with the table's column of the set in `column`."""
    left_out: dict[str, int]
    """Number of clips by set that do not count, as some model did not see them."""

    def notes(self, inputs: Inputs, columns: Iterable[str]) -> list[str]:
        """Notes with the number of clips of the columns, the points of one clip, and losses."""
        rows = self.rows[self.rows["column"].isin(list(columns))]
        lost, columns_of = _lost_clips(inputs), defaultdict(list)
        for (column, name), part in rows.groupby(["column", "set"], sort=False):
            words = "; ".join([*self._counted(str(name), part), *lost.get(str(name), [])])
            columns_of[words].append(str(column))
        which = "that every model was shown" if inputs.config.paper.common else "of each model"
        return [
            f"only clips {which} count",
            *(f"{', '.join(columns)}: {words}" for words, columns in columns_of.items()),
        ]

    def _counted(self, name: str, part: pd.DataFrame) -> list[str]:
        by_training = part.groupby(["name", "seed"])
        counts, groups = by_training.size(), by_training["group"].nunique()
        of_groups = f" clips of {clip_range(groups)} groups" if (groups < counts).any() else ""
        words = [f"N={clip_range(counts)}{of_groups}, one clip is {_points(counts)} points"]
        if self.left_out[name]:
            words.append(f"{self.left_out[name]:,} clips left out that not every model was shown")
        return words


def common_clips(inputs: Inputs) -> CommonClips:
    """The predictions that tables count.

    Raises MissingInput without predictions, and where no clip is common to all models.
    """
    every = score_rows(inputs.predicted)
    if every.empty:
        raise MissingInput(
            "wanted predictions, got none; train and evaluate, or name some in "
            "predictions.dumps or predictions.builds"
        )
    kept = shared_by_all(every) if inputs.config.paper.common else every
    if kept.empty:
        raise MissingInput(
            "wanted clips that all models were shown, got none; compare models of one test set, or "
            "set paper.common to false"
        )
    return CommonClips(kept.assign(column=_columns(kept["set"])), left_out(every, kept))


def _columns(sets: pd.Series) -> pd.Series:
    """Columns of the sets: K-400 is the clean twins, as in the paper; a list called K-400 has a
    column of its own, or that column where there are no twins."""
    if not sets.eq(CLEAN).any():
        return sets
    return sets.replace({CLEAN: LISTED, LISTED: f"{LISTED} (list)"})


def clip_range(counts: pd.Series, dash: str = " to ") -> str:
    """`1,200`, or `118 to 120` where the counts (int) differ."""
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,}{dash}{high:,}"


def _points(counts: pd.Series) -> str:
    return f"{one_clip_points(int(counts.min())):.2g}"


def _lost_clips(inputs: Inputs) -> dict[str, list[str]]:
    """Notes by set on clips that this build could not make or read."""
    found: dict[str, list[str]] = {}
    sets = pd.Series(sorted({name for one in inputs.predicted for name in one.rows["set"]}))
    if unmade := _unmade(inputs):
        for name in sets[is_occludenet_d(sets)]:
            found.setdefault(name, []).append(unmade)
    for name, count in _unread(inputs.root).items():
        found.setdefault(name, []).append(f"{count:,} clips could not be read")
    return found


def _unmade(inputs: Inputs) -> str | None:
    """A note on the clips of a replayed release that this build lacks; None if it has all."""
    path = inputs.root / "select" / "clips.parquet"
    if not path.exists():
        return None
    rows = tables.read_table(path, ["split", "reason"]).to_pandas()
    of_split = rows[rows["split"] == inputs.config.evaluate.split]
    missing = int(of_split["reason"].isin(_UNMADE).sum())
    return f"{missing:,} published source clips are missing here" if missing else None


def _unread(root: Path) -> dict[str, int]:
    """Number of clips by set that evaluate could not read for some network of this build."""
    files: dict[str, set[str]] = {}
    sets = _sets_of_files(root)
    own = set(sets.values())
    for path in evaluations_in(root, ".json"):
        for entry in read_json(path).get("skipped", []):
            # evaluate also lists counterfactuals of the build's own sets; these are not counted
            if entry["set"] not in own or entry["file"] in sets:
                files.setdefault(entry["set"], set()).add(entry["file"])
    return {name: len(those) for name, those in files.items()}


def _sets_of_files(root: Path) -> dict[str, str]:
    path = root / "annotate" / "clips.parquet"
    if not path.exists():
        return {}
    rows = tables.read_table(path, ["file", "set"]).to_pydict()
    return dict(zip(rows["file"], rows["set"], strict=True))


# for charts


def model_series(inputs: Inputs) -> pd.DataFrame:
    """Columns series, set, clip, group, label, top1, top5, degree, area_ratio, actor_hidden,
    duration_ratio, seeds.

    A series is a model with its arm, except the arms of Table 6 and of one scale; top1 and top5 are
    the mean over its trainings (seeds) that saw the clip, 0 to 1. With paper.common only clips that
    every training saw are kept, and of OccludeNet-D those that exist clean and at all degrees, so
    all points of a curve are of the same clips. Raises MissingInput without predictions.
    """
    return series_of([one for one in inputs.predicted if not is_side_arm(one.about)], inputs)


def series_of(predicted: Sequence[Predictions], inputs: Inputs) -> pd.DataFrame:
    """`model_series` of chosen predictions. Raises MissingInput where there are none."""
    found = score_rows(predicted)
    if found.empty:
        raise MissingInput(
            "wanted predictions, this build has none; run evaluate, or name dumps in "
            "predictions.dumps"
        )
    if inputs.config.paper.common:
        found = shared_by_all(found)
    grouped = found.rename(columns={"name": "series"}).groupby(["series", "set", "clip"], sort=True)
    rows = grouped[["group", "label", *_MEASURED]].first()
    rows[["top1", "top5"]] = grouped[["top1", "top5"]].mean()
    rows["seeds"] = grouped.size()
    return _measured(rows.reset_index(), inputs)


def _measured(rows: pd.DataFrame, inputs: Inputs) -> pd.DataFrame:
    """Rows with the measured occlusion filled in where predictions lack it, as those of dumps do:
    from the build, or from another model."""
    known = [rows[["set", "clip", *_MEASURED]]]
    path = inputs.root / "annotate" / "clips.parquet"
    if path.exists():
        known.insert(0, tables.read_table(path, ["set", "clip", *_MEASURED]).to_pandas())
    facts = pd.concat(known, ignore_index=True).groupby(["set", "clip"])[_MEASURED].first()
    of_clip = rows[["set", "clip"]].join(facts, on=["set", "clip"])[_MEASURED]
    return rows.assign(**rows[_MEASURED].fillna(of_clip))


def need_sets(rows: pd.DataFrame, wanted: Iterable[str], what: str) -> None:
    """Raises MissingInput unless some series has predictions of each set; `what`: the figure."""
    absent = [name for name in wanted if not rows["set"].eq(name).any()]
    if absent:
        raise MissingInput(
            f"{what}: no clip of {', '.join(absent)} that all models were shown; evaluate "
            f"{'them' if len(absent) > 1 else 'it'} (sets outside the build: evaluate.lists), name "
            "a dump in predictions.dumps, or set paper.common to false"
        )


def need_degrees(rows: pd.DataFrame, what: str, clean: bool = False) -> list[str]:
    """The sets of OccludeNet-D in the rows; ends with MissingInput without them, or, with `clean`,
    without clean twins."""
    found = degree_sets(rows)
    need_sets(rows, (*([CLEAN] if clean else []), *(found or DEGREES)), what)
    return found


def series_with(rows: pd.DataFrame, sets: Sequence[str], what: str) -> pd.DataFrame:
    """The rows of these sets of the series that have predictions of all of them.

    Raises MissingInput where there is no such series.
    """
    need_sets(rows, sets, what)
    of_sets = rows[rows["set"].isin(list(sets))]
    number = of_sets.groupby("series")["set"].nunique()
    complete = number[number == len(sets)].index
    if complete.empty:
        raise MissingInput(
            f"{what}: no model has predictions of all of {', '.join(sets)}; evaluate one on them"
        )
    return of_sets[of_sets["series"].isin(complete)].reset_index(drop=True)


def equal_counts(values: pd.Series, bins: int) -> np.ndarray:
    """Edges float64 (B + 1,) of B <= `bins` bins with equal numbers of values, if ties allow it.

    `values` float64 (N,), without nan.
    """
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)))
    return edges if len(edges) > 1 else np.array([edges[0], edges[0] + 1e-9])


def mean_over_models(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over series for the clips that all of them saw: set, clip, group, label, top1, top5."""
    grouped = shared_by_all(rows, ["series"]).groupby(["set", "clip"])
    found = grouped[["group", "label"]].first()
    found[["top1", "top5"]] = grouped[["top1", "top5"]].mean()
    return found.reset_index()


def models_of(rows: pd.DataFrame) -> str:
    """`mean of 8 models`, for a figure's footnote; each arm of a model counts."""
    names = rows["series"].unique()
    if len(names) == 1:
        return str(names[0])
    return f"mean of {len(names)} models{' and arms' if any(' + ' in n for n in names) else ''}"
