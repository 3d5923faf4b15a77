"""A finished build as its readers see it: where the tables of a stage lie, and what is in them.

A stage that works in shards writes, per shard S, a manifest `<stage>/S.parquet` and a store
`<stage>/store/S/` with `detail.parquet`, whose row groups are clips (core.ledger). Only the row
group of the clip that is asked for is read. No pandas: composite's workers import this module.
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
from occludenet_build.stages import TABLES

Row = dict[str, Any]


def detail_file(manifest: Path) -> Path:
    """The detail rows that belong to a manifest.

    >>> detail_file(Path("detect/003.parquet")).as_posix()
    'detect/store/003/detail.parquet'
    """
    return store_of(manifest) / "detail.parquet"


def store_of(manifest: Path) -> Path:
    """The ledger's folder that belongs to a manifest."""
    return manifest.parent / "store" / manifest.stem


def clip_rows(file: Path, clip: str) -> pa.Table | None:
    """The rows of one clip in a file whose row groups are clips; None where it has none."""
    groups = tables.ClipGroups(file)
    try:
        return groups.read(clip)
    finally:
        groups.close()


def files_by_clip(folder: Path, clips: Iterable[str], hint: str) -> dict[str, str]:
    """Clip -> name of the file in `folder`, annotate/frames, that holds its rows.

    Raises UserError, which ends with `hint`, where no file has one of the clips.
    """
    names: dict[str, str] = {}
    for path in sorted(folder.glob("*.parquet")):
        groups = tables.ClipGroups(path)
        names.update(dict.fromkeys(groups.clips, path.name))
        groups.close()
    wanted = set(clips)
    absent = sorted(wanted - names.keys())
    if absent:
        raise UserError(
            f"wanted the masks of {len(wanted)} clips in {folder}, got none of {absent[0]} and "
            f"{len(absent) - 1} more; {hint}"
        )
    return {clip: names[clip] for clip in wanted}


class Store:
    """Detail rows by clip of all shards of one stage; each shard's file is opened once."""

    def __init__(self, folder: Path) -> None:
        """folder: `<stage>/store`."""
        self.folder = folder
        self._open: dict[str, tables.ClipGroups] = {}

    def rows(self, clip: str, shard: str) -> pa.Table | None:
        """The rows of a clip; None where the shard has none of it."""
        if shard not in self._open:
            self._open[shard] = tables.ClipGroups(self.folder / shard / "detail.parquet")
        return self._open[shard].read(clip)

    def actor(self, clip: str, shard: str) -> Boxes:
        """The actor's boxes of a clip in detect's store, perhaps none.

        Raises UserError where detect has no row of the clip, or a coordinate is no number.
        """
        found = self.rows(clip, shard)
        where = f"{self.folder}/{shard}"
        if found is None:
            raise UserError(f"wanted boxes of {clip} in {where}, got none; run detect")
        boxes = Boxes.of(found).actor
        at, side = np.nonzero(~np.isfinite(boxes.xyxy))
        if len(at):
            raise UserError(
                f"wanted a number as {SIDES[side[0]]} of {clip}, frame {boxes.frames[at[0]]}, in "
                f"{where}, got {boxes.xyxy[at[0], side[0]]}; run detect"
            )
        return boxes

    def close(self) -> None:
        for groups in self._open.values():
            groups.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


SIDES = ("x1", "y1", "x2", "y2")


