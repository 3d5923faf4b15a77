"""The table of all: every network and arm on every set.

A cell is the mean over the trainings (seeds) of a network and arm; its interval draws groups of
clips, each with all its seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from occludenet_build.core.errors import UserError
from occludenet_build.core.seeds import rng
from occludenet_build.recognition.accuracy import (
    METRICS,
    RESAMPLES,
    bootstrap_curve,
    one_clip_points,
    over_seeds,
    set_order,
)
from occludenet_build.release.terms import CLEAN
from occludenet_build.results.degrees import is_occludenet_d
from occludenet_build.results.text_tables import ABSENT, TextTable

CELL = [
    "network", "arm", "set", "metric", "value", "low", "high", "sd", "clips", "groups", "seeds",
]  # fmt: skip
"""Columns of by_degree.csv: `arm` (of a detector what it was trained on), `metric` (top-1, top-5,
or an average precision: different measures), `value` in percent, mean over seeds, with its 95 %
interval `low` to `high` (null for an average precision of several seeds) and its standard deviation
over seeds `sd` (points; null for one seed), numbers of clips, of groups of clips that are not
independent (null for an average precision), and of seeds."""
LINE = ["network", "arm", "set"]
"""Columns that identify a cell of accuracy."""
PRECISIONS = ("network", "trained_on", "seed", "set", "metric", "value", "low", "high", "n")
"""Columns of a file of average precisions."""


def accuracy_cells(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Cells (CELL) of answers (rows.ROWS); `seed`: of the bootstrap."""
    found = []
    for metric, column in METRICS.items():
        known = rows[rows[column].notna()]
        if len(known):
            random = rng(seed, "models", "by degree")
            means = bootstrap_curve(known, LINE, column, random, RESAMPLES).set_index(LINE)
            edges = 100 * means[["low", "high"]]
            found.append(_counted(known, column).join(edges).assign(metric=metric))
    if not found:
        return pd.DataFrame(columns=CELL)
    cells = pd.concat(found).reset_index()
    place = {line: at for at, line in enumerate(_lines_in_order(rows))}
    order = [place[line] for line in map(tuple, cells[LINE].to_numpy())]
    return cells.assign(order=order).sort_values("order", kind="stable")[CELL]


def _lines_in_order(rows: pd.DataFrame) -> list[tuple[str, str, str]]:
    """The cells: networks and arms as they come, and their sets in order."""
    lines = rows[["network", "arm"]].drop_duplicates().itertuples(index=False, name=None)
    return [(network, arm, name) for network, arm in lines for name in sets_in_order(rows)]


