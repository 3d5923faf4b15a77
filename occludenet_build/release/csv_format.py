"""CSV files of the release as typed records; parsing and writing keeps every byte.

    overall       OccludeNet-D: a row per clip with occluder, scale, durations
    list          OccludeNet-D: `file,label`, one file per split and scale
    single view   OccludeNet-S: class, file, fps, duration
    multi view    OccludeNet-I and -M: class, file

UTF-8 without a byte order mark, lines end in "\\n", quotes only where a comma, a quote or a line
break requires them. Text that would be written differently is an error with line and column.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, TypeAlias

from occludenet_build.core.errors import UserError
from occludenet_build.core.files import csv_text, write_text


@dataclass(frozen=True)
class CellFormat:
    """Text format of one kind of value."""

    wanted: str
    pattern: str
    parse: Callable[[str], Any]
    format: Callable[[Any], str]

    def accepts(self, text: str) -> bool:
        """Whether `text` is such a value and is written back unchanged."""
        return (
            re.fullmatch(self.pattern, text, re.ASCII | re.DOTALL) is not None
            and self.format(self.parse(text)) == text
        )


TEXT = CellFormat("a text", r".+", str, str)
FILLED = CellFormat("a number such as 08.62", r"\d{2,}\.\d\d", float, "{:05.2f}".format)
RATIO = CellFormat("a ratio such as 0.25 or 0.5", r"\d+\.\d+", float, repr)
LABEL = CellFormat("a whole number such as 0 or 17", r"\d+", int, str)


def csv_column(name: str, form: CellFormat) -> Any:
    """A dataclass field that is the CSV column `name`, written in the format `form`."""
    return field(metadata={"column": name, "form": form})


@dataclass(frozen=True)
class Overall:
    """A row of `{split}_d.csv`: an output clip. Times in seconds, fps in frames per second.

    The pixel ratio is in percent; the size ratio is the scale, relative to the actor's box.
    """

    action_class: str = csv_column("action class", TEXT)
    file_name: str = csv_column("file name", TEXT)
    occluder_type: str = csv_column("occluder type", TEXT)
    occluder_file_name: str = csv_column("occluder file name", TEXT)
    occluder_pixel_ratio: float = csv_column("occluder pixel ratio", FILLED)
    occluder_size_ratio: float = csv_column("occluder size ratio", RATIO)
    occlusion_duration: float = csv_column("occlusion duration", FILLED)
    video_duration: float = csv_column("video duration", FILLED)
    fps: float = csv_column("fps", FILLED)
    clip_generation_time: float = csv_column("clip generation time", FILLED)


@dataclass(frozen=True)
class Listed:
    """A row of `{split}_25.csv`: path relative to the dataset, and label id."""

    file: str = csv_column("file", TEXT)
    label: int = csv_column("label", LABEL)


@dataclass(frozen=True)
class SingleView:
    """A row of OccludeNet-S: a clip; duration in seconds, fps in frames per second."""

    action_class: str = csv_column("action class", TEXT)
    file_name: str = csv_column("file name", TEXT)
    fps: float = csv_column("fps", FILLED)
    video_duration: float = csv_column("video duration", FILLED)


@dataclass(frozen=True)
class MultiView:
    """A row of OccludeNet-I or -M: a clip."""

    action_class: str = csv_column("action class", TEXT)
    file_name: str = csv_column("file name", TEXT)


Record: TypeAlias = Overall | Listed | SingleView | MultiView
RECORD_TYPES: tuple[type[Record], ...] = (Overall, Listed, SingleView, MultiView)


def header(kind: type[Record]) -> list[str]:
    """The column names of a kind of CSV file."""
    return [f.metadata["column"] for f in dataclasses.fields(kind)]


def format_csv(kind: type[Record], records: Iterable[Record]) -> str:
    """The text of a CSV file with header and records."""
    forms = [(f.name, f.metadata["form"]) for f in dataclasses.fields(kind)]
    rows = ([form.format(getattr(r, name)) for name, form in forms] for r in records)
    return csv_text(header(kind), rows)


def parse_csv(text: str, name: str) -> tuple[type[Record], list[Record]]:
    """Parse the text of a CSV file into its kind and records; error messages call it `name`.

    Raises UserError with line and column where the text is not in the format of the release.
    """
    _check_encoding(text, name)
    rows = _rows(text, name)
    kind = _kind(next(rows, (1, []))[1], name)
    records = [_record(kind, cells, f"{name}, line {line}") for line, cells in rows]
    _check_same(format_csv(kind, records), text, name)
    return kind, records


def read_csv(path: Path) -> tuple[type[Record], list[Record]]:
    """Read a CSV file into its kind and records.

    Raises UserError where the file does not open, is not UTF-8, or is in another format.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise UserError(f"wanted a CSV file, {path} does not open: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}, byte {error.start}: wanted UTF-8, got {error.reason}") from error
    return parse_csv(text, str(path))


