"""Read access to the tables of a build.

A stage that works in shards writes for each shard S a manifest `<stage>/S.parquet`, with one row
per clip, and a store `<stage>/store/S/` (core.ledger). The store contains `detail.parquet`, in
which each row group holds the rows of one clip, so that a single clip can be read without the rest
of the file. This module does not use pandas because the worker processes of composite import it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.core.failures import damaged_file
from occludenet_build.stages import TABLES

Row = dict[str, Any]
"""A table row: column -> value."""
SIDES = ("x1", "y1", "x2", "y2")
"""Columns of a bounding box."""


def source_identity(row: Row) -> str:
    """What identifies the frames of a source in ledger keys: its sha256, and how it is read.

    `row`: of the index, its shards or select.
    """
    reading = row.get("reading")
    return f"{row['sha256']} {reading}" if reading else row["sha256"]


def shard_rows(given: Path, manifest: Path) -> list[Row]:
    """The rows of the shard of which a job writes the manifest; `given`: the table it was given.

    Where a checkpoint was planned and then had nothing to do, Snakemake 9.27 gives the jobs after
    it the table of the checkpoint, with the clips of all shards, in place of their shard's table.
    Raises UserError as tables.read_rows does.
    """
    shard = given.parent / "shards" / manifest.name
    return tables.read_rows(shard if shard.exists() else given)


def detail_file(manifest: Path) -> Path:
    """Path of the detail table of a manifest.

    >>> detail_file(Path("detect/003.parquet")).as_posix()
    'detect/store/003/detail.parquet'
    """
    return store_folder(manifest) / "detail.parquet"


def store_folder(manifest: Path) -> Path:
    """Folder of the store of a manifest."""
    return manifest.parent / "store" / manifest.stem


class StageRows(tables.ClipGroups):
    """The detail rows that another stage has written, by clip.

    A damaged file is made again at the next start: the constructor and `read` raise UserError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            super().__init__(path)
        except tables.UNREADABLE as error:
            raise damaged_file(path, error, "a Parquet table") from error

    def read(self, clip: str, columns: list[str] | None = None) -> pa.Table | None:
        """The rows of a clip, or only the named columns; None if it has none."""
        try:
            return super().read(clip, columns)
        except tables.UNREADABLE as error:
            raise damaged_file(self._path, error, "a Parquet table") from error


def read_json(path: Path) -> Any:
    """Content of a JSON file that another stage has written.

    A damaged file is made again at the next start. Raises UserError then, and OSError where it
    cannot be read.
    """
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise damaged_file(path, error, "JSON") from error


def read_clip_rows(file: Path, clip: str) -> pa.Table | None:
    """Read the rows of one clip from a file with one row group per clip; None if it has none.

    Raises UserError if the file is damaged.
    """
    groups = StageRows(file)
    try:
        return groups.read(clip)
    finally:
        groups.close()


def files_by_clip(folder: Path, clips: Iterable[str], hint: str) -> dict[str, str]:
    """Map each clip to the name of the file in `folder`, annotate/frames, that holds its rows.

    Raises UserError, with `hint` at the end of the message, if a clip is in none of the files.
    """
    names: dict[str, str] = {}
    for path in sorted(folder.glob("*.parquet")):
        groups = StageRows(path)
        names.update(dict.fromkeys(groups.clips, path.name))
        groups.close()
    requested = set(clips)
    absent = sorted(requested - names.keys())
    if absent:
        raise UserError(
            f"wanted the masks of {len(requested)} clips in {folder}, got none of {absent[0]} and "
            f"{len(absent) - 1} more; {hint}"
        )
    return {clip: names[clip] for clip in requested}


