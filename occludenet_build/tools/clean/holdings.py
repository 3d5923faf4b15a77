"""What a stage has written below the folder of a build, in the order in which it may go."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.parquet as pq

from occludenet_build.config import Composite
from occludenet_build.core import tables
from occludenet_build.core.files import listed_files, temporary_name
from occludenet_build.core.journal import peek
from occludenet_build.core.quantities import size
from occludenet_build.core.start_record import read_jobs, read_settings
from occludenet_build.stages import STAGES, Stage

TABLE_SUFFIXES = {".parquet", ".json"}
"""Files that say what is there, and that are therefore removed first."""


@dataclass
class Holding:
    """The files of a stage, relative to the build, in the order in which they may be removed."""

    stage: str
    going: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    """File, or folder of files -> why it stays."""
    because: str = ""
    """Why it goes although it was not asked for."""
    bytes: int = 0
    """What the files occupy on disk."""


@dataclass(frozen=True)
class Spared:
    """What is not removed: unique results, unless `even` names them, and the user's own files."""

    even: frozenset[str]
    named: frozenset[Path]
    """Paths that the settings name, without links."""

    def reason(self, build: Path, stage: Stage, name: str) -> str | None:
        """Why the file `name` of a stage stays; None if it may go."""
        for word, patterns in stage.unique.items():
            if word not in self.even and any(fnmatch(name, pattern) for pattern in patterns):
                return f"--even {word} would remove it"
        if self.named:
            path = (build / name).resolve()
            if not self.named.isdisjoint((path, *path.parents)):
                return "your settings name it"
        return None


def spared(build: Path, even: Iterable[str]) -> Spared:
    """What is not removed from a build, by the settings of its last start."""
    recorded, record = read_settings(build), read_jobs(build)
    base = Path(record.folder) if record else Path.cwd()
    inside = build.resolve()
    named = {(base / text).resolve() for text in _texts(recorded[0] if recorded else {}) if text}
    # The build itself and the folders above it are no files of the user in a stage's folder.
    return Spared(frozenset(even), frozenset(p for p in named if inside in p.parents))


def _texts(values: Any) -> Iterator[str]:
    if isinstance(values, dict):
        for key, value in values.items():
            if key not in ("build_dir", "dataset"):
                yield from _texts(value)
    elif isinstance(values, list):
        for value in values:
            yield from _texts(value)
    elif isinstance(values, str) and "\0" not in values and len(values) < 4096:
        yield values


def dataset_of(build: Path) -> str:
    """Name of the folder of the occluded clips: by the last start, else by the clips' table."""
    recorded = read_settings(build)
    if recorded:
        return str(recorded[0].get("composite", {}).get("dataset") or Composite().dataset)
    rows = (row for path in sorted(build.glob("composite/*.parquet")) for row in _rows(path))
    named = (row["files"][0].split("/")[0] for row in rows if row.get("files"))
    return next(named, Composite().dataset)


def holding(build: Path, name: str, dataset: str, keep: Spared) -> Holding:
    """What the stage `name` has written: tables, other files, clips elsewhere, stores."""
    stage = STAGES[name]
    own = [file for folder in stage.own(dataset) for file in _files(build, folder)]
    clips = _clips(build, stage, own) if stage.clip_columns else set()
    found = Holding(name)
    order = sorted({*own}, key=_order) + sorted(clips - {*own})
    for file in [f for f in order if not _in_store(f)] + [f for f in order if _in_store(f)]:
        why = keep.reason(build, stage, file)
        if why is None:
            found.going.append(file)
        else:
            found.kept[f"{file.split('/')[0]}/" if file in clips else file] = why
    found.bytes = sum(freed(build / file) for file in found.going)
    return found


def listing_tables(
    build: Path, gone: Holding, asked: Collection[str], keep: Spared
) -> list[Holding]:
    """The tables of other stages that say where the clips of `gone` are."""
    if not (STAGES[gone.stage].clip_columns and gone.going):
        return []
    found = []
    for stage in STAGES.values():
        if stage.lists and stage.name not in asked and gone.stage in stage.reads:
            files = sorted(path.relative_to(build).as_posix() for path in build.glob(stage.lists))
            files = [file for file in files if keep.reason(build, stage, file) is None]
            if files:
                space = sum(freed(build / file) for file in files)
                why = f"says where clips of {gone.stage} are"
                found.append(Holding(stage.name, files, because=why, bytes=space))
    return found


def freed(path: Path) -> int:
    """Bytes on disk that removing a file frees: none for a link, or a file with another name."""
    try:
        status = path.lstat()
    except OSError:
        return 0
    return size(path) if not path.is_symlink() and status.st_nlink == 1 else 0


def _files(build: Path, name: str) -> Iterator[str]:
    """All files of a folder of the build, or the file itself; the folder may be a link."""
    top = build / name
    if top.is_file():
        yield name
    for folder, below, files in os.walk(top):
        links = [one for one in below if Path(folder, one).is_symlink()]
        if Path(folder).name == "retry":  # asks for its jobs
            continue
        for file in (*files, *links):
            yield Path(folder, file).relative_to(build).as_posix()


def _in_store(file: str) -> bool:
    return "store" in PurePosixPath(file).parts[:-1]


def _order(file: str) -> tuple[int, str]:
    return int(PurePosixPath(file).suffix not in TABLE_SUFFIXES), file


def _clips(build: Path, stage: Stage, own: list[str]) -> set[str]:
    """The clips that the tables and stores of a stage name, and those half-written, that exist."""
    rows: list[dict[str, Any]] = []
    for file in own:
        if file.endswith(".parquet") and not file.endswith("/detail.parquet"):
            is_entry = PurePosixPath(file).parent.name == "journal"
            rows += [] if is_entry else _rows(build / file)
    for store in {PurePosixPath(f).parent.parent for f in own if "/journal/" in f}:
        rows += peek(build / store, sys.maxsize)[1]
    names = {name for row in rows for name in listed_files(row, stage.clip_columns)}
    names = {name for name in names if _is_elsewhere(name)}
    parts = {temporary_name(build / name).relative_to(build).as_posix() for name in names}
    return {name for name in names | parts if os.path.lexists(build / name)}


def _is_elsewhere(name: str) -> bool:
    """Whether a name in a table is that of a file in a folder of clips, and leads nowhere else."""
    parts = PurePosixPath(name).parts
    is_plain = os.path.normpath(name) == name and not PurePosixPath(name).is_absolute()
    return is_plain and len(parts) > 1 and parts[0] != ".." and parts[0] not in STAGES


def _rows(path: Path) -> list[dict[str, Any]]:
    """The columns of a table that name files; none if it does not read: it goes all the same."""
    columns = sorted({column for stage in STAGES.values() for column in stage.clip_columns})
    try:
        here = [name for name in columns if name in pq.read_schema(path).names]
        return pq.read_table(path, columns=here, partitioning=None).to_pylist() if here else []
    except tables.UNREADABLE:
        return []
