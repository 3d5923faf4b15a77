"""Who and what recordings show: rows of a table, or fields of the file names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from occludenet_build.config.recordings import FIELDS, NEEDED_FIELDS, RecordingSet
from occludenet_build.release.terms import RECORDED_CLASSES, recorded_class
from occludenet_build.sources import written_table
from occludenet_build.sources.written_table import (
    CellError,
    Columns,
    WrittenTable,
    name_cell,
    optional_cell,
    seconds_cell,
    split_cell,
    text_cell,
)

NEEDED = ("file", *NEEDED_FIELDS)
OPTIONAL = (
    *(name for name in FIELDS if name not in NEEDED_FIELDS),
    *("start_seconds", "end_seconds", "offset_seconds", "note"),
)
_LONGEST_NAME = 100
"""Largest number of bytes of a class, which becomes the name of a folder."""


@dataclass(frozen=True)
class Recording:
    """A row of a table, or a file whose name matches the pattern. Times in seconds."""

    line: int
    """Number of the row's line; for a pattern, that of the file in alphabetical order."""
    file: str
    label: str
    people: tuple[str, ...]
    """Who is seen, sorted."""
    take: str
    view: str = ""
    camera: str = ""
    session: str = ""
    split: str | None = None
    """The split that the user states."""
    start: Fraction = Fraction(0)
    end: Fraction | None = None
    """End of the usable part (exclusive); None: that of the recording."""
    offset: Fraction | None = None
    """Time on the take's clock at which the recording begins; None: not stated."""

    @property
    def subject(self) -> str:
        """The people as one text."""
        return ";".join(self.people)


def read_recordings(name: str, one: RecordingSet) -> list[Recording]:
    """Read the table `name` of a set. Raises UserError with a line per mistake."""
    text = written_table.read_text(name, f"recordings.sets, {one.name}: table")
    return parse_recordings(text, name, one)


def parse_recordings(text: str, name: str, one: RecordingSet) -> list[Recording]:
    """Parse the table of a set, which messages call `name`.

    Raises UserError with a line per mistake.
    """
    table = written_table.parse(text, name, Columns(NEEDED, OPTIONAL, parsers(one)))
    found = [recording_of(line, values) for line, values in table.rows]
    check_recordings(found, one, table)
    table.refuse()
    return found


def parsers(one: RecordingSet) -> dict[str, Callable[[str], Any]]:
    """Column or field -> parser of its text."""
    return {
        "file": text_cell,
        "class": lambda cell: _class(cell, one),
        "subject": _people,
        "take": name_cell,
        **dict.fromkeys(("view", "camera", "session"), optional_cell(name_cell)),
        "split": optional_cell(split_cell),
        "start_seconds": optional_cell(seconds_cell),
        "end_seconds": optional_cell(seconds_cell),
        "offset_seconds": optional_cell(_offset),
    }


def _class(cell: str, one: RecordingSet) -> str:
    cell = name_cell(cell)
    known = recorded_class(cell) if one.name in RECORDED_CLASSES else None
    names_folder = "/" not in cell and not cell.startswith(".")
    if known is None and (not names_folder or len(cell.encode()) > _LONGEST_NAME):
        raise CellError("wanted a class that can name a folder")
    return known or cell


def _people(cell: str) -> tuple[str, ...]:
    """P01, or several people as P01;P02 (in file names P01+P02)."""
    people = [one.strip() for one in re.split("[;+]", unicodedata.normalize("NFC", cell))]
    if not all(one and one.isprintable() for one in people):
        raise CellError("wanted a person such as P01, or several as P01;P02")
    return tuple(sorted(set(people)))


def _offset(cell: str) -> Fraction:
    if not re.fullmatch(r"[+-]?\d{1,9}(\.\d{1,12})?", cell, re.ASCII):
        raise CellError("wanted seconds such as 1.25 or -0.5")
    return Fraction(Decimal(cell))


def recording_of(line: int, values: dict[str, Any]) -> Recording:
    """A recording from the parsed cells of its row, or fields of its name."""
    return Recording(
        line,
        values["file"],
        values["class"],
        values["subject"],
        values["take"],
        view=values.get("view") or "",
        camera=values.get("camera") or "",
        session=values.get("session") or "",
        split=values.get("split"),
        start=values.get("start_seconds") or Fraction(0),
        end=values.get("end_seconds"),
        offset=values.get("offset_seconds"),
    )


