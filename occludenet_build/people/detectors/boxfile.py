"""The backend file: the user's own boxes, read from CSV or Parquet.

| Column | Dtype | Unit | Meaning |
|---|---|---|---|
| clip | string | | id of the clip, as in the index, or its file: with suffix, folders, other case |
| frame | integer | | from 0 in display order |
| x1, y1, x2, y2 | number | px | displayed picture, half-open |
| score | number | 0 to 1 | optional; 1 if the column is missing |
| track | integer | | optional; track number, kept unchanged |
| actor | 0 or 1, true or false | | optional; for detect.actor file: whether the box is the actor's,
at most one per frame |

A frame holds the people that the file lists for it and nobody else. Rows of clips outside the shard
are ignored, so one file serves all shards; a file without a row for any clip of the index is an
error. Clips of equal file names, whose ids end in a hash, are told by their folder: run/a.mp4.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from occludenet_build.config.people import Detect
from occludenet_build.core.errors import UserError
from occludenet_build.core.names import match_names
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.people.detectors.interface import (
    FrameDetections,
    Frames,
    GivenBoxes,
    IndexedClip,
)

REQUIRED = ("clip", "frame", "x1", "y1", "x2", "y2")
OPTIONAL = ("score", "track", "actor")
_TRUTH_VALUES = {"true": 1, "false": 0}
READERS = {".csv": pd.read_csv, ".parquet": pd.read_parquet}


class BoxFile:
    """The `interface.Detector` that returns each clip's given boxes."""

    def __init__(self, settings: Detect | None = None) -> None:
        """Ignores the settings: the boxes come with each clip and no setting changes them."""

    def find(self, clip: IndexedClip, frames: Frames) -> Iterator[FrameDetections]:
        """Yields the given boxes float32 (N, 4), pixels, and scores float32 (N,) of every frame.

        Track numbers int32 (N,) come with them where the file has them.
        """
        given = clip.given
        for number, _ in frames:
            if given is None:
                yield FrameDetections(number, geometry.empty(), np.zeros(0, np.float32))
                continue
            rows = slice(*np.searchsorted(given.frames, [number, number + 1]))
            tracks = None if given.tracks is None else given.tracks[rows]
            yield FrameDetections(number, given.boxes[rows], given.scores[rows], tracks)


def read_boxes(
    path: Path | str,
    clips: dict[str, tuple[int, int, int]],
    wants_actor: bool = False,
    paths: Mapping[str, str] | None = None,
) -> dict[str, GivenBoxes]:
    """Clip name -> its boxes, for `clips` (name -> width and height in pixels, number of frames).

    `paths`: name -> path of the video, to tell clips by their folder.

    Raises UserError where the file is missing, is not a table or lacks a column, also the column
    actor if `wants_actor`; and, with the clip and the frame, where a value is invalid. An invalid
    row stops the run: results from a part of the file would be misleading.
    """
    table = _table(Path(path))
    if wants_actor and "actor" not in table.columns:
        raise UserError(
            f"detect.boxes: wanted the column actor, 0 or 1, for detect.actor file, {path} has "
            f"{', '.join(map(str, table.columns))}; add it or choose another detect.actor"
        )
    known = {clip: (paths or {}).get(clip, clip) for clip in clips}
    matched = match_names(table["clip"].unique(), known)
    _check_twice(matched, path)
    table = table[table["clip"].isin(matched)]
    table = table.assign(clip=table["clip"].map(matched))
    _check_numbers(table, path)
    table = table.sort_values(["clip", "frame"], kind="stable")
    return {
        str(clip): _given(rows, *clips[str(clip)], path)
        for clip, rows in table.groupby("clip", sort=False)
    }


def _check_twice(matched: Mapping[str, str], path: Path | str) -> None:
    first: dict[str, str] = {}
    for name, clip in matched.items():
        if first.setdefault(clip, name) != name:
            raise UserError(
                f"detect.boxes: {path}: wanted one name for the clip {clip!r}, got {first[clip]!r} "
                f"and {name!r}; keep one"
            )


def require_names(path: Path | str, clips: Collection[str]) -> None:
    """Raises UserError where the box file has no row for any of `clips`, the ids of the index."""
    names = [str(name) for name in _table(Path(path))["clip"].unique()]
    if not match_names(names, dict.fromkeys(clips, "")):
        raise UserError(
            f"detect.boxes: {path}: no row names a clip: wanted ids such as {min(clips)!r}, "
            f"got {names[0] if names else 'no row'!r}; correct the column clip"
        )


