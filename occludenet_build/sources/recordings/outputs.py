"""What a set gives besides its clips: the annotations, its table with the splits, counts."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from occludenet_build.config.recordings import RecordingSet
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import csv_text, short_hash, write_text
from occludenet_build.core.names import require_utf8
from occludenet_build.release.csv_format import MultiView
from occludenet_build.sources import cut_clips
from occludenet_build.sources.recordings.table import NEEDED, OPTIONAL
from occludenet_build.sources.recordings.takes import Take

Row = dict[str, Any]

_COLUMNS = (*NEEDED, *(name for name in OPTIONAL if name != "note"))
"""Columns of the table that is written back."""


def write_set(
    root: Path, one: RecordingSet, takes: Sequence[Take], splits: Mapping[str, str], rows: list[Row]
) -> None:
    """Write the annotations of a set, and its table with the splits."""
    mine = [row for row in rows if row["set"] == one.name]
    folder = root / one.dataset_folder
    cut_clips.write_annotations(folder, one.name.lower(), mine, MultiView, _record)
    table = csv_text(_COLUMNS, table_rows(takes, splits))
    write_text(root / "recordings" / f"{one.name}.csv", table)


def _record(row: Row) -> MultiView:
    return MultiView(row["label"], PurePosixPath(row["file"]).name)


def table_rows(takes: Sequence[Take], splits: Mapping[str, str]) -> list[list[str]]:
    """The rows of a table that says the same as the one that was read, with the splits."""
    return [
        [
            *(view.file, take.label, ";".join(take.people), take.name),
            *(view.name, view.camera, take.session, splits[take.key]),
            *("" if value is None else f"{float(value):.12g}" for value in (start, end)),
            "" if view.offset is None else f"{float(view.offset):.12g}",
        ]
        for take in takes
        for view in take.views
        for start, end in view.parts
    ]


def unmatched_row(one: RecordingSet, path: PurePosixPath) -> Row:
    """The row of a video whose name does not match the pattern, or is no UTF-8."""
    reason, detail = "misplaced", f"wanted a name such as {one.pattern}"
    try:
        require_utf8(path)
    except ItemError as error:
        reason, detail = error.reason, error.detail
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    return {
        "clip": f"{one.name}/{shown}",
        "status": "skipped",
        "reason": reason,
        "detail": detail,
        "key": short_hash(one.name, str(path), str(one.pattern)),
        "set": one.name,
        "recording": shown,
        "path": str(Path(one.folder) / shown),
    }


def log_sets(rows: list[Row]) -> None:
    """Log, for each set, the clips per split and class, and how often each warning occurs."""
    for name in dict.fromkeys(row["set"] for row in rows):
        made = [row for row in rows if row["set"] == name and row["status"] == "ok"]
        cut_clips.log_counts(made, f"{name}, ")
        counts = Counter(warning for row in made for warning in row["warnings"])
        if counts:
            shown = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
            logging.warning("%s: of %d clips %s; see recordings/index.html", name, len(made), shown)
        copied = sum(row["picture"] == "copied" for row in made)
        logging.info("%s: %d clips, %d of them copied without loss", name, len(made), copied)
