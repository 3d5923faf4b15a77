"""Read the CSV files of a release into one Release: annotated clips, list entries, parse errors."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypeVar

from occludenet_build.core.errors import UserError
from occludenet_build.release import csv_format
from occludenet_build.release.csv_format import Listed, Overall, Record
from occludenet_build.release.terms import SPLITS, parse_clip_file_name, parse_listed_path

FILE_NAME = re.compile(r"(?P<split>.+)_(?P<kind>d|\d+(\.\d+)?)\.csv", re.ASCII)


@dataclass(frozen=True)
class ReleaseFinding:
    """A row of FINDINGS, without the name of the check."""

    severity: str
    split: str | None
    """None if it concerns all splits."""
    subject: str
    sources: int = 0
    clips: int = 0
    detail: str = ""


class SourceClip(NamedTuple):
    """A source clip in its split and class."""

    split: str
    label: str
    clip: str


class OutputClip(NamedTuple):
    """An output clip: a source at a scale."""

    source: SourceClip
    scale: float


class AnnotatedClip(NamedTuple):
    """A row of `{split}_d.csv`."""

    output: OutputClip
    record: Overall


class ListEntry(NamedTuple):
    """A row of a list."""

    output: OutputClip
    label_id: int


@dataclass
class Release:
    """The content of a release. Rows and files that do not parse are in `malformed` only."""

    annotated: list[AnnotatedClip] = field(default_factory=list)
    entries: list[ListEntry] = field(default_factory=list)
    malformed: list[ReleaseFinding] = field(default_factory=list)
    overall: set[str] = field(default_factory=set)
    """Splits whose overall annotation was read."""
    lists: set[tuple[str, float]] = field(default_factory=set)
    """(split, scale) of the lists that were read."""
    label_map: dict[str, int] | None = None
    """Class name -> id to compare the lists with."""

    @property
    def splits(self) -> list[str]:
        """All splits, in the order of the release."""
        return sorted(self.overall | {split for split, _ in self.lists}, key=split_order)


def split_order(split: str) -> tuple[int, str]:
    """Sort key of a split: train, val, test, then others by name."""
    return SPLITS.index(split) if split in SPLITS else len(SPLITS), split


def read_release(paths: Iterable[Path]) -> Release:
    """Read CSV files, or all CSV files of folders.

    Raises UserError where a path is missing or has no file of a release, and where two files have
    the same split and kind.
    """
    release = Release()
    for path, split, kind in find_csv_files(paths):
        try:
            _read_file(path, split, kind, release)
        except UserError as error:
            release.malformed.append(ReleaseFinding("error", split, path.name, detail=str(error)))
    return release


def find_csv_files(paths: Iterable[Path]) -> list[tuple[Path, str, str]]:
    """(path, split, kind) of every CSV file; kind is `d` or a scale in percent.

    Raises UserError where a path is missing or has another name, and where two files have the same
    split and kind.
    """
    found: dict[tuple[str, str], Path] = {}
    for path in (file for given in paths for file in _expand(given)):
        name = FILE_NAME.fullmatch(path.name)
        if name is None:
            raise UserError(
                f"wanted files {{split}}_d.csv or {{split}}_25.csv, got {path}; name it so"
            )
        other = found.setdefault((name["split"], name["kind"]), path)
        if other != path:
            raise UserError(f"wanted one {path.name}, got {other} and {path}; give one of them")
    return [(path, *key) for key, path in found.items()]


def _expand(path: Path) -> list[Path]:
    if not path.exists():
        raise UserError(f"wanted a folder or CSV files of a release, {path} does not exist")
    if not path.is_dir():
        return [path]
    inside = sorted(path.glob("*.csv"))
    files = [file for file in inside if FILE_NAME.fullmatch(file.name)]
    if not files:
        raise UserError(f"wanted {{split}}_d.csv and its lists in {path}, got none; name a folder")
    for other in set(inside) - set(files):
        logging.info("%s: not a file of a release, ignored", other)
    return files


def _read_file(path: Path, split: str, kind: str, release: Release) -> None:
    got, records = csv_format.read_csv(path)
    wanted = Overall if kind == "d" else Listed
    if got is not wanted:
        raise UserError(
            f"{path}, line 1: wanted {','.join(csv_format.header(wanted))}, got "
            f"{','.join(csv_format.header(got))}; rename the file to match its kind"
        )
    where = (split, path.name, release.malformed)
    if kind == "d":
        release.overall.add(split)
        release.annotated += _good_rows(records, lambda r: _annotated(r, split), where)
    else:
        release.lists.add((split, _scale(kind)))
        release.entries += _good_rows(records, lambda r: _entry(r, split, kind), where)


Parsed = TypeVar("Parsed")


def _good_rows(
    records: Iterable[Record],
    take: Callable[..., Parsed],
    where: tuple[str, str, list[ReleaseFinding]],
) -> list[Parsed]:
    """The rows that `take` parses; each other one becomes a finding in the list in `where`."""
    split, name, malformed = where
    good = []
    for line, record in enumerate(records, start=2):
        try:
            good.append(take(record))
        except UserError as error:
            detail = f"{name}, line {line}: {error}"
            malformed.append(ReleaseFinding("error", split, name, clips=1, detail=detail))
    return good


def _annotated(record: Overall, split: str) -> AnnotatedClip:
    scale, clip = parse_clip_file_name(record.file_name)
    _check_scale(record.occluder_size_ratio, scale, record.file_name)
    source = SourceClip(split, record.action_class, clip)
    return AnnotatedClip(OutputClip(source, record.occluder_size_ratio), record)


def _entry(record: Listed, split: str, percent: str) -> ListEntry:
    path = parse_listed_path(record.file)
    if (path.split, path.percent) != (split, percent):
        raise UserError(
            f"wanted a path in {split}_{percent}percent/, got {record.file!r}; move it to its list"
        )
    scale, clip = parse_clip_file_name(path.file_name)
    _check_scale(_scale(percent), scale, path.file_name)
    return ListEntry(
        OutputClip(SourceClip(split, path.class_folder, clip), _scale(percent)), record.label
    )


def _check_scale(wanted: float, got: float, name: str) -> None:
    """Compare scales to two decimals, as file names have them."""
    if f"{wanted:.2f}" != f"{got:.2f}":
        raise UserError(f"wanted a clip at scale {wanted:g}, got {name!r}; correct one of them")


def _scale(percent: str) -> float:
    """Scale of a percent: 12.5 -> 0.125, the same float as the parsed text 0.125."""
    return float(Decimal(percent) / 100)
