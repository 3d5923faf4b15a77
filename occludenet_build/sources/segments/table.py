"""Read the table of segments: a CSV file written by hand; errors name line and column."""

from __future__ import annotations

import csv
import io
import logging
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from occludenet_build.core.errors import UserError
from occludenet_build.release.terms import SPLITS

NEEDED = ("video", "start_seconds", "end_seconds", "class", "split")
OPTIONAL = ("decision", "rank", "score", "note")
DECISIONS = ("accept", "reject", "")
_SHOWN = 25
"""Largest number of mistakes that are listed; more are counted."""


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


class CellError(ValueError):
    """A cell has another value than expected."""


def read_segments(path: Path | str) -> list[Segment]:
    """Read the accepted segments of a table. Raises UserError with a line per mistake."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"segments.table: {path} does not open: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}, byte {error.start}: wanted UTF-8, got {error.reason}; save it as UTF-8"
        ) from error
    segments = parse_segments(text, str(path))
    counts = Counter(segment.decision or "undecided" for segment in segments)
    logging.info("%s: %s", path, ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
    return [segment for segment in segments if segment.decision == "accept"]


def parse_segments(text: str, name: str) -> list[Segment]:
    """Parse all rows, also rejected ones; error messages call the table `name`.

    Raises UserError with a line per mistake.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            rows.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise UserError(f"{name}, line {reader.line_num}: wanted CSV, got {error}") from error
    header = rows[0][1] if rows else []
    _check_header(header, name)
    mistakes: list[str] = []
    segments = [
        _segment(line, cells, header, f"{name}, line {line}", mistakes)
        for line, cells in rows[1:]
        if any(cells)
    ]
    found = [segment for segment in segments if segment is not None]
    _check_twice(found, name, mistakes)
    if mistakes:
        more = [f"and {len(mistakes) - _SHOWN} more"] if len(mistakes) > _SHOWN else []
        raise UserError("\n".join([*mistakes[:_SHOWN], *more]))
    return found


def _check_header(header: list[str], name: str) -> None:
    wanted = f"{','.join(NEEDED)}[,{'][,'.join(OPTIONAL)}]"
    for column in NEEDED:
        if column not in header:
            raise UserError(
                f"{name}, line 1, column {column!r}: wanted the header {wanted}, got "
                f"{','.join(header)[:200]!r}"
            )
    for number, column in enumerate(header, 1):
        if column not in NEEDED + OPTIONAL or header.count(column) > 1:
            what = "twice" if header.count(column) > 1 else "which is none of them"
            raise UserError(
                f"{name}, line 1, column {number}: wanted the header {wanted}, got {column!r}, "
                f"{what}"
            )


def _segment(
    line: int, cells: list[str], header: list[str], where: str, mistakes: list[str]
) -> Segment | None:
    """Parse a row; return None and append to `mistakes` where that fails."""
    if len(cells) != len(header):
        column = header[len(cells)] if len(cells) < len(header) else f"number {len(header) + 1}"
        mistakes.append(
            f"{where}, column {column!r}: wanted {len(header)} columns, got {len(cells)}"
        )
        return None
    values: dict[str, Any] = {}
    for column, cell in zip(header, cells, strict=True):
        try:
            values[column] = _PARSERS.get(column, str)(cell)
        except CellError as mistake:
            mistakes.append(f"{where}, column {column!r}: {mistake}, got {cell!r}")
    if any(column not in values for column in header):
        return None
    start, end = values["start_seconds"], values["end_seconds"]
    if end <= start:
        wanted = f"more than start_seconds, {float(start):g}"
        mistakes.append(f"{where}, column 'end_seconds': wanted {wanted}, got {float(end):g}")
    decision = values.get("decision", "accept")
    return Segment(line, values["video"], start, end, values["class"], values["split"], decision)


def _text(cell: str) -> str:
    if not cell or not cell.isprintable():
        raise CellError("wanted a text")
    return cell


def _seconds(cell: str) -> Fraction:
    if not re.fullmatch(r"\d{1,9}(\.\d{1,12})?", cell, re.ASCII):
        raise CellError("wanted seconds such as 12 or 12.5")
    return Fraction(Decimal(cell))


def _split(cell: str) -> str:
    if cell.lower() not in SPLITS:
        raise CellError(f"wanted {', '.join(SPLITS[:-1])} or {SPLITS[-1]}")
    return cell.lower()


def _decision(cell: str) -> str:
    if cell.lower() not in DECISIONS:
        raise CellError("wanted accept, reject or nothing")
    return cell.lower()


_PARSERS: dict[str, Callable[[str], Any]] = {
    "video": _text,
    "start_seconds": _seconds,
    "end_seconds": _seconds,
    "class": _text,
    "split": _split,
    "decision": _decision,
}


def _check_twice(segments: list[Segment], name: str, mistakes: list[str]) -> None:
    """Report segments that occur twice: they would share a file, or leak between splits."""
    first: dict[tuple, int] = {}
    for one in segments:
        if one.decision != "accept":
            continue
        line = first.setdefault((one.video, one.start, one.end), one.line)
        if line != one.line:
            mistakes.append(
                f"{name}, line {one.line}, column 'video': wanted another stretch, got that of "
                f"line {line} again"
            )
