"""Readers of lists of clips and label maps, as OccludeNet, mmaction2 and PySlowFast write them.

A list has one of the formats
    file,label                     a header; CSV with quotes where a path or a name needs them
    action class,file name,...     OccludeNet's S, I and M; the file lies in the folder of its class
    a/b c.mp4 12                   no header; a space, comma or semicolon before the label
A number is a label only together with a label map: five of OccludeNet's ids are other classes in
mmaction2.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from occludenet_build.core.errors import UserError
from occludenet_build.core.names import VIDEO_SUFFIXES
from occludenet_build.recognition.groups import named_group
from occludenet_build.release.terms import parse_clip_file_name


@dataclass(frozen=True)
class ListedClip:
    """A line of a list."""

    file: str
    """The path as written: relative to the list's root, or absolute."""
    label: str | None
    """A name; None where the line has none."""
    group: str | None = None
    """Clips of one group are not independent; None where the list does not say."""


_LABELLED = re.compile(
    rf"(?P<file>.+(?:{'|'.join(map(re.escape, sorted(VIDEO_SUFFIXES)))}))"
    r"(?:[ \t]*[,; \t](?P<label>.+))?",
    re.IGNORECASE,
)
"""The path ends at the last video suffix that a separator follows: paths have spaces and commas."""


def read_list(
    path: Path | str, label_map: Sequence[str] | None = None, group: str | None = None
) -> list[ListedClip]:
    """The lines of a list, in order.

    `label_map`: class names in the order of their numbers; `group`: a column of the list, or a
    regular expression with one group for the files' paths. Raises UserError where the list cannot
    be read or is empty, and where a line has no such group.
    """
    lines = _text(path, "list").splitlines()
    written = list(_with_header(lines, path) if _header(lines) else _plain(lines, path))
    if not written:
        raise UserError(f"wanted a list of clips, {path} has no line; name another")
    of_line = _groups(lines, path, group)
    return [
        ListedClip(
            file,
            None if text is None else _named(text, label_map, f"{path}, line {line}"),
            of_line(line, file),
        )
        for line, file, text in written
    ]


def _groups(
    lines: Sequence[str], path: Path | str, group: str | None
) -> Callable[[int, str], str | None]:
    """A function of a line's number and file that gives its group."""
    if group is None:
        return lambda line, file: None
    if "(" in group:
        return lambda line, file: named_group(group, file)
    position = (_header(lines) or {}).get(group.strip().lower())
    if position is None:
        raise UserError(
            f"{path}: wanted the column {group} as group, got {lines[0][:80]!r} as header; name a "
            "column of the list, or give a regular expression with (...)"
        )
    cells = dict(enumerate(_cells(lines, path)[1:], 2))

    def of_cell(line: int, file: str) -> str:
        if not (text := cells[line][position].strip()):
            raise UserError(
                f"{path}, line {line}: wanted a {group} for {file}, got none; fill it in"
            )
        return text

    return of_cell


def _text(path: Path | str, what: str) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"wanted a {what}, {path} does not open: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"wanted a {what} in UTF-8, {path} is not: {error.reason}") from error


def _header(lines: Sequence[str]) -> dict[str, int] | None:
    """Position by column name; None where the first line is not a known header."""
    cells = [cell.strip().lower() for cell in lines[0].split(",")] if lines else []
    known = {"file", "label"} <= set(cells) or {"action class", "file name"} <= set(cells)
    return {name: position for position, name in enumerate(cells)} if known else None


def _with_header(lines: Sequence[str], path: Path | str) -> Iterator[tuple[int, str, str]]:
    columns = _header(lines) or {}
    for line, cells in enumerate(_cells(lines, path)[1:], 2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(columns):
            raise UserError(
                f"{path}, line {line}: wanted {len(columns)} columns as in the header, "
                f"got {len(cells)}; quote cells that contain a comma"
            )
        if "file" in columns:
            yield line, cells[columns["file"]], cells[columns["label"]].strip()
        else:
            name = cells[columns["action class"]]
            yield line, f"{name}/{cells[columns['file name']]}", name


def _cells(lines: Sequence[str], path: Path | str) -> list[list[str]]:
    reader = csv.reader(io.StringIO("\n".join(lines), newline=""), strict=True)
    try:
        return list(reader)
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: wanted CSV, got {error}") from error


def _plain(lines: Sequence[str], path: Path | str) -> Iterator[tuple[int, str, str | None]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if line.startswith('"'):
            file, _, label = line[1:].partition('"')
            yield number, file, label.strip(" \t,;") or None
            continue
        found = _LABELLED.fullmatch(line.strip())
        if found is None:
            raise UserError(
                f"{path}, line {number}: wanted a video file and its label, got {line[:80]!r}; "
                "write `file label`, or a header `file,label`"
            )
        yield number, found["file"], found["label"] and found["label"].strip()


def _named(text: str, label_map: Sequence[str] | None, where: str) -> str:
    if not re.fullmatch(r"-?\d+", text, re.ASCII):
        return text.removeprefix('"').removesuffix('"')
    if label_map is None:
        raise UserError(
            f"{where}: wanted the name of a class, got the number {text}; set label_map to the "
            "names in order"
        )
    if not 0 <= int(text) < len(label_map):
        raise UserError(
            f"{where}: wanted a label from 0 to {len(label_map) - 1}, got {text}; use the label "
            "map that the list was written for"
        )
    return label_map[int(text)]


def read_label_map(path: Path | str) -> tuple[str, ...]:
    """Class names in the order of their numbers, from lines or from JSON {name: number}.

    Quotes around a name, as in Kinetics' own JSON, are removed. Raises UserError where the file
    cannot be read, is empty, or has a name twice.
    """
    text = _text(path, "label map")
    names = _of_json(text, path) if text.lstrip().startswith("{") else text.splitlines()
    names = [name.strip().strip('"') for name in names]
    while names and not names[-1]:
        names.pop()
    twice = [name for name, count in Counter(names).items() if count > 1 or not name]
    if twice or not names:
        raise UserError(
            f"wanted a label map with each name once, {path} has "
            f"{f'{twice[0]!r} again' if twice else 'none'}; correct it"
        )
    return tuple(names)


def _of_json(text: str, path: Path | str) -> list[str]:
    try:
        numbers = json.loads(text)
    except ValueError as error:
        raise UserError(f"wanted a label map, {path} is not JSON: {error}") from error
    whole = all(type(number) is int for number in numbers.values())
    if not whole or sorted(numbers.values()) != list(range(len(numbers))):
        raise UserError(
            f"wanted a label map {{name: number}} with the numbers from 0 on, {path} holds others"
        )
    return sorted(numbers, key=numbers.__getitem__)


def source_clips(files: Sequence[str]) -> list[str]:
    """Source clip of each file: from its name, or its path where two files have the same name.

    >>> source_clips(["D/0.25_abc.mp4", "abc.mp4", "x/1.mp4", "y/1.mp4"])
    ['abc', 'abc', 'x/1', 'y/1']
    """
    paths = [PurePosixPath(file) for file in files]
    often = Counter(path.name for path in paths)
    return [
        source_clip(path.name) if often[path.name] == 1 else str(path.with_suffix(""))
        for path in paths
    ]


def source_clip(name: str) -> str:
    """The source clip of a file: from the release's naming scheme, or else the name itself.

    >>> source_clip("0.25_3caPS4FHFF8_000036_000046.mp4")
    '3caPS4FHFF8_000036_000046'
    """
    try:
        return parse_clip_file_name(name)[1]
    except UserError:
        return PurePosixPath(name).stem
