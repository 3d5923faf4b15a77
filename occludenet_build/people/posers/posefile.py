"""The user's poses: kinetics-skeleton JSON files in a folder, or a CSV or Parquet table.

kinetics-skeleton (ST-GCN; its files are of OpenPose, 18 joints): one file per clip, `<clip>.json`,
with {"data": [{"frame_index": i, "skeleton": [{"pose": [x0, y0, x1, ...], "score": [...]}]}]}; x
and y from 0 to 1 of the picture. Files in a folder named as a set (D-25/<clip>.json) are poses of
that set, all others of the clean clip. `<clip>` is our id, or the YouTube id alone.

| Column | Dtype | Unit | Meaning |
|---|---|---|---|
| clip | string | | id of the clip, as in the index, or its file |
| set | string | | optional: clean, D-25, ...; clean if it is missing or empty |
| frame | integer | | from 0 in display order |
| x, y, score | lists of 18 numbers | px, px, 0 to 1 | Parquet: OpenPose's 18 joints |
| nose_x, nose_y, nose_score, ... | number | px, px, 0 to 1 | instead: three columns per joint, by
its name in media.imaging.skeletons.JOINTS; without those of the neck it is put between the
shoulders |

A row is a person in a frame; several are told by the order of the rows. A joint with the score 0 is
not found. A file without a row for a set leaves that set out.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from occludenet_build.core.errors import ItemError, UserError, as_item_error
from occludenet_build.core.names import match_names
from occludenet_build.core.poses import JOINT_COUNT
from occludenet_build.media.imaging import skeletons
from occludenet_build.people.posers.interface import GivenPoses, no_poses
from occludenet_build.release.terms import CLEAN, CLIP_NAME

_LISTS = ("x", "y", "score")
_SET = re.compile(rf"{CLEAN}|D-[\d.]+")
_BEYOND = 0.5
"""How far a normalised coordinate may lie outside the picture, in pictures."""


class PosedSource(NamedTuple):
    """A clip whose poses are wanted."""

    path: str
    width: int
    height: int
    frames: int


Given = dict[str, dict[str, GivenPoses] | ItemError]
"""Clip -> set -> its poses, or what is wrong with the clip's own file."""


def read_given(path: Path, clips: Mapping[str, PosedSource], first_frame: int = 0) -> Given:
    """The poses of `clips` (id -> facts) in a file or folder; clips that it lacks are left out.

    `first_frame`: number of the first frame in JSON files. Raises UserError where a table is
    missing, lacks a column or has an invalid value; a bad JSON file is an error of its clip only.
    """
    if path.is_dir():
        return _from_folder(path, clips, first_frame)
    joints, table = _joints_of_table(path)
    names = match_names(
        [str(name) for name in table["clip"].unique()], {c: s.path for c, s in clips.items()}
    )
    table = table.assign(clip=table["clip"].map(names))
    wanted = table["clip"].notna().to_numpy()
    table, joints = table[wanted].reset_index(drop=True), joints[wanted]
    found: Given = {}
    for (clip, name), rows in table.groupby(["clip", "set"], sort=True):
        frames = rows["frame"].to_numpy(np.int64)
        _check_frames(path, clip, frames, clips[clip].frames)
        poses = _ordered(frames, joints[rows.index.to_numpy()])
        found.setdefault(clip, {})[name] = poses  # type: ignore[index]
    return found


def _ordered(frames: np.ndarray, joints: np.ndarray) -> GivenPoses:
    order = np.argsort(frames, kind="stable")
    return GivenPoses(frames[order], np.ascontiguousarray(joints[order], np.float32))


def _check_frames(path: Path, clip: str, frames: np.ndarray, count: int) -> None:
    outside = frames[(frames < 0) | (frames >= count)]
    if len(outside):
        raise UserError(
            f"poses.file: {path}: clip {clip!r} has frames 0 to {count - 1}, got a pose in frame "
            f"{outside[0]}"
        )