class OpenFiles:
    """Detail tables by path, of which those that were used last stay open.

    A build of 78,000 clips has 1,200 shards, and a process often may open 1,024 files only.
    """

    def __init__(self, most: int = 128) -> None:
        self._most = most
        self._open: dict[Path, StageRows] = {}

    def __getitem__(self, path: Path) -> StageRows:
        """The table, opened; raises UserError if it is damaged."""
        groups = self._open.pop(path) if path in self._open else StageRows(path)
        self._open[path] = groups  # at the end: the first one is the one that waits longest
        if len(self._open) > self._most:
            self._open.pop(next(iter(self._open))).close()
        return groups

    def close(self) -> None:
        """Close all files."""
        while self._open:
            self._open.popitem()[1].close()


class DetailStore:
    """The detail rows of all shards of one stage, by clip."""

    def __init__(self, folder: Path) -> None:
        """Open nothing yet; `folder` is `<stage>/store`."""
        self.folder = folder
        self._files = OpenFiles()

    def rows(self, clip: str, shard: str, columns: list[str] | None = None) -> pa.Table | None:
        """The rows of a clip, or only the named columns; None if the shard has no rows of it.

        Raises UserError if the shard's file is damaged.
        """
        return self._files[self.folder / shard / "detail.parquet"].read(clip, columns)

    def masks(self, clip: str, shard: str) -> dict[int, bytes]:
        """Frame -> the actor's mask, COCO RLE counts, for the store of actor_masks."""
        rows = self.rows(clip, shard, ["frame", "rle"])
        if rows is None:
            return {}
        return dict(zip(rows["frame"].to_pylist(), rows["rle"].to_pylist(), strict=True))

    def actor(self, clip: str, shard: str) -> ClipBoxes:
        """The actor's boxes of a clip, for the store of detect; may be empty.

        Raises UserError if detect has no rows of the clip, or a coordinate is not finite.
        """
        rows = self.rows(clip, shard)
        where = f"{self.folder}/{shard}"
        if rows is None:
            raise UserError(f"wanted boxes of {clip} in {where}, got none; run detect")
        boxes = ClipBoxes.of(rows).actor
        at, side = np.nonzero(~np.isfinite(boxes.xyxy))
        if len(at):
            raise UserError(
                f"wanted a number as {SIDES[side[0]]} of {clip}, frame {boxes.frames[at[0]]}, in "
                f"{where}, got {boxes.xyxy[at[0], side[0]]}; run detect"
            )
        return boxes

    def close(self) -> None:
        """Close all files."""
        self._files.close()

    def __enter__(self) -> DetailStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class ClipBoxes:
    """The N bounding boxes of one clip in the store of detect, ordered by frame."""

    frames: np.ndarray
    """int32 (N,): frame numbers in display order, from 0, ascending; a frame may have several
    boxes."""
    xyxy: np.ndarray
    """float32 (N, 4): x1, y1, x2, y2 in pixels of the displayed frame, half-open."""
    tracks: np.ndarray
    """int32 (N,): track id of the person, unique in the clip."""
    shots: np.ndarray
    """int32 (N,): number of the shot, from 0."""
    is_actor: np.ndarray
    """bool (N,): whether it is the actor's box; at most one per frame."""
    is_filled: np.ndarray
    """bool (N,): whether it is interpolated in a gap of the track, not detected."""

    @staticmethod
    def of(rows: pa.Table | None) -> ClipBoxes:
        """Convert rows of detect.BOXES of one clip; None gives no boxes."""

        def column(name: str, kind: type) -> np.ndarray:
            if rows is None:
                return np.zeros(0, kind)
            values = rows[name]
            if values.null_count:  # fill_null imports pyarrow.compute, 0.1 s of CPU
                empty = np.nan if kind is np.float32 else 0
                values = [empty if value is None else value for value in values.to_pylist()]
            return np.asarray(values, kind)

        xyxy = np.stack([column(side, np.float32) for side in SIDES], axis=1)
        numbers = (column(name, np.int32) for name in ("track", "shot"))
        marks = (column(name, np.bool_) for name in ("actor", "filled"))
        return ClipBoxes(column("frame", np.int32), xyxy, *numbers, *marks)

    def __len__(self) -> int:
        return len(self.frames)

    def where(self, kept: np.ndarray) -> ClipBoxes:
        """The boxes where `kept`, bool (N,), is true."""
        return ClipBoxes(*(values[kept] for values in vars(self).values()))

    @property
    def keys(self) -> list[tuple[int, int]]:
        """Shot and track of each box, N pairs, which tell people apart."""
        return list(zip(self.shots.tolist(), self.tracks.tolist(), strict=True))

    @property
    def actor(self) -> ClipBoxes:
        """The actor's boxes, at most one per frame."""
        return self.where(self.is_actor)

    @property
    def others(self) -> ClipBoxes:
        """The boxes of all people except the actor."""
        return self.where(~self.is_actor)

    @property
    def detected(self) -> ClipBoxes:
        """The boxes that are not interpolated."""
        return self.where(~self.is_filled)

    def by_frame(self) -> dict[int, np.ndarray]:
        """Map each frame to its K boxes, float32 (K, 4), in pixels."""
        numbers, starts = np.unique(self.frames, return_index=True)
        parts = np.split(self.xyxy, starts[1:])
        return dict(zip(numbers.tolist(), parts, strict=False))

    def one_by_frame(self) -> dict[int, np.ndarray]:
        """Map each frame to its box, float32 (4,), in pixels.

        For at most one box per frame, such as `actor`.
        """
        return dict(zip(self.frames.tolist(), self.xyxy, strict=True))