def _counted(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Mean and deviation over seeds, percent, and counts; a row per LINE."""
    by_seed = 100 * rows.groupby([*LINE, "seed"], sort=False)[column].mean()
    spread = by_seed.groupby(LINE, sort=False).agg(list).map(over_seeds)
    found = pd.DataFrame(spread.tolist(), spread.index, columns=["value", "sd"])
    counts = rows.groupby(LINE)[["clip", "group", "seed"]].nunique()
    counts.columns = pd.Index(["clips", "groups", "seeds"])
    return found.join(counts)


def precision_cells(files: Sequence[Path]) -> pd.DataFrame:
    """Cells (CELL) of files with PRECISIONS; a mean over seeds has no interval of clips.

    Raises UserError for another file.
    """
    parts = [_read_precisions(path) for path in files]
    if not parts:
        return pd.DataFrame(columns=CELL)
    rows = pd.concat(parts, ignore_index=True).rename(columns={"trained_on": "arm", "n": "clips"})
    keys = ["network", "arm", "set", "metric"]
    found = []
    for key, part in rows.groupby(keys, sort=False):
        mean, deviation = over_seeds(part["value"].tolist())
        one = len(part) == 1
        edges = {name: part[name].iloc[0] if one else None for name in ("low", "high")}
        counts = {"clips": int(part["clips"].min()), "seeds": len(part)}
        found.append(
            dict(zip(keys, key, strict=True)) | {"value": mean, "sd": deviation} | edges | counts
        )
    return pd.DataFrame(found, columns=CELL)


def _read_precisions(path: Path) -> pd.DataFrame:
    try:
        rows = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: wanted a CSV file, it does not read: {error}") from error
    missing = [name for name in PRECISIONS if name not in rows]
    if missing:
        raise UserError(
            f"{path}: wanted the columns {', '.join(PRECISIONS)}, it lacks {', '.join(missing)}; "
            "name the ap.csv of the stage moc"
        )
    return rows[list(PRECISIONS)]


def sets_in_order(rows: pd.DataFrame) -> list[str]:
    """Names of the sets of answers: clean and OccludeNet-D by scale, then those of lists."""
    scales = rows.groupby("set")["scale"].first()
    return sorted(
        scales.index,
        key=lambda name: set_order(name, None if pd.isna(scales[name]) else float(scales[name])),
    )


def text_table(
    rows: pd.DataFrame, cells: pd.DataFrame, precisions: pd.DataFrame, left: Mapping[str, int]
) -> TextTable:
    """The table of all as texts: a block of accuracies, and one of each average precision.

    `rows`: the answers (rows.ROWS) that `cells` are of; `left`: clips by set that do not count.
    """
    blocks = []
    metrics = list(dict.fromkeys(precisions["metric"]))
    columns = list(dict.fromkeys([*sets_in_order(rows), *precisions["set"]]))
    if len(cells):
        blocks.append((_accuracies(cells), _lines(cells, columns)))
    for metric in metrics:
        of_metric = precisions[precisions["metric"] == metric]
        blocks.append((f"{metric}, %", _lines(of_metric, columns)))
    head = ["network", "arm", "seeds", *columns]
    title = "All networks by degree of occlusion"
    notes = [*_notes(cells, left), *_set_notes(rows), *_precision_notes(precisions)]
    return TextTable("by_degree", title, head, blocks, notes)


def _accuracies(cells: pd.DataFrame) -> str:
    """What the cells of accuracies show."""
    return "top-1 (top-5), %" if cells["metric"].eq("top-5").any() else "top-1, %"


def _lines(cells: pd.DataFrame, columns: list[str]) -> list[list[str]]:
    lines = []
    for (network, arm), part in cells.groupby(["network", "arm"], sort=False):
        by_set = dict(iter(part.groupby("set")))
        texts = [_text(by_set[name]) if name in by_set else ABSENT for name in columns]
        lines.append([str(network), str(arm), str(part["seeds"].max()), *texts])
    return lines


def _text(cells: pd.DataFrame) -> str:
    """`62.7 ± 1.2 [51.4, 72.7] (88.0)`: top-1, sd over seeds, interval, and top-5 if it tells."""
    first, *others = cells.to_dict("records")
    text = f"{first['value']:.1f}"
    if not pd.isna(first["sd"]):
        text += f" ± {first['sd']:.1f}"
    if not pd.isna(first["low"]):
        text += f" [{first['low']:.1f}, {first['high']:.1f}]"
    return text + "".join(f" ({other['value']:.1f})" for other in others)


def _notes(cells: pd.DataFrame, left: Mapping[str, int]) -> list[str]:
    notes = [
        "mean over seeds ± standard deviation over seeds [95 % interval that draws groups of "
        "clips, each with all its seeds]: it tells of other clips, not of other trainings",
    ]
    sets_of: dict[str, list[str]] = {}
    for name, part in cells.groupby("set", sort=False):
        sets_of.setdefault(_counts(part, left[str(name)]), []).append(str(name))
    notes += [f"{', '.join(names)}: {words}" for words, names in sets_of.items()]
    if len(cells) and not cells["metric"].eq("top-5").any():
        notes.append("no top-5: a network that knows five classes or fewer is always right")
    if len(cells) and CLEAN not in set(cells["set"]):
        notes.append("no clean twins: composite.clean_twin makes them")
    return notes


def _set_notes(rows: pd.DataFrame) -> list[str]:
    if rows.empty:
        return []
    names = pd.Series(sets_in_order(rows))
    further = names[~is_occludenet_d(names)]
    notes = [
        "arm: how a network was trained, clean: on the clean twins; of another system its mode; "
        "the columns are the sets that it is tested on"
    ]
    if len(further):
        notes.append(f"{', '.join(further)}: not of OccludeNet-D, from evaluate.lists")
    classes = sorted(rows["classes"].unique())
    return [*notes, *(f"chance is {100 / n:.3g} % with {n} classes" for n in classes)]


def _precision_notes(precisions: pd.DataFrame) -> list[str]:
    if precisions.empty:
        return []
    numbers = precisions["clips"].astype(int)
    videos = dict.fromkeys((f"{numbers.min():,}", f"{numbers.max():,}"))
    return [
        "average precision and top-1 are different measures: compare networks within a block; the "
        "arm of a detector is what it was trained on",
        f"average precision: N={' to '.join(videos)} videos; the interval is that of a single "
        "training, several have their deviation only",
    ]


def _counts(part: pd.DataFrame, lost: int) -> str:
    """Numbers of clips and groups of a set."""
    clips, groups = int(part["clips"].max()), int(part["groups"].max())
    of = f" of {groups:,} groups" if groups < clips else ""
    left = f"; {lost:,} clips left out that not every network saw" if lost else ""
    return f"N={clips:,}{of}, one clip is {one_clip_points(clips):.2g} points{left}"