def _joints_of_table(path: Path) -> tuple[np.ndarray, pd.DataFrame]:
    """The joints float32 (N, 18, 3) of a table's N rows, and its other columns."""
    table = _table(path)
    have = set(table.columns)
    missing = [name for name in ("clip", "frame") if name not in have]
    if not missing and not set(_LISTS) <= have:
        missing = [f"{j}_{a}" for j in skeletons.JOINTS if j != "neck" for a in _LISTS]
        missing = [name for name in missing if name not in have]
    if missing:
        raise UserError(
            f"poses.file: wanted the columns clip, frame, and x, y, score (lists of 18) or nose_x, "
            f"nose_y, nose_score and so on, {path} lacks {', '.join(missing[:4])}; docs/poses.md "
            "describes them"
        )
    table = table.assign(set=table["set"].fillna(CLEAN) if "set" in have else CLEAN)
    _check_sets(path, table)
    joints = _from_lists(path, table) if set(_LISTS) <= have else _from_columns(path, table)
    _check_numbers(path, table, joints)
    joints[joints[..., 2] <= 0] = 0
    return joints.astype(np.float32), table[["clip", "set", "frame"]]


def _check_sets(path: Path, table: pd.DataFrame) -> None:
    for name in table["set"].unique():
        if not isinstance(name, str) or _SET.fullmatch(name) is None:
            raise UserError(
                f"poses.file: {path}: wanted {CLEAN} or a set such as D-25 in the column set, got "
                f"{name!r}; correct it"
            )