def _table(path: Path) -> pd.DataFrame:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"detect.boxes: wanted a .csv or .parquet file, got {path}")
    try:
        # Clip ids may look like numbers ("0012"), and a clip may be named "nan".
        table = (
            reader(path, dtype={"clip": str}, keep_default_na=False, na_values=["", "nan", "NaN"])
            if reader is pd.read_csv
            else reader(path)
        )
    except FileNotFoundError as error:
        raise UserError(f"detect.boxes: wanted an existing file, {path} is missing") from error
    except (ValueError, pa.ArrowInvalid, pd.errors.ParserError) as error:
        raise UserError(f"detect.boxes: {path} cannot be read as a table: {error}") from error
    missing = [name for name in REQUIRED if name not in table.columns]
    if missing:
        raise UserError(
            f"detect.boxes: wanted the columns {', '.join(REQUIRED)} [, score][, track][, actor], "
            f"{path} lacks {', '.join(missing)}; it has {', '.join(map(str, table.columns))}"
        )
    return table.assign(clip=table["clip"].astype(str))


def _check_numbers(table: pd.DataFrame, path: Path | str) -> None:
    for name in (*REQUIRED[1:], *OPTIONAL):
        if name not in table.columns:
            continue
        values = _numbers(table[name])
        wanted = "a number"
        wrong = ~np.isfinite(values)
        if name in ("frame", "track"):
            wanted = "a whole number"
            wrong |= (values != np.round(values)) | (np.abs(values) > np.iinfo(np.int32).max)
        if name == "score":
            wanted = "a number from 0 to 1"
            wrong |= (values < 0) | (values > 1)
        if name == "actor":
            wanted = "0 or 1"
            wrong |= (values != 0) & (values != 1)
        if wrong.any():
            _refuse(table.iloc[int(np.argmax(wrong))], name, wanted, path)


def _numbers(column: pd.Series) -> np.ndarray:
    """float64 (N,): NaN where a value is no number; true and false count as 1 and 0."""
    values = column.map(lambda value: _TRUTH_VALUES.get(str(value).strip().lower(), value))
    return pd.to_numeric(values, errors="coerce").to_numpy(float)


def _refuse(row: pd.Series, name: str, wanted: str, path: Path | str) -> None:
    got = row[name].item() if isinstance(row[name], np.generic) else row[name]
    raise UserError(
        f"detect.boxes: {path}: clip {row['clip']!r}, frame {row['frame']}: "
        f"wanted {wanted} as {name}, got {got!r}"
    )


def _given(
    rows: pd.DataFrame, width: int, height: int, frames: int, path: Path | str
) -> GivenBoxes:
    clip = rows["clip"].iloc[0]
    numbers = pd.to_numeric(rows["frame"]).to_numpy(np.int64)
    boxes = rows[list(REQUIRED[2:])].apply(pd.to_numeric).to_numpy(np.float32)
    outside = (numbers < 0) | (numbers >= frames)
    if outside.any():
        raise UserError(
            f"detect.boxes: {path}: clip {clip!r} has frames 0 to {frames - 1}, "
            f"got a box in frame {numbers[outside][0]}"
        )
    inside = geometry.clipped(boxes, width, height)
    nothing = geometry.area(inside) <= 0
    if nothing.any():
        raise UserError(
            f"detect.boxes: {path}: clip {clip!r}, frame {numbers[nothing][0]}: wanted x1 y1 x2 y2 "
            f"inside {width}x{height} pixels, got {boxes[nothing][0].tolist()}"
        )
    count = len(rows)
    scores = rows["score"] if "score" in rows else pd.Series(np.ones(count))
    tracks = pd.to_numeric(rows["track"]).to_numpy(np.int32) if "track" in rows else None
    _check_tracks(clip, numbers, tracks, path)
    actors = _numbers(rows["actor"]) == 1 if "actor" in rows else None
    _check_actors(clip, numbers, actors, path)
    return GivenBoxes(numbers, inside, pd.to_numeric(scores).to_numpy(np.float32), tracks, actors)


def _check_tracks(
    clip: str, numbers: np.ndarray, tracks: np.ndarray | None, path: Path | str
) -> None:
    if tracks is None:
        return
    pairs, counts = np.unique(np.stack([numbers, tracks], axis=1), axis=0, return_counts=True)
    if (counts > 1).any():
        frame, track = pairs[counts > 1][0]
        raise UserError(
            f"detect.boxes: {path}: clip {clip!r}, frame {frame}: track {track} has two boxes"
        )


def _check_actors(
    clip: str, numbers: np.ndarray, actors: np.ndarray | None, path: Path | str
) -> None:
    if actors is None:
        return
    frames, counts = np.unique(numbers[actors], return_counts=True)
    if (counts > 1).any():
        raise UserError(
            f"detect.boxes: {path}: clip {clip!r}, frame {frames[counts > 1][0]}: wanted one actor "
            f"at most, got {counts.max()}; for several take detect.actor all"
        )
