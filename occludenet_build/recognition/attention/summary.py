"""Summary of the maps of all networks: means, intervals, and differences to the baseline.

The unit of the counts is the source clip: the seeds of an arm are averaged first. The bootstrap
draws groups of clips.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.files import write_text
from occludenet_build.core.seeds import uniform_integer
from occludenet_build.recognition.accuracy import (
    DIFFERENCES,
    SHARES,
    bootstrap_mean,
)
from occludenet_build.recognition.attention import ATTENTION_TABLE, MEASURES, SUMMARY_COLUMNS
from occludenet_build.recognition.significance import holm, signed_rank
from occludenet_build.release.groups import derived_group

BASELINE = "baseline"
_NETWORK = ["backbone", "arm", "seed"]
_Bounds = tuple[float, float] | None


def write_summary(paths: Sequence[Path], out: Path, seed: int) -> None:
    """Write `summarise_maps` of the tables in `paths` as CSV and log the focus of each arm.

    Raises UserError as `summarise_maps` does.
    """
    summary = summarise_maps([tables.read_table(path).to_pandas() for path in paths], seed)
    write_text(out, summary.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    columns = ["backbone", "arm", "set", "measure", "n", "mean", "difference", "p"]
    focus = summary[summary["measure"].str.startswith("focus")]
    logging.info("\n%s", focus[columns].to_string(index=False, float_format="%.3f"))


def summarise_maps(maps: Sequence[pd.DataFrame], seed: int) -> pd.DataFrame:
    """A table with SUMMARY_COLUMNS from tables with the columns of ATTENTION_TABLE.

    The result depends on the input and the seed only. Raises UserError where a table lacks a
    column, or where two tables are of the same training.
    """
    required = set(ATTENTION_TABLE.names)
    for table in maps:
        if required - set(table.columns):
            raise UserError(
                "wanted tables of attention, one lacks "
                f"{', '.join(sorted(required - set(table)))}; run attention again"
            )
    rows = pd.concat(maps, ignore_index=True)
    if rows.duplicated([*_NETWORK, "file"]).any():
        raise UserError("wanted one table of attention per training, got one twice; name each once")
    lines = []
    for (backbone, name), of_set in rows.groupby(["backbone", "set"], sort=True):
        baseline = of_set[of_set["arm"] == BASELINE]
        for arm in sorted(of_set["arm"].unique(), key=lambda arm: (arm != BASELINE, arm)):
            first = {"backbone": backbone, "arm": arm, "set": name}
            other = None if arm == BASELINE or baseline.empty else baseline
            lines += _lines(first, of_set[of_set["arm"] == arm], other, seed)
    summary = pd.DataFrame(lines, columns=list(SUMMARY_COLUMNS))
    tested = summary["p"].notna()
    summary.loc[tested, "p_holm"] = holm(summary.loc[tested, "p"].tolist())
    return summary


def _lines(
    first: dict[str, Any], rows: pd.DataFrame, baseline: pd.DataFrame | None, seed: int
) -> list[dict[str, Any]]:
    """One line per measure of one arm and set; `first`: their backbone, arm and set."""
    lines = []
    for measure in MEASURES:
        derived = uniform_integer(seed, "attention", *first.values(), measure)
        values = _by_clip(rows, measure)
        shares = not measure.startswith("focus")  # a focus has no largest value
        line = first | _counts(rows) | {"measure": measure}
        line |= _mean(values, derived, SHARES if shares else None)
        if baseline is not None:
            bounds = DIFFERENCES if shares else None
            line |= _against(values, _by_clip(baseline, measure), derived, bounds)
        lines.append(line)
    return lines


def _counts(rows: pd.DataFrame) -> dict[str, int]:
    return {
        "seeds": rows["seed"].nunique(),
        "zero_maps": int((rows["reason"] == "zero_map").sum()),
        "unmasked": int(((rows["status"] == "skipped") & (rows["reason"] == "no_mask")).sum()),
        "failed": int((rows["status"] == "failed").sum()),
    }


def _by_clip(rows: pd.DataFrame, measure: str) -> pd.Series:
    """Mean over the seeds by clip, for the clips that have the value in all of them."""
    values = rows.pivot(index="clip", columns="seed", values=measure)
    return values.dropna().mean(axis=1)


def _mean(values: pd.Series, seed: int, bounds: _Bounds) -> dict[str, float]:
    if values.empty:
        return {"n": 0}
    low, high = mean_interval(values, seed, bounds)
    return {
        "n": len(values),
        "groups": values.index.map(derived_group).nunique(),
        "mean": float(values.mean()),
        "low": low,
        "high": high,
        "median": float(values.median()),
    }


def _against(values: pd.Series, other: pd.Series, seed: int, bounds: _Bounds) -> dict[str, float]:
    difference = (values - other).dropna()  # by clip
    if difference.empty:
        return {"common": 0}
    low, high = mean_interval(difference, seed, bounds)
    return {
        "common": len(difference),
        "difference": float(difference.mean()),
        "difference_low": low,
        "difference_high": high,
        "p": signed_rank(difference.to_numpy()),
    }


def mean_interval(values: pd.Series, seed: int, bounds: _Bounds = None) -> tuple[float, float]:
    """Bootstrap interval of the mean of `values` (N,) float64, a value per clip, by clip.

    Groups of clips are drawn; `bounds` as in `accuracy.bootstrap_ratios`. Both ends are nan for
    fewer than two clips, and without bounds where all draws have the same mean.
    """
    if len(values) < 2:
        return np.nan, np.nan
    groups = values.index.map(derived_group)
    random = np.random.default_rng(seed)
    low, high = bootstrap_mean(values.to_numpy(), random, bounds=bounds, groups=groups)
    return (low, high) if high - low > 1e-12 else (np.nan, np.nan)