def check_recordings(found: list[Recording], one: RecordingSet, table: WrittenTable) -> None:
    """Note what contradicts itself, in one row or between rows."""
    for row in found:
        if row.end is not None and row.end <= row.start:
            wanted = f"wanted more than start_seconds, {float(row.start):g}"
            table.mistake(row.line, "end_seconds", f"{wanted}, got {float(row.end):g}")
        if one.layout == "views" and not row.view:
            table.mistake(row.line, "view", "wanted a view, since the layout is views, got nothing")
        if one.views and row.view and row.view not in one.views:
            text = f"wanted one of {', '.join(one.views)} (views), got {row.view!r}"
            table.mistake(row.line, "view", text)
    for column, names in (
        ("class", lambda row: [row.label]),
        ("subject", lambda row: row.people),
        ("view", lambda row: [row.view]),
        ("session", lambda row: [row.session]),
    ):
        _check_spelling(found, column, names, table)
    _check_files(found, table)
    _check_takes(found, one, table)


def _check_spelling(
    found: list[Recording],
    column: str,
    names: Callable[[Recording], Iterable[str]],
    table: WrittenTable,
) -> None:
    """Note names that differ only in case: two people, or folders, that are one."""
    first: dict[str, tuple[str, int]] = {}
    for row in found:
        for name in names(row):
            before, line = first.setdefault(name.casefold(), (name, row.line))
            if before != name:
                text = f"wanted one spelling of {before!r} (line {line}), got {name!r}"
                table.mistake(row.line, column, text)


def _check_files(found: list[Recording], table: WrittenTable) -> None:
    """Note files that show different things in two rows, or the same part twice."""
    first: dict[str, Recording] = {}
    parts: dict[tuple[str, Fraction, Fraction | None], int] = {}
    for row in found:
        before = first.setdefault(row.file, row)
        for column, mine, theirs in (
            ("class", row.label, before.label),
            ("subject", row.subject, before.subject),
            ("take", row.take, before.take),
            ("view", row.view, before.view),
            ("session", row.session, before.session),
            ("offset_seconds", row.offset, before.offset),
        ):
            if mine != theirs:
                text = (
                    f"wanted {_shown(theirs)} as in line {before.line}, for the same file, got "
                    f"{_shown(mine)}"
                )
                table.mistake(row.line, column, text)
        line = parts.setdefault((row.file, row.start, row.end), row.line)
        if line != row.line:
            text = f"wanted another recording or part, got that of line {line} again"
            table.mistake(row.line, "file", text)


def _shown(value: Any) -> str:
    """A value in a message."""
    return "nothing" if value in (None, "") else str(value)


def _check_takes(found: list[Recording], one: RecordingSet, table: WrittenTable) -> None:
    """Note takes with two recordings of one view, or of two classes, sessions or splits."""
    views: dict[tuple, Recording] = {}
    first: dict[tuple, Recording] = {}
    for row in found:
        take = take_key(row, one)
        before = views.setdefault((*take, row.view), row)
        if before.file != row.file:
            what = f"view {row.view!r} of take" if row.view else "take"
            text = (
                f"wanted one recording of each {what} {row.take!r}, got {row.file} and "
                f"{before.file} (line {before.line}); give one another take or view"
            )
            table.mistake(row.line, "take", text)
        start = first.setdefault(take, row)
        for column, mine, theirs in (
            ("class", row.label, start.label),
            ("session", row.session, start.session),
            ("split", row.split, start.split),
        ):
            if mine != theirs and row.file != start.file:
                text = (
                    f"wanted {_shown(theirs)} as in line {start.line}, for the same take, got "
                    f"{_shown(mine)}"
                )
                table.mistake(row.line, column, text)


def take_key(row: Recording, one: RecordingSet) -> tuple[str, ...]:
    """What distinguishes the take of a recording from the others of its set."""
    if one.takes == "set":
        return (row.take,)
    return (row.label, row.session, row.subject, row.take)
