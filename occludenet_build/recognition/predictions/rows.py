"""Rows of PREDICTIONS from the scores of a dump: the clip of each, and its facts in the build."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from occludenet_build.config.recognition import Dump
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.recognition.accuracy import rank_logits
from occludenet_build.recognition.groups import named_group
from occludenet_build.recognition.lists import ListedClip, read_label_map, read_list, source_clips
from occludenet_build.recognition.prediction_table import check_finite_logits, model_info_of
from occludenet_build.recognition.predictions import formats
from occludenet_build.recognition.predictions.formats import Scores

Row = dict[str, Any]
_FACTS = ("clip", "set", "scale", "file", "label", "degree", "area_ratio", "actor_hidden",
          "duration_ratio")  # fmt: skip
LEAST = float(np.finfo(np.float32).tiny)
"""Replaces a probability of 0, which has no logarithm."""


@dataclass
class DumpRows:
    """The rows of one dump."""

    labels: tuple[str, ...]
    """In the order of the logits."""
    average: str
    """How views were averaged: softmax or logits."""
    rows: list[Row] = field(default_factory=list)
    """Rows of PREDICTIONS."""
    skipped: list[Row] = field(default_factory=list)
    """Entries of `skipped` in the JSON file: set, file, reason."""


class BuildClips:
    """The clips of this build, by set and file name without suffix."""

    def __init__(self, clips: Path | None) -> None:
        rows = tables.read_table(clips, list(_FACTS)).to_pylist() if clips else []
        self._rows = {(row["set"], PurePosixPath(row["file"]).stem): row for row in rows}
        self.scales = {row["set"]: row["scale"] for row in rows}

    def of(self, set_name: str, file: str) -> Row | None:
        """The facts of a file's clip in a set; None where it is no clip of this build."""
        return self._rows.get((set_name, PurePosixPath(file).stem))


def read_dump(dump: Dump, known: BuildClips) -> DumpRows:
    """The rows of one dump, and the rows that are left out with their reason.

    Raises UserError where rows, list, labels or label map contradict each other.
    """
    if Path(dump.file).suffix.lower() == ".parquet":
        return _of_table(dump)
    scores = formats.read_scores(dump.file)
    labels = _labels(dump, scores)
    lines = _lines(dump, scores, labels)
    logits = LOGITS[dump.scores](scores.scores, dump)
    return _joined(dump, labels, lines, logits, known)


def _of_table(dump: Dump) -> DumpRows:
    """The rows of a set in a table that evaluate or predictions wrote."""
    table = tables.read_table(dump.file)
    about = model_info_of(table, dump.file)
    check_finite_logits(table, dump.file)
    rows = table.to_pylist()
    of_set = [row for row in rows if row["set"] == dump.set]
    if not of_set:
        sets = ", ".join(sorted({row["set"] for row in rows}))
        raise UserError(f"{dump.file}: wanted predictions of {dump.set}, it holds {sets or 'none'}")
    return DumpRows(about.labels, about.average, of_set)


def _labels(dump: Dump, scores: Scores) -> tuple[str, ...]:
    named = None if dump.label_map is None else read_label_map(dump.label_map)
    labels = scores.labels or named
    if labels is None:
        raise UserError(
            f"{dump.file} does not name its classes; set label_map to their names in the order of "
            "the scores"
        )
    if named is not None and scores.labels not in (None, named):
        raise UserError(
            f"label maps do not match: {dump.file} and {dump.label_map} differ in their classes or "
            "in the order; leave label_map out"
        )
    if len(labels) != scores.scores.shape[1]:
        raise UserError(
            f"label maps do not match: {dump.file} has {scores.scores.shape[1]} scores a clip, "
            f"{dump.label_map} {len(labels)} labels; use the label map of that model"
        )
    return labels


def _lines(dump: Dump, scores: Scores, labels: Sequence[str]) -> list[ListedClip]:
    """File and label of every row, from the list and the dump, which must agree."""
    own = [_name(dump, label, labels, row) for row, label in enumerate(scores.truth, 1)]
    if dump.list is None:
        if scores.files is None:
            raise UserError(
                f"{dump.file} does not name its clips; set list to the list that was read"
            )
        return [
            ListedClip(file, label, _named_group(dump, file))
            for file, label in zip(scores.files, own, strict=True)
        ]
    lines = read_list(dump.list, labels, dump.group)
    if len(lines) != len(own):
        raise UserError(
            f"{dump.file} has {len(own)} rows, {dump.list} {len(lines)} clips; give the whole list "
            "that was read"
        )
    for row, (line, label) in enumerate(zip(lines, own, strict=True), 1):
        if None not in (line.label, label) and line.label != label:
            raise _disagrees(dump, row, label, line.label)
        file = scores.files[row - 1] if scores.files else line.file
        if PurePosixPath(file).name != PurePosixPath(line.file).name:
            raise _disagrees(dump, row, file, line.file)
    return [
        ListedClip(line.file, line.label or label, line.group)
        for line, label in zip(lines, own, strict=True)
    ]


