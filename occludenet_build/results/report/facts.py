"""Numbers of a build: clips that passed each stage, failures by reason, classes below quota."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
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

TABLES = tuple(
    name
    for stage in STAGES.values()
    if stage.in_all
    for name in stage.tables
    if name not in ("kinetics", "frames", "attention")
)
"""Tables that the page reports as missing where they do not exist."""
_UNSHOWN = ("hash", "hashes", "sha256", "key")
"""Ends of the names of columns that no page shows, and that differ in every row."""
_EXAMPLES = 3
"""Number of examples for each failure."""
_ITEM_TABLES = tuple(name for stage in STAGES.values() if stage.items for name in stage.tables)


class ReportBuild(build.BuildTables):
    """Cached access to the tables of a build, as pandas DataFrames."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.dataframe = cache(self._dataframe)
        self.predicted = cache(self._predicted)

    @property
    def missing(self) -> list[str]:
        """Names of TABLES that do not exist."""
        return [name for name in TABLES if not self.files(name)]

    def _dataframe(self, name: str) -> pd.DataFrame | None:
        """All rows of a table without hashes; None where its stage has not run."""
        found = self.table(name)
        if found is None:
            return None
        shown = [one for one in found.column_names if not one.endswith(_UNSHOWN)]
        return found.select(shown).to_pandas()

    def _predicted(self, path: Path) -> Predictions:
        """Predictions with the logits of derived sets only, whose read-out is fitted again."""
        found = read_predictions(path)
        rows = found.rows.drop(columns="erased_logits")
        rows["logits"] = rows["logits"].where(rows["set"].isin(self.derived_sets()), None)
        return replace(found, rows=rows)

    def curves(self) -> dict[tuple[str, int], pd.DataFrame]:
        """Loss curves by arm and seed."""
        return {key: pd.read_csv(path) for key, path in self._trainings("train").items()}

    def predictions(self) -> dict[tuple[str, int], Predictions]:
        """Predictions by arm and seed."""
        return {key: self.predicted(path) for key, path in self._trainings("evaluate").items()}

    def effects(self) -> dict[tuple[str, int], pd.DataFrame]:
        """Causal effects of Eq. 1 by arm and seed, where they were computed."""
        tables_of = {
            key: pd.read_csv(path.with_suffix(".effect.csv"))
            for key, path in self._trainings("evaluate").items()
            if path.with_suffix(".effect.csv").exists()
        }
        return {key: table for key, table in tables_of.items() if len(table)}

    def _trainings(self, stage: str) -> dict[tuple[str, int], Path]:
        """Files <arm>-<seed> of train or evaluate, by arm and seed."""
        named = ((path.stem.rpartition("-"), path) for path in self.files(stage))
        found = {(a, int(seed)): path for (a, _, seed), path in named if a and seed.isdigit()}
        return dict(sorted(found.items()))


@dataclass(frozen=True)
class HeadlineCount:
    """A number at the top of the page."""

    name: str
    number: int
    note: str
    share: float | None = None
    """`number` divided by the number of videos found, 0 to 1; None where it has no meaning."""


def headline(build: ReportBuild) -> list[HeadlineCount]:
    """Number of videos that passed each stage; stages that have not run are left out."""
    counts: list[HeadlineCount] = []
    index, clips = build.dataframe("index"), build.dataframe("annotate")
    videos = 0 if index is None else len(index)

    def add(stage: str, name: str, note: str) -> None:
        rows = build.dataframe(stage)
        if rows is not None:
            number = int((rows["status"] == "ok").sum())
            counts.append(HeadlineCount(name, number, note, number / videos if videos else None))

    if index is not None:
        counts.append(_sources(build, index))
    add("index", "decodable", _decodable(index))
    add("detect", "with an actor", "of the candidates in which detect searched for people")
    add("select", "chosen", "by the quota or as published, with an occluder")
    add("composite", "composited", "source clips with an occluder")
    if clips is not None:
        occluded = int((clips["set"] != CLEAN).sum())
        note = f"in addition {len(clips) - occluded:,} clean twins and "
        note += f"{int(clips['counterfactual'].notna().sum()):,} counterfactuals"
        counts.append(HeadlineCount("occluded clips", occluded, note))
    return counts


def _decodable(index: pd.DataFrame | None) -> str:
    """The note of the videos that decode; it names those with concealed damage."""
    note = "every frame was decoded once"
    if index is None or "corrupt_frames" not in index:
        return note
    concealed = index.loc[index["status"] == "ok", "corrupt_frames"].fillna(0)
    if not (concealed > 0).any():
        return note
    videos, frames = int((concealed > 0).sum()), int(concealed.sum())
    return f"{note}; in {videos:,} the decoder concealed damage, in {frames:,} frames"


def _sources(build: ReportBuild, index: pd.DataFrame) -> HeadlineCount:
    listed, found = build.dataframe("kinetics"), len(index)
    # the table may be left from an earlier configuration
    if listed is None or set(listed["clip"]) != set(index["clip"]):
        return HeadlineCount("videos found", found, "files in the folder of sources", 1.0)
    statuses = listed["status"].value_counts()
    present = int(statuses.get("present", 0) + statuses.get("replaced", 0))
    note = f"clips of Kinetics-400's lists in this build; {present:,} are present, "
    note += f"{int(statuses.get('replaced', 0)):,} of them from the replacement pack"
    return HeadlineCount("clips listed", found, note, 1.0)


