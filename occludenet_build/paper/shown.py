"""Which clips the accuracies of ours are of: common to all models, and what is missing of a set."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from occludenet_build.core import tables
from occludenet_build.core.statistics import one_clip_points
from occludenet_build.paper.inputs import Inputs, Missing
from occludenet_build.paper.models import CLEAN, common, left_out, of_d, scored

LISTED = "K-400"
_UNMADE = ("missing_source", "missing_occluder")


@dataclass(frozen=True)
class Shown:
    """Predictions that count. `rows`: models.scored, with the `column` that a set stands in."""

    rows: pd.DataFrame
    left_out: dict[str, int]

    def notes(self, inputs: Inputs, columns: Iterable[str]) -> list[str]:
        """How many clips the columns have, what one of them is worth, what is missing."""
        rows = self.rows[self.rows["column"].isin(list(columns))]
        lost, said = lost_clips(inputs), defaultdict(list)
        for (column, name), part in rows.groupby(["column", "set"], sort=False):
            words = "; ".join([*self._counted(str(name), part), *lost.get(str(name), [])])
            said[words].append(str(column))
        which = "that every model was shown" if inputs.config.paper.common else "of each model"
        return [
            f"only clips {which} count",
            *(f"{', '.join(columns)}: {words}" for words, columns in said.items()),
        ]

    def _counted(self, name: str, part: pd.DataFrame) -> list[str]:
        counts = part.groupby(["name", "seed"]).size()
        words = [f"N={_span(counts)}, one clip is {_points(counts)} points"]
        if self.left_out[name]:
            words.append(f"{self.left_out[name]:,} clips left out that not every model was shown")
        return words


def shown(inputs: Inputs) -> Shown:
    """Raises Missing where there is no prediction, or no clip that all models share."""
    every = scored(inputs.predicted)
    if every.empty:
        raise Missing(
            "wanted predictions, there are none; train and evaluate, or name some in "
            "predictions.dumps or predictions.builds"
        )
    kept = common(every) if inputs.config.paper.common else every
    if kept.empty:
        raise Missing(
            "wanted clips that all models were shown, there is none; compare models of one test "
            "set, or set paper.common to false"
        )
    return Shown(kept.assign(column=_columns(kept["set"])), left_out(every, kept))


def _columns(sets: pd.Series) -> pd.Series:
    """The paper's K-400 column is the clean twins of the occluded clips; a list of that name takes
    it where there are none, else it has one of its own."""
    if not sets.eq(CLEAN).any():
        return sets
    return sets.replace({CLEAN: LISTED, LISTED: f"{LISTED} (list)"})


def lost_clips(inputs: Inputs) -> dict[str, list[str]]:
    """Set -> what of it could not be made or read in this build, in words."""
    found: dict[str, list[str]] = {}
    sets = scored(inputs.predicted)["set"].drop_duplicates()
    if unmade := _unmade(inputs):
        for name in sets[of_d(sets)]:
            found.setdefault(name, []).append(unmade)
    for name, count in _unread(inputs.root).items():
        found.setdefault(name, []).append(f"{count:,} clips could not be read")
    return found


def _unmade(inputs: Inputs) -> str | None:
    """Clips that a replayed release has, and this build lacks."""
    path = inputs.root / "select" / "clips.parquet"
    if not path.exists():
        return None
    rows = tables.read(path, ["split", "reason"]).to_pandas()
    here = rows[rows["split"] == inputs.config.evaluate.split]
    missing = int(here["reason"].isin(_UNMADE).sum())
    return f"{missing:,} published source clips are missing here" if missing else None


def _unread(root: Path) -> dict[str, int]:
    """Set -> clips that a network of this build could not be shown, as evaluate lists them."""
    files: dict[str, set[str]] = {}
    sets = _sets_of_files(root)
    own = set(sets.values())
    for path in sorted(root.glob("evaluate/*-*.json")):
        for entry in json.loads(path.read_text()).get("skipped", []):
            # of the build's own sets a counterfactual may be listed too: no clip is missing for it
            if entry["set"] not in own or entry["file"] in sets:
                files.setdefault(entry["set"], set()).add(entry["file"])
    return {name: len(those) for name, those in files.items()}


def _sets_of_files(root: Path) -> dict[str, str]:
    path = root / "annotate" / "clips.parquet"
    if not path.exists():
        return {}
    rows = tables.read(path, ["file", "set"]).to_pydict()
    return dict(zip(rows["file"], rows["set"], strict=True))


def _span(counts: pd.Series) -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _points(counts: pd.Series) -> str:
    return f"{one_clip_points(int(counts.min())):.2g}"
