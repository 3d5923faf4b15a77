"""What an evaluation finds: rows of predictions and gates, and what could not be evaluated."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from occludenet_build.config.integralaction import POSE_SOURCES, Integralaction
from occludenet_build.core import files, tables
from occludenet_build.core.failures import Tolerance, check_items
from occludenet_build.recognition import prediction_table
from occludenet_build.recognition.accuracy import summarise_sets
from occludenet_build.recognition.clip_table import ClipRow, check_labels_known
from occludenet_build.recognition.integralaction import evaluation, gates
from occludenet_build.recognition.integralaction.evaluation import Answer, TrainedMode
from occludenet_build.recognition.integralaction.pose_sources import PoseSource
from occludenet_build.recognition.listed_sets import EvaluationGroup

Row = dict[str, Any]


@dataclass
class Evaluated:
    """Rows of the tables that the evaluation of one network writes."""

    trained: TrainedMode
    predictions: dict[str, list[Row]]
    """By source of poses; rgb_only has the first alone."""
    gates: list[Row] = field(default_factory=list)
    skipped: list[Row] = field(default_factory=list)
    """What has no row: set, file and reason."""
    items: list[Row] = field(default_factory=list)
    """Every clip once, as rows of a ledger: with a reason where it could not be read."""

    @classmethod
    def of(cls, trained: TrainedMode) -> Evaluated:
        """Nothing yet."""
        sources = POSE_SOURCES if trained.sees_poses else POSE_SOURCES[:1]
        return cls(trained, {source: [] for source in sources})

    def add(
        self, group: EvaluationGroup, poses: PoseSource | None, settings: Integralaction
    ) -> None:
        """Predict the clips of a group. Raises UserError where the network lacks a class."""
        check_labels_known(group.clips, self.trained.labels, group.where)
        answers = evaluation.answers(self.trained, group.clips, group.root, poses, settings)
        for clip, given in answers if group.clips else ():
            if isinstance(given, str):
                self._skip(clip, given)
            else:
                self._keep(clip, given, group.independent.get(clip.file))

    def _skip(self, clip: ClipRow, reason: str) -> None:
        logging.warning("skipped %s: %s", clip.file, reason)
        self.skipped.append({"set": clip.set, "file": clip.file, "reason": reason})
        name, _, detail = reason.partition(": ")
        self.items.append({"clip": clip.file, "reason": name, "detail": detail})

    def _keep(self, clip: ClipRow, given: list[Answer], group: str | None) -> None:
        self.items.append({"clip": clip.file, "reason": None})
        if clip.scale == 0:  # a clean twin is its own twin
            given = given * len(self.predictions)
        for source, answer in zip(self.predictions, given, strict=False):
            row = evaluation.prediction_row(clip, answer, self.trained.labels) | {"group": group}
            self.predictions[source].append(row)
            facts = {"poses": source, "seed": self.trained.seed}
            facts |= {name: getattr(answer, name) for name in ("gate", "found", "reason")}
            self.gates.append({name: row.get(name) for name in gates.GATES.names} | facts)

    def write(self, path: Path, views: int, failures: Tolerance) -> None:
        """Write the tables and log the accuracies.

        Raises UserError where too many clips are out of reach.
        """
        check_items("evaluate", self.items, path, failures)
        self._log_without_poses()
        about = self.trained.about(views)
        summary: dict[str, Any] = {"skipped": self.skipped, "mode": self.trained.mode}
        for source, rows in self.predictions.items():
            rows.sort(key=prediction_table.row_order)
            prediction_table.write_predictions(rows, about, gates.predictions_file(path, source))
            summary[source] = summarise_sets(rows)
            logging.info("%s, poses of the %s clips", self.trained.mode, source)
            classes, skipped = len(self.trained.labels), len(self.skipped)
            prediction_table.log_summary(summary[source], classes, skipped)
        table = tables.from_rows(self.gates, gates.GATES)
        tables.write_table(table, path.with_suffix(".gates.parquet"))
        files.write_json(path.with_suffix(".json"), summary)

    def _log_without_poses(self) -> None:
        reasons = Counter(row["reason"] for row in self.gates if row["reason"])
        if reasons:
            counted = ", ".join(f"{name} {count}" for name, count in sorted(reasons.items()))
            logging.warning(
                "%d of %d rows without poses (%s); the table of gates names them",
                *(reasons.total(), len(self.gates), counted),
            )
