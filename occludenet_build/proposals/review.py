"""review.csv: the candidates as a table that a person edits, and that is never overwritten."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path
from typing import Any

from occludenet_build.core.errors import UserError
from occludenet_build.core.files import write_text

Row = dict[str, Any]

COLUMNS = ("video", "start_seconds", "end_seconds", "class", "split", "decision", "rank", "score",
           "note")  # fmt: skip
_OURS = ("rank", "score")
"""Columns that a new run writes anew; the others are the reader's once they stand there."""


def merged(path: Path, candidates: list[Row]) -> list[Row]:
    """The rows of the table, in order: today's candidates, then what was decided on before.

    `candidates` are rows of CANDIDATES. Raises UserError where the file does not read.
    """
    before = _read(path)
    rows = []
    for candidate in candidates:
        row = _row(candidate)
        kept = before.pop(_key(row), {})
        rows.append(row | {name: kept[name] for name in kept if name not in _OURS})
    gone = [row | {"rank": "", "score": ""} for row in before.values() if row["decision"]]
    if gone:
        logging.info("%s: %d rows that are not proposed any more are kept", path, len(gone))
    return rows + gone


def write(path: Path, rows: list[Row]) -> None:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, stream.getvalue())


def _row(candidate: Row) -> Row:
    return {
        "video": candidate["video"],
        "start_seconds": f"{candidate['start_seconds']:g}",
        "end_seconds": f"{candidate['end_seconds']:g}",
        "class": candidate["label"],
        "split": candidate["split"],
        "decision": "",
        "rank": candidate["rank"],
        "score": f"{candidate['score']:.3f}",
        "note": "",
    }


def _key(row: Row) -> tuple[str, float, float]:
    return row["video"], float(row["start_seconds"]), float(row["end_seconds"])


def _read(path: Path) -> dict[tuple[str, float, float], Row]:
    """Rows of an earlier run, with what was written into them."""
    if not path.exists():
        return {}
    try:
        text = path.read_bytes().decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        plain = [{name: (row[name] or "").strip() for name in COLUMNS} for row in rows]
        return {_key(row): row | {"decision": row["decision"].lower()} for row in plain}
    except (KeyError, ValueError, csv.Error) as error:
        raise UserError(
            f"{path}: wanted the columns {','.join(COLUMNS)} and numbers in them, got {error!r}; "
            "correct it or move it away: it holds decisions, so it is not overwritten"
        ) from error
