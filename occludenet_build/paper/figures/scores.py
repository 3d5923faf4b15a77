"""What all charts count: one row per series, set and clip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from occludenet_build.core import tables
from occludenet_build.paper.inputs import Inputs, Missing
from occludenet_build.paper.models import CLEAN, common, of_d
from occludenet_build.recognition.predictions import Predicted

DEGREES = ("D-25", "D-50", "D-75")
"""OccludeNet-D's sets where composite.scales is the paper's; any other `D-<percent>` counts too."""

_MEASURED = ["degree", "area_ratio", "duration_ratio"]
_KEY = ["series", "set", "clip"]


def scores(inputs: Inputs) -> pd.DataFrame:
    """Columns series, set, clip, label, top1, top5, degree, area_ratio, duration_ratio, seeds.

    A series is a model with its arm, but for the arms of Table 6; top1 and top5 are the mean over
    its trainings (seeds) that saw the clip, 0 to 1. With paper.common only clips are kept that
    every training was shown in a set, and of OccludeNet-D those that are in clean and all degrees
    alike: a curve over degrees is of the same clips everywhere.
    """
    shown = [one for one in inputs.predicted if not (one.about.arm or "").startswith("car_a")]
    if not shown:
        raise Missing(
            "wanted predictions, this build has none; run evaluate, or name dumps in "
            "predictions.dumps"
        )
    found = pd.concat([_scored(one) for one in shown], ignore_index=True)
    if inputs.config.paper.common:
        found = common(found, ("series", "seed"))
    grouped = found.groupby(_KEY, sort=True)
    rows = grouped[["label", *_MEASURED]].first()
    rows[["top1", "top5"]] = grouped[["top1", "top5"]].mean()
    rows["seeds"] = grouped.size()
    return _measured(rows.reset_index(), inputs)


def _scored(predicted: Predicted) -> pd.DataFrame:
    rows = predicted.rows[["set", "clip", "label", "top1", "top5", *_MEASURED]]
    kinds = dict.fromkeys(["top1", "top5", *_MEASURED], float)
    about = predicted.about
    return rows.astype(kinds).assign(series=about.name, seed=about.seed or 0)


def _measured(rows: pd.DataFrame, inputs: Inputs) -> pd.DataFrame:
    """How much is hidden is the clip's matter: dumps, which do not say it, get it from the build,
    or from a model that does."""
    known = [rows[["set", "clip", *_MEASURED]]]
    path = inputs.root / "annotate" / "clips.parquet"
    if path.exists():
        known.insert(0, tables.read(path, ["set", "clip", *_MEASURED]).to_pandas())
    facts = pd.concat(known, ignore_index=True).groupby(["set", "clip"])[_MEASURED].first()
    of_clip = rows[["set", "clip"]].join(facts, on=["set", "clip"])[_MEASURED]
    return rows.assign(**rows[_MEASURED].fillna(of_clip))


def degrees(rows: pd.DataFrame) -> list[str]:
    """Sets of OccludeNet-D, lightest first."""
    found = rows.loc[of_d(rows["set"]) & (rows["set"] != CLEAN), "set"].unique()
    return sorted(found, key=lambda name: float(name.removeprefix("D-")))


def need_sets(rows: pd.DataFrame, wanted: Iterable[str], what: str) -> None:
    """Raises Missing unless some series has predictions of each set."""
    absent = [name for name in wanted if not rows["set"].eq(name).any()]
    if absent:
        raise Missing(
            f"{what}: no clip of {', '.join(absent)} that all models were shown; evaluate "
            f"{'them' if len(absent) > 1 else 'it'} (sets that are no part of the build: "
            "evaluate.lists), name a dump in predictions.dumps, or set paper.common to false"
        )


def need_degrees(rows: pd.DataFrame, what: str, clean: bool = False) -> list[str]:
    """The sets of OccludeNet-D that there are. Raises Missing where there is none."""
    found = degrees(rows)
    need_sets(rows, (*([CLEAN] if clean else []), *(found or DEGREES)), what)
    return found


def series_with(rows: pd.DataFrame, sets: Sequence[str], what: str) -> pd.DataFrame:
    """The rows of those series that were shown all of these sets, of these sets."""
    need_sets(rows, sets, what)
    shown = rows[rows["set"].isin(list(sets))]
    number = shown.groupby("series")["set"].nunique()
    whole = number[number == len(sets)].index
    if whole.empty:
        raise Missing(
            f"{what}: no model has predictions of all of {', '.join(sets)}; evaluate one on them"
        )
    return shown[shown["series"].isin(whole)].reset_index(drop=True)


def paired(rows: pd.DataFrame, value: str = "top1") -> pd.DataFrame:
    """Clean minus occluded, clip by clip: series, set (the degree), clip, label, drop.

    Only clips that the series was shown both clean and at that degree.
    """
    clean = rows[rows["set"] == CLEAN].set_index(["series", "clip"])[value]
    occluded = rows[rows["set"].isin(degrees(rows))]
    both = occluded.join(clean.rename("clean"), on=["series", "clip"], how="inner")
    both["drop"] = both["clean"] - both[value]
    return both[["series", "set", "clip", "label", "clean", value, "drop"]].reset_index(drop=True)


def averaged(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over series: set, clip, label, top1, top5; of the clips that all series were shown."""
    grouped = common(rows, "series").groupby(["set", "clip"])
    found = grouped[["label"]].first()
    found[["top1", "top5"]] = grouped[["top1", "top5"]].mean()
    return found.reset_index()


def models(rows: pd.DataFrame) -> str:
    """`mean of 8 models`, for the foot of a figure; a model counts with each of its arms."""
    names = rows["series"].unique()
    if len(names) == 1:
        return str(names[0])
    return f"mean of {len(names)} models{' and arms' if any(' + ' in n for n in names) else ''}"