@dataclass(frozen=True)
class ErasedActors:
    """How completely the actors are erased from the counterfactuals."""

    clips: int
    """Source clips with a counterfactual."""
    refused: int
    """Source clips without one, since too many frames may show the actor (not_erased)."""
    erased: int
    """Frames of `clips` in which the actor is erased."""
    left: int
    """Frames of `clips` that may show the actor and have no mask."""
    touched: int
    """Clips of `clips` with such a frame."""

    @property
    def share(self) -> float | None:
        """`left` of the frames that may show the actor, 0 to 1; None without frames."""
        return self.left / (self.left + self.erased) if self.left + self.erased else None


def erased_actors(build: ReportBuild) -> ErasedActors | None:
    """Counts of the counterfactuals; None without them, or from before frames were counted."""
    rows = build.dataframe("counterfactual")
    if rows is None or rows.empty or "unerased_frames" not in rows:
        return None
    made = rows[rows["status"] == "ok"]
    left = made["unerased_frames"].fillna(0)
    refused = int((rows["reason"] == "not_erased").sum())
    erased = int(made["erased_frames"].fillna(0).sum())
    return ErasedActors(len(made), refused, erased, int(left.sum()), int((left > 0).sum()))


@dataclass(frozen=True)
class Failure:
    """The items that failed or were skipped in one stage for one reason."""

    stage: str
    status: str
    """failed or skipped."""
    reason: str
    count: int
    meaning: str
    """Explanation of the reason, from core.errors.REASONS."""
    examples: list[tuple[str, str]]
    """(name, detail) of the first items."""


def failures(build: ReportBuild) -> list[Failure]:
    """Failures by stage and reason; an item counts in the first stage that lists it."""
    found: list[Failure] = []
    seen: set[tuple[str, str]] = set()
    for stage in _ITEM_TABLES:
        rows = build.dataframe(stage)
        if rows is not None:
            lost = _lost(stage, rows[rows["status"] != "ok"], seen)
            groups = lost.groupby(["status", "reason"])
            of_stage = [_failure(stage, status, reason, rows) for (status, reason), rows in groups]
            found.extend(sorted(of_stage, key=lambda failure: -failure.count))
    return found


def _lost(stage: str, rows: pd.DataFrame, seen: set[tuple[str, str]]) -> pd.DataFrame:
    """Name, status, reason and detail of the items that no earlier stage lists."""
    lost = pd.DataFrame({"name": _names(stage, rows)}, index=rows.index)
    for name in ("status", "reason", "detail"):
        lost[name] = rows[name].astype(object).where(rows[name].notna(), "")
    pairs = list(zip(lost["name"], lost["reason"], strict=True))
    fresh = pd.Series([pair not in seen for pair in pairs], index=lost.index, dtype=bool)
    seen.update(pairs)
    return lost[fresh].sort_values("name")


def _names(stage: str, rows: pd.DataFrame) -> list[str]:
    if stage != "occluders":
        return rows["clip"].tolist()
    pairs = zip(rows["coco_image"], rows["coco_annotation"], strict=True)
    return [f"photo {_whole(photo)}, annotation {_whole(number)}" for photo, number in pairs]


def _whole(value: Any) -> str:
    return "?" if pd.isna(value) else str(int(value))


def _failure(stage: str, status: str, reason: str, rows: pd.DataFrame) -> Failure:
    first = rows.head(_EXAMPLES)
    examples = list(zip(first["name"], first["detail"], strict=True))
    meaning = REASONS.get(reason, "a reason that is not in the list")
    return Failure(stage, status, reason, len(rows), meaning, examples)


def failures_csv(rows: list[Failure]) -> str:
    """The text of failures.csv: a row per failure."""
    names = ["stage", "status", "reason", "count", "meaning"]
    return csv_text(
        [*names, "examples"],
        ([*(getattr(row, name) for name in names), _named(row)] for row in rows),
    )


def _named(row: Failure) -> str:
    return " | ".join(f"{name}: {detail}" if detail else name for name, detail in row.examples)


@dataclass(frozen=True)
class ClassRow:
    """Number of videos of a class in one split that reached each step."""

    split: str
    label: str
    videos: int
    decodable: int
    searched: int
    actor: int
    chosen: int
    composited: int
    quota: int | None
    """Clips that the settings require; None: all."""

    @property
    def short(self) -> int:
        """Number of clips that are missing to the quota."""
        return max(0, self.quota - self.chosen) if self.quota is not None else 0


def classes(build: ReportBuild, quota: Quota) -> list[ClassRow]:
    """A row per split and class; empty where index has not run."""
    index = build.dataframe("index")
    if index is None:
        return []
    marks = index[index["label"].notna() & index["split"].notna()].set_index("clip")
    select = build.dataframe("select")
    if select is not None:  # a published selection has its own classes and splits
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


def _clips(build: ReportBuild, stage: str, ok: bool = True) -> list[str]:
    rows = build.dataframe(stage)
    if rows is None:
        return []
    return rows.loc[rows["status"] == "ok", "clip"].tolist() if ok else rows["clip"].tolist()


@dataclass(frozen=True)
class BankCutout:
    """A cut-out that the page shows."""

    file: str
    name: str
    split: str
    licence: str


def _text(value: Any) -> str:
    return "licence unknown" if pd.isna(value) else str(value)


def cutouts(
    build: ReportBuild, per_category: int, seed: int
) -> Iterator[tuple[str, list[BankCutout]]]:
    """Each category with up to `per_category` of its cut-outs, drawn by hash."""
    bank = build.dataframe("occluders")
    if bank is None:
        return
    for category, rows in bank[bank["status"] == "ok"].groupby("category"):
        drawn = sorted(
            rows.to_dict("records"),
            key=lambda row: seeds.uniform_integer(seed, row["occluder"], "report sheet"),
        )
        yield (
            category,
            [
                BankCutout(row["file"], row["occluder"], row["split"], _text(row["licence"]))
                for row in drawn[:per_category]
            ],
        )
