"""Read the table of segments: a CSV file written by hand; errors name line and column."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from occludenet_build.sources import written_table
from occludenet_build.sources.written_table import (
    CellError,
    Columns,
    WrittenTable,
    seconds_cell,
    split_cell,
    text_cell,
)

NEEDED = ("video", "start_seconds", "end_seconds", "class", "split")
OPTIONAL = ("decision", "rank", "score", "note")
DECISIONS = ("accept", "reject", "")


@dataclass(frozen=True)
class Segment:
    """A row of the table; times in seconds from the first frame of the video."""

    line: int
    video: str
    start: Fraction
    end: Fraction
    label: str
    split: str
    decision: str = "accept"


def read_segments(path: Path | str) -> list[Segment]:
    """Read the accepted segments of a table. Raises UserError with a line per mistake."""
    text = written_table.read_text(path, "segments.table")
    segments = parse_segments(text, str(path))
    counts = Counter(segment.decision or "undecided" for segment in segments)
    logging.info("%s: %s", path, ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
    return [segment for segment in segments if segment.decision == "accept"]


def parse_segments(text: str, name: str) -> list[Segment]:
    """Parse all rows, also rejected ones; error messages call the table `name`.

    Raises UserError with a line per mistake.
    """
    table = written_table.parse(text, name, _COLUMNS)
    segments = []
    for line, values in table.rows:
        start, end = values["start_seconds"], values["end_seconds"]
        if end <= start:
            wanted = f"more than start_seconds, {float(start):g}"
            table.mistake(line, "end_seconds", f"wanted {wanted}, got {float(end):g}")
        about = (values["video"], start, end, values["class"], values["split"])
        segments.append(Segment(line, *about, values.get("decision", "accept")))
    _check_twice(segments, table)
    table.refuse()
    return segments


def _decision(cell: str) -> str:
    if cell.lower() not in DECISIONS:
        raise CellError("wanted accept, reject or nothing")
    return cell.lower()


_COLUMNS = Columns(
    NEEDED,
    OPTIONAL,
    {
        "video": text_cell,
        "start_seconds": seconds_cell,
        "end_seconds": seconds_cell,
        "class": text_cell,
        "split": split_cell,
        "decision": _decision,
    },
)


def _check_twice(segments: list[Segment], table: WrittenTable) -> None:
    """Report segments that occur twice: they would share a file, or leak between splits."""
    first: dict[tuple, int] = {}
    for one in segments:
        if one.decision != "accept":
            continue
        line = first.setdefault((one.video, one.start, one.end), one.line)
        if line != one.line:
            table.mistake(
                one.line, "video", f"wanted another stretch, got that of line {line} again"
            )
