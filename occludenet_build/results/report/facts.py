"""Numbers of a build: how many came through each room, what did not and why, what is short.

The tables of a build as pandas has them, and what train and evaluate left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from occludenet_build.config.occlusion import Quota
from occludenet_build.core import build, seeds
from occludenet_build.core.errors import REASONS
from occludenet_build.core.files import csv_text
from occludenet_build.recognition.prediction_table import Predictions, read_predictions
from occludenet_build.release.terms import CLEAN, SPLITS
from occludenet_build.stages import STAGES
from occludenet_build.stages import TABLES as ALL_TABLES

TABLES = tuple(
    name for name in ALL_TABLES if name not in ("kinetics", "frames", "attention", "segments")
)
"""The tables whose absence the page tells."""


class Build(build.Build):
    """Cached access to the tables of a build."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.dataframe = cache(self._dataframe)
        self.predicted = cache(read_predictions)

    @property
    def missing(self) -> list[str]:
        return [name for name in TABLES if not self.files(name)]

    def _dataframe(self, name: str) -> pd.DataFrame | None:
        """All rows of a table; None where its stage has not run."""
        found = self.table(name)
        return None if found is None else found.to_pandas()

    def curves(self) -> dict[tuple[str, int], pd.DataFrame]:
        """(arm, seed) -> loss curve."""
        return {key: pd.read_csv(path) for key, path in self._trainings("train").items()}

    def predictions(self) -> dict[tuple[str, int], Predictions]:
        """(arm, seed) -> what that network says of the clips."""
        return {key: self.predicted(path) for key, path in self._trainings("evaluate").items()}

    def effects(self) -> dict[tuple[str, int], pd.DataFrame]:
        """(arm, seed) -> the causal effect of Eq. 1, of those for which it was asked."""
        tables_of = {
            key: pd.read_csv(path.with_suffix(".effect.csv"))
            for key, path in self._trainings("evaluate").items()
            if path.with_suffix(".effect.csv").exists()
        }
        return {key: table for key, table in tables_of.items() if len(table)}

    def _trainings(self, stage: str) -> dict[tuple[str, int], Path]:
        """(arm, seed) -> file, of the files <arm>-<seed> that train and evaluate write."""
        named = ((path.stem.rpartition("-"), path) for path in self.files(stage))
        found = {(a, int(seed)): path for (a, _, seed), path in named if a and seed.isdigit()}
        return dict(sorted(found.items()))


_EXAMPLES = 3
_ITEM_TABLES = tuple(name for stage in STAGES.values() if stage.items for name in stage.tables)


@dataclass(frozen=True)
class HeadlineCount:
    """A headline number; `share` of the videos found, where that says something."""

    name: str
    number: int
    note: str
    share: float | None = None


def headline(build: Build) -> list[HeadlineCount]:
    """How many videos came through each room; rooms that have not run are left out."""
    counts: list[HeadlineCount] = []
    index, clips = build.dataframe("index"), build.dataframe("annotate")
    found = 0 if index is None else len(index)

    def add(room: str, name: str, note: str) -> None:
        rows = build.dataframe(room)
        if rows is not None:
            number = int((rows["status"] == "ok").sum())
            counts.append(HeadlineCount(name, number, note, number / found if found else None))

    if index is not None:
        counts.append(_sources(build, index))
    add("index", "decodable", "every frame was decoded once")
    add("detect", "with an actor", "of the candidates that were searched for people")
    add("select", "chosen", "by the quota or as published, with an occluder")
    add("composite", "composited", "source clips that carry an occluder")
    if clips is not None:
        occluded = int((clips["set"] != CLEAN).sum())
        note = f"{len(clips) - occluded:,} clean twins, "
        note += f"{int(clips['counterfactual'].notna().sum()):,} counterfactuals beside them"
        counts.append(HeadlineCount("occluded clips", occluded, note))
    return counts


def _sources(build: Build, index: pd.DataFrame) -> HeadlineCount:
    listed, found = build.dataframe("kinetics"), len(index)
    # the table of an earlier route may still lie there
    if listed is None or set(listed["clip"]) != set(index["clip"]):
        return HeadlineCount("videos found", found, "files in the folder of sources", 1.0)
    statuses = listed["status"].value_counts()
    there = int(statuses.get("present", 0) + statuses.get("replaced", 0))
    note = f"of Kinetics-400's lists, wanted here; {there:,} are there, "
    note += f"{int(statuses.get('replaced', 0)):,} of them from the replacement pack"
    return HeadlineCount("clips listed", found, note, 1.0)


@dataclass(frozen=True)
class Failure:
    """What did not come through a room for one reason."""

    room: str
    status: str
    reason: str
    count: int
    meaning: str
    examples: list[tuple[str, str]]
    """(name, detail) of the first few."""