def _named_group(dump: Dump, file: str) -> str | None:
    """The group of a file of a dump without a list."""
    if dump.group is None:
        return None
    if "(" not in dump.group:
        raise UserError(
            f"{dump.file}: wanted a list with the column {dump.group}, got no list; set list, or "
            "give group as a regular expression"
        )
    return named_group(dump.group, file)


def _disagrees(dump: Dump, row: int, of_dump: str | None, of_list: str | None) -> UserError:
    return UserError(
        f"{dump.file}, row {row}: wanted {of_list} as in {dump.list}, got {of_dump}; check the "
        "order and the label map"
    )


def _name(dump: Dump, label: int | str | None, labels: Sequence[str], row: int) -> str | None:
    if not isinstance(label, int):
        return label
    if label >= len(labels):
        raise UserError(
            f"{dump.file}, row {row}: wanted a label below {len(labels)}, got {label}; use the "
            "label map of that model"
        )
    return labels[label]


def _of_probabilities(scores: np.ndarray, dump: Dump) -> np.ndarray:
    """Logarithms of the shares, float64 (N, K); nan in rows of zeros, whose clips were not seen."""
    if (scores < 0).any():
        row = int((scores < 0).any(axis=1).argmax())
        raise UserError(
            f"{dump.file}, row {row + 1}: wanted probabilities, got {scores[row].min():g}; set "
            "scores to logits"
        )
    sums = scores.sum(axis=1, keepdims=True)
    seen = sums[sums > 0]
    if len(seen) and seen.max() > 1.02 * seen.min():
        logging.warning(
            "%s: probabilities of a clip sum to %.3g to %.3g: are they logits?",
            dump.file,
            seen.min(),
            seen.max(),
        )
    shares = np.divide(scores, sums, out=np.full_like(scores, np.nan), where=sums > 0)
    return np.log(np.maximum(shares, LEAST))


def _of_logits(scores: np.ndarray, dump: Dump) -> np.ndarray:
    if (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        logging.warning("%s: rows sum to 1: set scores to probabilities", dump.file)
    return scores


LOGITS = {"probabilities": _of_probabilities, "logits": _of_logits}
"""By Dump.scores: a function from scores (N, K) float64 to the column `logits`, (N, K) float64."""


def _joined(
    dump: Dump,
    labels: tuple[str, ...],
    lines: Sequence[ListedClip],
    logits: np.ndarray,
    known: BuildClips,
) -> DumpRows:
    found = DumpRows(labels, {"probabilities": "softmax"}.get(dump.scores, dump.scores))
    seen: dict[str, str | None] = {}
    sources = source_clips([line.file for line in lines])
    for line, source, row in zip(lines, sources, logits, strict=True):
        reason = None
        if line.file in seen:
            reason = "duplicate: an earlier line of the list names it"
            if seen[line.file] != line.label:
                raise UserError(f"{dump.list}: {line.file} has two labels; correct the list")
        elif np.isnan(row).any():
            reason = "missing: all its scores are 0, so the program has not seen it"
        seen[line.file] = line.label
        if reason is not None:
            found.skipped.append({"set": dump.set, "file": line.file, "reason": reason})
            continue
        facts = _facts(dump, line, source, known, labels)
        values = row.tolist()
        answer = rank_logits(values, labels, facts["label"])
        found.rows.append(facts | answer | {"logits": values, "group": line.group})
    return found


def _facts(
    dump: Dump, line: ListedClip, source: str, known: BuildClips, labels: Sequence[str]
) -> Row:
    of_build = known.of(dump.set, line.file)
    facts = of_build or {
        "clip": source, "set": dump.set, "scale": known.scales.get(dump.set),
        "file": line.file, "label": line.label,
    }  # fmt: skip
    if facts["label"] is None:
        raise UserError(
            f"{dump.file}: wanted the label of {line.file}, neither the file nor its list has one"
        )
    if line.label not in (None, facts["label"]):
        raise UserError(
            f"label maps do not match: {line.file} is {facts['label']} in this build, and "
            f"{line.label} by {dump.list or dump.file}; use the names and the order of that model"
        )
    if facts["label"] not in labels:
        raise UserError(
            f"label maps do not match: {dump.file} knows {len(labels)} labels, but not "
            f"{facts['label']} of {line.file}"
        )
    return facts