@dataclass(frozen=True)
class Boxes:
    """The N boxes of one clip as detect stores them, in the order of its table: by frame."""

    frames: np.ndarray
    """int32 (N,), numbers from 0 in display order, ascending; several boxes share a frame."""
    xyxy: np.ndarray
    """float32 (N, 4): x1 y1 x2 y2, pixels of the displayed picture, half-open."""
    tracks: np.ndarray
    """int32 (N,), the person; unique in the clip."""
    shots: np.ndarray
    """int32 (N,), from 0."""
    is_actor: np.ndarray
    """bool (N,): the actor's box, at most one of a frame."""
    is_filled: np.ndarray
    """bool (N,): interpolated in a gap of the track, not detected."""

    @staticmethod
    def of(rows: pa.Table | None) -> Boxes:
        """From rows of detect.BOXES of one clip; None has no boxes."""

        def column(name: str, kind: type) -> np.ndarray:
            if rows is None:
                return np.zeros(0, kind)
            values = rows[name]
            empty = np.nan if kind is np.float32 else 0
            return np.asarray(values.fill_null(empty) if values.null_count else values, kind)

        xyxy = np.stack([column(side, np.float32) for side in SIDES], axis=1)
        numbers = (column(name, np.int32) for name in ("track", "shot"))
        marks = (column(name, np.bool_) for name in ("actor", "filled"))
        return Boxes(column("frame", np.int32), xyxy, *numbers, *marks)

    def __len__(self) -> int:
        return len(self.frames)

    def where(self, kept: np.ndarray) -> Boxes:
        """Those that `kept`, bool (N,), names."""
        return Boxes(*(values[kept] for values in vars(self).values()))

    @property
    def actor(self) -> Boxes:
        """The actor's, one a frame at most."""
        return self.where(self.is_actor)

    @property
    def others(self) -> Boxes:
        """Everybody's but the actor's."""
        return self.where(~self.is_actor)

    @property
    def detected(self) -> Boxes:
        """Without those that are filled in."""
        return self.where(~self.is_filled)

    def by_frame(self) -> dict[int, np.ndarray]:
        """Frame -> its boxes, float32 (K, 4), K > 0."""
        numbers, starts = np.unique(self.frames, return_index=True)
        parts = np.split(self.xyxy, starts[1:])
        return dict(zip(numbers.tolist(), parts, strict=False))

    def one_by_frame(self) -> dict[int, np.ndarray]:
        """Frame -> its box, float32 (4,), where each frame has one: `actor`."""
        return dict(zip(self.frames.tolist(), self.xyxy, strict=True))


class Build:
    """The tables below one build folder, as far as they exist."""

    def __init__(self, root: Path, option: str = "--root") -> None:
        """option: the option that named the folder. Raises UserError where there is none."""
        self.root = root
        if not root.is_dir():
            raise UserError(f"{option}: wanted the folder of a build, got {root}")

    def files(self, table: str) -> list[Path]:
        """The files of a table of TABLES, sorted; temporary ones left out."""
        found = sorted(self.root.glob(TABLES[table]))
        return [path for path in found if not path.name.startswith(".")]

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table | None:
        """All rows of a table; None where its stage has not run."""
        parts = [tables.read(path, columns) for path in self.files(name)]
        return pa.concat_tables(parts, promote_options="permissive") if parts else None

    def shards(self, table: str) -> dict[str, list[Row]]:
        """Shard -> its rows."""
        return {path.stem: tables.read_rows(path) for path in self.files(table)}

    def rows(self, table: str) -> list[Row]:
        """All rows of a table; none where its stage has not run."""
        return [row for rows in self.shards(table).values() for row in rows]

    def by_clip(self, table: str) -> dict[str, Row]:
        """Clip -> its row, of a table with a row per clip."""
        return {row["clip"]: row for row in self.rows(table)}

    def detail(self, stage: str, shard: str, clip: str) -> pa.Table | None:
        """Detail rows of one clip in a stage's store."""
        return clip_rows(self.root / stage / "store" / shard / "detail.parquet", clip)

    def frames(self, shard: str, clip: str) -> pa.Table | None:
        """annotate's rows of one clip: a row per set and frame."""
        return clip_rows(self.root / "annotate" / "frames" / f"{shard}.parquet", clip)

    def boxes(self, detect_shard: str, clip: str) -> Boxes:
        """Everybody's boxes in one clip; empty where detect has none."""
        return Boxes.of(self.detail("detect", detect_shard, clip))

    def json(self, name: str) -> Any:
        """A JSON file by its path below the build folder; None where it is missing."""
        path = self.root / name
        return json.loads(path.read_text()) if path.exists() else None