def _table(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() == ".parquet":
            return pq.read_table(path, partitioning=None).to_pandas()
        if path.suffix.lower() == ".csv":
            return pd.read_csv(path, dtype={"clip": str, "set": str})
    except FileNotFoundError as error:
        raise UserError(f"poses.file: wanted an existing file, {path} is missing") from error
    except (ValueError, pa.ArrowException, OSError) as error:
        raise UserError(f"poses.file: {path} cannot be read as a table: {error}") from error
    raise UserError(
        f"poses.file: wanted a folder of JSON files, or a .csv or .parquet file, got {path}"
    )


def _from_lists(path: Path, table: pd.DataFrame) -> np.ndarray:
    parts = []
    for name in _LISTS:
        lengths = table[name].map(lambda values: len(values) if np.ndim(values) == 1 else -1)
        if (lengths != JOINT_COUNT).any():
            at = int(np.argmax(lengths.to_numpy() != JOINT_COUNT))
            raise UserError(
                f"poses.file: {path}: wanted {JOINT_COUNT} numbers as {name}, row {at} has "
                f"{max(lengths.iloc[at], 0)}"
            )
        parts.append(np.array(table[name].tolist(), float).reshape(len(table), JOINT_COUNT))
    return np.stack(parts, axis=-1)


def _from_columns(path: Path, table: pd.DataFrame) -> np.ndarray:
    joints = np.zeros((len(table), JOINT_COUNT, 3))
    for number, joint in enumerate(skeletons.JOINTS):
        for axis, part in enumerate(_LISTS):
            if f"{joint}_{part}" in table.columns:
                values = pd.to_numeric(table[f"{joint}_{part}"], errors="coerce")
                joints[:, number, axis] = values.to_numpy(float)
    if "neck_score" not in table.columns:
        joints = skeletons.with_neck(joints)
    return joints


def _check_numbers(path: Path, table: pd.DataFrame, joints: np.ndarray) -> None:
    frames = pd.to_numeric(table["frame"], errors="coerce").to_numpy(float)
    # A joint that is not found may have no place.
    lost = joints[..., 2] == 0
    wrong = ~np.isfinite(joints).all(axis=-1) & ~lost
    wrong |= (joints[..., 2] < 0) | (joints[..., 2] > 1)
    for what, bad in (
        ("a whole number as frame", ~np.isfinite(frames) | (frames != np.round(frames))),
        ("x and y in pixels and a score from 0 to 1 for each joint", wrong.any(axis=1)),
    ):
        if bad.any():
            row = table.iloc[int(np.argmax(bad))]
            raise UserError(
                f"poses.file: {path}: clip {row['clip']!r}, frame {row['frame']}: wanted {what}; "
                "correct it"
            )


def _from_folder(folder: Path, clips: Mapping[str, PosedSource], first_frame: int) -> Given:
    files = [path for path in sorted(folder.rglob("*.json")) if not path.stem.endswith("_label")]
    names = _clip_names([path.stem for path in files], clips)
    if files and not names and clips:
        # no error: it may have all clips of the other shards
        logging.warning(
            "poses.file: %s: no file names one of these %d clips: wanted names such as %s.json, "
            "got %s.json",
            *(folder, len(clips), min(clips), files[0].stem),
        )
    found: Given = {}
    for path in files:
        clip = names.get(path.stem)
        if clip is None:
            continue
        name = path.parent.name if _SET.fullmatch(path.parent.name) else CLEAN
        try:
            poses = _from_json(path, clips[clip], first_frame)
        except ItemError as error:
            found[clip] = error
            continue
        sets = found.setdefault(clip, {})
        if isinstance(sets, dict) and name in sets:
            found[clip] = ItemError("bad_poses", f"{path}: wanted one file for {name}, got two")
        elif isinstance(sets, dict):
            sets[name] = poses
    return found


def _clip_names(stems: list[str], clips: Mapping[str, PosedSource]) -> dict[str, str]:
    """Stem of a file -> clip; a YouTube id stands for its clip where there is one only."""
    names = match_names(stems, {clip: source.path for clip, source in clips.items()})
    of_video: dict[str, list[str]] = {}
    for clip in clips:
        if parts := CLIP_NAME.fullmatch(clip):
            of_video.setdefault(parts[1], []).append(clip)
    for stem in stems:
        if stem not in names and len(of_video.get(stem, ())) == 1:
            names[stem] = of_video[stem][0]
    return names


def _from_json(path: Path, clip: PosedSource, first_frame: int) -> GivenPoses:
    """Raises ItemError not_json or bad_poses."""
    try:
        listed = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ItemError("not_json", f"{path.name}: {error}") from error
    except OSError as error:
        raise as_item_error(error) from error
    try:
        people = [
            (_whole(frame["frame_index"]) - first_frame, person)
            for frame in listed["data"]
            for person in frame["skeleton"]
        ]
        if not people:
            return no_poses()
        joints = np.stack([_joints(person, clip) for _, person in people])
        frames = np.array([frame for frame, _ in people], np.int64)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ItemError("bad_poses", f"{path.name}: {type(error).__name__}: {error}") from error
    if ((frames < 0) | (frames >= clip.frames)).any():
        raise ItemError(
            "bad_poses",
            f"{path.name}: frames {frames.min() + first_frame} to {frames.max() + first_frame} "
            f"of {clip.frames}, counted from {first_frame} (poses.first_frame)",
        )
    return _ordered(frames, joints)


def _whole(number: Any) -> int:
    """A frame number. Raises ValueError where it is not whole, OverflowError for infinity."""
    if int(number) != number:
        raise ValueError(f"wanted a whole number as frame_index, got {number!r}")
    return int(number)


def _joints(person: dict[str, Any], clip: PosedSource) -> np.ndarray:
    """float32 (18, 3) in pixels of one person of a JSON file. Raises ValueError."""
    places = np.array(person["pose"], np.float32).reshape(JOINT_COUNT, 2)
    scores = np.array(person["score"], np.float32).reshape(JOINT_COUNT, 1)
    far = (places < -_BEYOND) | (places > 1 + _BEYOND)
    if not np.isfinite(places).all() or far.any() or not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("wanted coordinates and scores from 0 to 1")
    joints = np.hstack([places * np.array([clip.width, clip.height], np.float32), scores])
    joints[scores[:, 0] <= 0] = 0
    return joints