def rewrite_csv(source: Path, target: Path) -> int:
    """Read `source` into records, write them to `target`, and return their number."""
    kind, records = read_csv(source)
    write_text(target, format_csv(kind, records))
    return len(records)


def _check_encoding(text: str, name: str) -> None:
    if text.startswith("\ufeff"):
        raise UserError(
            f"{name}, line 1, column 1: wanted UTF-8 without a byte order mark, got one; save the "
            "file without it"
        )
    if "\r" in text:
        line = text[: text.index("\r")].count("\n") + 1
        raise UserError(
            f"{name}, line {line}, last column: wanted a line that ends in \\n, got a \\r; save "
            "the file with Unix line ends"
        )


def _rows(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of its last line, cells) for every row."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(f"{name}, line {reader.line_num}: wanted CSV, got {error}") from error
        yield reader.line_num, cells


def _kind(cells: list[str], name: str) -> type[Record]:
    for kind in RECORD_TYPES:
        if header(kind) == cells:
            return kind
    nearest = max(map(header, RECORD_TYPES), key=lambda names: _likeness(names, cells))
    at, wanted, got = _first_difference(nearest, cells)
    known = "; ".join(",".join(header(kind)) for kind in RECORD_TYPES)
    raise UserError(
        f"{name}, line 1, column {at}: wanted {wanted!r}, got {got!r}; "
        f"the headers of the release: {known}"
    )


def _likeness(a: list[str], b: list[str]) -> float:
    return SequenceMatcher(None, ",".join(a), ",".join(b)).ratio()


def _first_difference(wanted: list[str], got: list[str]) -> tuple[int, str, str]:
    for at in range(max(len(wanted), len(got))):
        pair = [cells[at] if at < len(cells) else "the end" for cells in (wanted, got)]
        if pair[0] != pair[1]:
            return at + 1, pair[0], pair[1]
    raise ValueError("the lists are equal")


def _record(kind: type[Record], cells: list[str], where: str) -> Record:
    fields = dataclasses.fields(kind)
    if len(cells) != len(fields):
        at = min(len(cells), len(fields))
        column = fields[at].metadata["column"] if at < len(fields) else f"number {at + 1}"
        raise UserError(
            f"{where}, column {column!r}: wanted {len(fields)} columns, got {len(cells)}"
        )
    for spec, cell in zip(fields, cells, strict=True):
        form: CellFormat = spec.metadata["form"]
        if not form.accepts(cell):
            raise UserError(
                f"{where}, column {spec.metadata['column']!r}: wanted {form.wanted}, got {cell!r}"
            )
    return kind(*(f.metadata["form"].parse(c) for f, c in zip(fields, cells, strict=True)))


def _check_same(ours: str, theirs: str, name: str) -> None:
    """Compare texts whose values are equal: only quoting and the end of the file can differ."""
    if ours == theirs:
        return
    lines = [list(io.StringIO(text, newline="\n")) for text in (ours, theirs)]
    at, wanted, got = _first_difference(*lines)
    raise UserError(
        f"{name}, line {at}: wanted {wanted!r}, got {got!r}; quotes only where they are needed, "
        "and a line end after every row"
    )
