"""Tables that users write by hand, as CSV: mistakes are collected and name line and column.

A table is UTF-8, with or without a byte order mark, with a header; blanks around cells and empty
lines do not count. `parse` reads it cell by cell; the caller checks what concerns whole rows, adds
its mistakes, and calls `refuse`.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from occludenet_build.core.errors import UserError
from occludenet_build.release.terms import SPLITS

_SHOWN = 25
"""Largest number of mistakes that are listed; more are counted."""


class CellError(ValueError):
    """A cell has another value than expected; its text says what was expected."""


@dataclass(frozen=True)
class Columns:
    """The columns that a table must and may have, and how their cells are parsed."""

    needed: tuple[str, ...]
    optional: tuple[str, ...]
    parsers: Mapping[str, Callable[[str], Any]]
    """Column -> function of the text of a cell, which raises CellError; others stay text."""

    @property
    def header(self) -> str:
        """How a message writes the header."""
        return f"{','.join(self.needed)}[,{'][,'.join(self.optional)}]"


@dataclass
class WrittenTable:
    """The rows of a table that parse, and the mistakes found so far."""

    name: str
    """What messages call the table."""
    rows: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Number of the line, from 1, and column -> value."""
    mistakes: list[tuple[int, str]] = field(default_factory=list)
    """Number of the line, and the whole message."""

    def mistake(self, line: int, column: str, text: str) -> None:
        """Note a mistake of a row."""
        self.mistakes.append((line, f"{self.name}, line {line}, column {column!r}: {text}"))

    def parsed(
        self, line: int, cells: Mapping[str, str], parsers: Mapping[str, Callable[[str], Any]]
    ) -> dict[str, Any] | None:
        """Column -> value of a row; None, and mistakes noted, where a cell is wrong.

        `cells`: column -> text. A column without a parser stays text.
        """
        values: dict[str, Any] = {}
        for column, cell in cells.items():
            try:
                values[column] = parsers.get(column, str)(cell.strip())
            except CellError as mistake:
                self.mistake(line, column, f"{mistake}, got {cell!r}")
        return values if len(values) == len(cells) else None

    def refuse(self) -> None:
        """Raises UserError with a line per mistake, in the order of the table, if there is any."""
        if self.mistakes:
            messages = [text for _, text in sorted(self.mistakes, key=lambda one: one[0])]
            rest = len(messages) - _SHOWN
            more = [f"and {rest} more"] if rest > 0 else []
            raise UserError("\n".join([*messages[:_SHOWN], *more]))


def read_text(path: Path | str, setting: str) -> str:
    """The text of a table. Raises UserError where it does not open (`setting`) or is no UTF-8."""
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{setting}: {path} does not open: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}, byte {error.start}: wanted UTF-8, got {error.reason}; save it as UTF-8"
        ) from error


def parse(text: str, name: str, columns: Columns) -> WrittenTable:
    """Parse the cells of a table. Raises UserError for a text that is no CSV or has another header.

    A row with a wrong cell is not among the rows but among the mistakes.
    """
    lines = _lines(text, name)
    header = lines[0][1] if lines else []
    _check_header(header, name, columns)
    table = WrittenTable(name)
    for line, cells in lines[1:]:
        if any(cells):
            values = _values(line, cells, header, columns, table)
            if values is not None:
                table.rows.append((line, values))
    return table


def _lines(text: str, name: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            lines.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise UserError(f"{name}, line {reader.line_num}: wanted CSV, got {error}") from error
    return lines


def _check_header(header: list[str], name: str, columns: Columns) -> None:
    for column in columns.needed:
        if column not in header:
            raise UserError(
                f"{name}, line 1, column {column!r}: wanted the header {columns.header}, got "
                f"{','.join(header)[:200]!r}"
            )
    for number, column in enumerate(header, 1):
        if column not in columns.needed + columns.optional or header.count(column) > 1:
            what = "twice" if header.count(column) > 1 else "which is none of them"
            raise UserError(
                f"{name}, line 1, column {number}: wanted the header {columns.header}, got "
                f"{column!r}, {what}"
            )


def _values(
    line: int, cells: list[str], header: list[str], columns: Columns, table: WrittenTable
) -> dict[str, Any] | None:
    """Parse a row; return None and note the mistakes where that fails."""
    if len(cells) != len(header):
        column = header[len(cells)] if len(cells) < len(header) else f"number {len(header) + 1}"
        table.mistake(line, column, f"wanted {len(header)} columns, got {len(cells)}")
        return None
    return table.parsed(line, dict(zip(header, cells, strict=True)), columns.parsers)


def text_cell(cell: str) -> str:
    """A text that is not empty."""
    if not cell or not cell.isprintable():
        raise CellError("wanted a text")
    return cell


def name_cell(cell: str) -> str:
    """A name, with accents in one form (NFC): macOS writes another one.

    >>> len(name_cell("Zoe\u0308"))
    3
    """
    return unicodedata.normalize("NFC", text_cell(cell))


def seconds_cell(cell: str) -> Fraction:
    """A time in seconds, such as 12 or 12.5."""
    if not re.fullmatch(r"\d{1,9}(\.\d{1,12})?", cell, re.ASCII):
        raise CellError("wanted seconds such as 12 or 12.5")
    return Fraction(Decimal(cell))


def split_cell(cell: str) -> str:
    """A split, in upper or lower case."""
    if cell.lower() not in SPLITS:
        raise CellError(f"wanted {', '.join(SPLITS[:-1])} or {SPLITS[-1]}")
    return cell.lower()


def optional_cell(parser: Callable[[str], Any]) -> Callable[[str], Any]:
    """A parser that gives None for an empty cell."""
    return lambda cell: parser(cell) if cell else None
