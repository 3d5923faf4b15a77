"""The dataset's folder: its CSV files, and no clip that no row names."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from occludenet_build.core.files import write_text
from occludenet_build.release.csv_format import SingleView, write
from occludenet_build.release.order import class_order
from occludenet_build.release.terms import SPLITS

Row = dict[str, Any]


def write_annotations(folder: Path, rows: list[Row]) -> None:
    """`annotations/{split}_s.csv` for the clips that were cut, by class and name."""
    made = [row for row in rows if row["status"] == "ok"]
    made.sort(key=lambda row: (class_order(row["label"]), row["clip"]))
    for split in SPLITS:
        records = [_record(row) for row in made if row["split"] == split]
        write_text(folder / "annotations" / f"{split}_s.csv", write(SingleView, records))


def _record(row: Row) -> SingleView:
    name = PurePosixPath(row["file"]).name
    return SingleView(row["label"], name, row["fps"], row["duration_seconds"])


def log_counts(rows: list[Row]) -> None:
    """Clips per split and class, and the videos that several splits share."""
    made = [row for row in rows if row["status"] == "ok"]
    for split in SPLITS:
        counts = Counter(row["label"] for row in made if row["split"] == split)
        shown = ", ".join(f"{label} {n}" for label, n in sorted(counts.items()))
        logging.info("%s: %s", split, shown or "none")
    splits: dict[str, set[str]] = {}
    for row in made:
        splits.setdefault(row["path"], set()).add(row["split"])
    shared = sorted(path for path, found in splits.items() if len(found) > 1)
    if shared:
        names = ", ".join(Path(path).name for path in shared[:5])
        logging.warning("%d videos have clips in more than one split: %s", len(shared), names)