class BuildTables:
    """The tables of one build folder, as far as they exist."""

    def __init__(self, root: Path, option: str = "--root") -> None:
        """Raises UserError, which names the command-line `option`, if `root` is not a folder."""
        self.root = root
        if not root.is_dir():
            raise UserError(f"{option}: wanted the folder of a build, got {root}")

    def files(self, table: str) -> list[Path]:
        """Sorted files of a table in TABLES, without temporary files."""
        paths = sorted(self.root.glob(TABLES[table]))
        return [path for path in paths if not path.name.startswith(".")]

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table | None:
        """All rows of a table; None if its stage has not run."""
        parts = [tables.read_table(path, columns) for path in self.files(name)]
        return pa.concat_tables(parts, promote_options="permissive") if parts else None

    def derived_sets(self) -> set[str]:
        """Names of the test sets that the stage variants derived; empty if it has not run."""
        made = self.table("variants", ["set"])
        return set() if made is None else set(made["set"].to_pylist())

    def shards(self, table: str) -> dict[str, list[Row]]:
        """Map each shard to its rows."""
        return {path.stem: tables.read_rows(path) for path in self.files(table)}

    def rows(self, table: str) -> list[Row]:
        """All rows of a table; empty if its stage has not run."""
        return [row for rows in self.shards(table).values() for row in rows]

    def by_clip(self, table: str) -> dict[str, Row]:
        """Map each clip to its row, for a table with one row per clip."""
        return {row["clip"]: row for row in self.rows(table)}

    def detail(self, stage: str, shard: str, clip: str) -> pa.Table | None:
        """Detail rows of one clip in the store of a stage; None if there are none."""
        return read_clip_rows(self.root / stage / "store" / shard / "detail.parquet", clip)

    def frames(self, shard: str, clip: str) -> pa.Table | None:
        """Rows of annotate for one clip, one per set and frame; None if there are none."""
        return read_clip_rows(self.root / "annotate" / "frames" / f"{shard}.parquet", clip)

    def boxes(self, detect_shard: str, clip: str) -> ClipBoxes:
        """The boxes of all people in one clip; empty if detect has none."""
        return ClipBoxes.of(self.detail("detect", detect_shard, clip))

    def json(self, name: str) -> Any:
        """Content of a JSON file, by its path below the build folder; None if it does not exist.

        Raises UserError if it is damaged.
        """
        path = self.root / name
        return read_json(path) if path.exists() else None