def failures(build: Build) -> list[Failure]:
    """Per room and reason; an item that a later room lists again is counted where it came first."""
    found: list[Failure] = []
    seen: set[tuple[str, str]] = set()
    for room in _ITEM_TABLES:
        rows = build.dataframe(room)
        if rows is not None:
            lost = _lost(room, rows[rows["status"] != "ok"], seen)
            groups = lost.groupby(["status", "reason"])
            mine = [_failure(room, status, reason, rows) for (status, reason), rows in groups]
            found.extend(sorted(mine, key=lambda failure: -failure.count))
    return found


def _lost(room: str, rows: pd.DataFrame, seen: set[tuple[str, str]]) -> pd.DataFrame:
    """Name, status, reason and detail of what is new in this room."""
    lost = pd.DataFrame({"name": _names(room, rows)}, index=rows.index)
    for name in ("status", "reason", "detail"):
        lost[name] = rows[name].astype(object).where(rows[name].notna(), "")
    pairs = list(zip(lost["name"], lost["reason"], strict=True))
    fresh = pd.Series([pair not in seen for pair in pairs], index=lost.index, dtype=bool)
    seen.update(pairs)
    return lost[fresh].sort_values("name")


def _names(room: str, rows: pd.DataFrame) -> list[str]:
    if room != "occluders":
        return rows["clip"].tolist()
    pairs = zip(rows["coco_image"], rows["coco_annotation"], strict=True)
    return [f"photo {_whole(photo)}, annotation {_whole(number)}" for photo, number in pairs]


def _whole(value: Any) -> str:
    return "?" if pd.isna(value) else str(int(value))


def _failure(room: str, status: str, reason: str, rows: pd.DataFrame) -> Failure:
    first = rows.head(_EXAMPLES)
    examples = list(zip(first["name"], first["detail"], strict=True))
    meaning = REASONS.get(reason, "a reason that is not in the list")
    return Failure(room, status, reason, len(rows), meaning, examples)


def failures_csv(rows: list[Failure]) -> str:
    header = ["room", "status", "reason", "count", "meaning", "examples"]
    return csv_text(
        header, ([*(getattr(row, name) for name in header[:-1]), _named(row)] for row in rows)
    )


def _named(row: Failure) -> str:
    return " | ".join(f"{name}: {detail}" if detail else name for name, detail in row.examples)


@dataclass(frozen=True)
class ClassRow:
    """A class in one split, from file to clip."""

    split: str
    label: str
    videos: int
    decodable: int
    searched: int
    actor: int
    chosen: int
    composited: int
    quota: int | None

    @property
    def short(self) -> int:
        return max(0, self.quota - self.chosen) if self.quota is not None else 0


def classes(build: Build, quota: Quota) -> list[ClassRow]:
    """Per split and class how many came how far; empty before the index."""
    index = build.dataframe("index")
    if index is None:
        return []
    marks = index[index["label"].notna() & index["split"].notna()].set_index("clip")
    select = build.dataframe("select")
    if select is not None:  # a published choice has classes and splits of its own
        marks.update(select.set_index("clip")[["split", "label"]])
    marks = pd.DataFrame(
        {
            "split": marks["split"],
            "label": marks["label"],
            "videos": True,
            "decodable": marks["status"] == "ok",
            "searched": marks.index.isin(_clips(build, "detect", ok=False)),
            "actor": marks.index.isin(_clips(build, "detect")),
            "chosen": marks.index.isin(_clips(build, "select")),
            "composited": marks.index.isin(_clips(build, "composite")),
        }
    )
    rows = []
    for (split, label), sums in marks.groupby(["split", "label"]).sum().iterrows():
        counts = {name: int(number) for name, number in sums.items()}
        rows.append(ClassRow(split, label, **counts, quota=getattr(quota, split)))
    return sorted(rows, key=lambda row: (SPLITS.index(row.split), row.label + "/"))


def _clips(build: Build, room: str, ok: bool = True) -> list[str]:
    rows = build.dataframe(room)
    if rows is None:
        return []
    return rows.loc[rows["status"] == "ok", "clip"].tolist() if ok else rows["clip"].tolist()


@dataclass(frozen=True)
class BankCutout:
    file: str
    name: str
    split: str
    licence: str


def _text(value: Any) -> str:
    return "licence unknown" if pd.isna(value) else str(value)


def cutouts(build: Build, per_category: int, seed: int) -> Iterator[tuple[str, list[BankCutout]]]:
    """(category, some of its cut-outs, drawn by hash) for the sheet."""
    bank = build.dataframe("occluders")
    if bank is None:
        return
    for category, rows in bank[bank["status"] == "ok"].groupby("category"):
        drawn = sorted(
            rows.to_dict("records"),
            key=lambda row: seeds.integer(seed, row["occluder"], "report sheet"),
        )
        yield (
            category,
            [
                BankCutout(row["file"], row["occluder"], row["split"], _text(row["licence"]))
                for row in drawn[:per_category]
            ],
        )
