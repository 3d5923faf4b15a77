"""Poses of a clip in one form: from kinetics-skeleton, from Mimetics, and from the stage poses.

kinetics-skeleton: `<id>.json` with {"data": [{"frame_index": i, "skeleton": [{"pose": [x0, y0, x1,
...], "score": [...]}]}]}, x and y from 0 to 1 of the picture, and beside the folder
`<folder>_label.json` with {id: {"has_skeleton": true}}. IntegralAction compares frame_index with
frames from 0 (`first_frame` 0, the default here); the files that ST-GCN's authors publish count
from 1.
Mimetics: data.json with {"pose": [null or persons x 18 x 3 numbers, ...], "score": [null or a
number per person, ...]}, an entry per frame, x and y in pixels; the score of a joint is multiplied
by its person's.
The stage poses: core.poses, joints that were not found have the score 0.

A file that is missing or wrong never ends a run: `reason` and `detail` say what it is, in the words
of core.errors, and there are no persons.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.core.errors import ItemError, UserError, as_item_error
from occludenet_build.core.poses import JOINT_COUNT, ClipPoses, read_poses

Size = tuple[int, int]
"""Height and width of a picture, pixels."""

_TIMES = re.compile(r"_\d{6}_\d{6}$", re.ASCII)
_BEYOND = 0.5
"""How far a normalised coordinate may lie outside of the picture, in pictures."""
_FAR = 1e5
"""Largest coordinate in pixels."""
_LARGEST_FILE = 256 * 2**20


@dataclass(frozen=True)
class Persons:
    """The persons of each frame of a clip, or why there are none."""

    size: Size
    """Of the picture that the coordinates belong to."""
    frames: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Frame from 0 -> float64 (P, J, 3): x and y in pixels, score; frames without a person may be
    missing."""
    reason: str | None = None
    """Why there are no poses, of core.errors.REASONS: no_poses, bad_poses, not_json, missing, ...;
    None where there are some."""
    detail: str = ""
    joints: int = JOINT_COUNT
    """J, the number of joints."""

    def of(self, frame: int) -> np.ndarray:
        """The persons of a frame: float64 (P, J, 3); P may be 0."""
        return self.frames.get(frame, np.zeros((0, self.joints, 3)))


def from_build(manifest: Path, clip: str, name: str, size: Size) -> Persons:
    """The poses of the stage poses of a clip in a set (clean, D-25, ...).

    `manifest`: poses/<shard>.parquet. Raises UserError if the shard's file is damaged.
    """
    return from_clip_poses(read_poses(manifest, clip, name), size, f"of {clip} in {name}")


def from_clip_poses(poses: ClipPoses, size: Size, whose: str = "of the clip") -> Persons:
    """Poses of core.poses, of all people of the picture; frames of them have float32 (P, 18, 3)."""
    found = poses.found
    if not len(found):
        return Persons(size, reason="no_poses", detail=f"the stage poses has none {whose}")
    return Persons(size, {k: v.astype(np.float64) for k, v in found.by_frame().items()})


class KineticsSkeletons:
    """A folder of kinetics-skeleton, with its label file where there is one."""

    def __init__(self, folder: Path, first_frame: int = 0) -> None:
        """`folder`: such as kinetics-skeleton/kinetics_val.

        `first_frame`: number of the first frame in the files. Raises UserError where the folder is
        missing or the label file is damaged.
        """
        if not folder.is_dir():
            raise UserError(f"wanted a folder of kinetics-skeleton files, {folder} is missing")
        self._folder, self._first = folder, first_frame
        self._labels = _labels(folder.with_name(f"{folder.name}_label.json"))

    def of(self, name: str, size: Size) -> Persons:
        """The poses of a clip: of the file `<name>.json`, or of that without _<start>_<end>.

        `size`: height and width of the clip's picture.
        """
        path = self._file(name)
        if self._labels.get(path.stem, {}).get("has_skeleton") is False:
            return Persons(size, reason="no_poses", detail=f"{path.name}: has_skeleton is false")
        return read_kinetics(path, size, self._first)

    def _file(self, name: str) -> Path:
        known = [name, _TIMES.sub("", name)]
        for stem in known:
            if stem in self._labels or (self._folder / f"{stem}.json").is_file():
                return self._folder / f"{stem}.json"
        return self._folder / f"{name}.json"


def read_kinetics(path: Path, size: Size, first_frame: int = 0) -> Persons:
    """The poses of one file of kinetics-skeleton; a missing file has the reason no_poses."""
    return _read(path, size, lambda listed: _kinetics(listed, size, first_frame))


def read_mimetics(path: Path, size: Size) -> Persons:
    """The poses of one data.json of Mimetics; a missing file has the reason no_poses."""
    return _read(path, size, _mimetics)


def _read(path: Path, size: Size, parse: Callable[[Any], dict[int, np.ndarray]]) -> Persons:
    try:
        frames = _parsed(path, parse)
    except ItemError as error:
        return Persons(size, reason=error.reason, detail=error.detail)
    if not frames:
        return Persons(size, reason="no_poses", detail=f"{path.name}: nobody in any frame")
    return Persons(size, frames)


def _parsed(path: Path, parse: Callable[[Any], dict[int, np.ndarray]]) -> dict[int, np.ndarray]:
    """Raises ItemError."""
    try:
        listed = _json(path)
    except FileNotFoundError as error:
        raise ItemError("no_poses", f"{path} is missing") from error
    except (ValueError, RecursionError) as error:
        raise ItemError("not_json", f"{path.name}: {error}") from error
    except OSError as error:
        raise as_item_error(error) from error
    try:
        return parse(listed)
    except (ValueError, OverflowError) as error:
        raise ItemError("bad_poses", f"{path.name}: {error}") from error


def _json(path: Path) -> Any:
    """Raises ValueError, RecursionError, OSError."""
    if path.stat().st_size > _LARGEST_FILE:
        raise ValueError(f"wanted at most {_LARGEST_FILE} bytes, got {path.stat().st_size}")
    return json.loads(path.read_bytes())


def _labels(path: Path) -> dict[str, dict[str, Any]]:
    """Content of a label file; empty where there is none. Raises UserError."""
    wanted = 'wanted {"<id>": {"has_skeleton": true, ...}, ...} in the label file'
    try:
        listed = _json(path)
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError, OSError) as error:
        raise UserError(f"{wanted}, {path} cannot be read: {error}") from error
    if not isinstance(listed, dict) or not all(isinstance(one, dict) for one in listed.values()):
        raise UserError(f"{wanted}, {path} has another form; correct it or take it away")
    return listed


def _kinetics(listed: Any, size: Size, first_frame: int) -> dict[int, np.ndarray]:
    """Raises ValueError, OverflowError."""
    found: dict[int, list[np.ndarray]] = {}
    for entry in _list(_entry(listed, "data"), "data"):
        frame = _whole(_entry(entry, "frame_index")) - first_frame
        if frame < 0:
            raise ValueError(f"wanted frame_index from {first_frame} on, got {frame + first_frame}")
        for person in _list(_entry(entry, "skeleton"), "skeleton"):
            found.setdefault(frame, []).append(_normalised(person, frame, size))
    return {frame: np.stack(persons) for frame, persons in found.items()}


def _normalised(person: Any, frame: int, size: Size) -> np.ndarray:
    """float64 (18, 3) in pixels. Raises ValueError."""
    places = _numbers(_entry(person, "pose"), 2 * JOINT_COUNT, f"frame {frame}: pose").reshape(
        -1, 2
    )
    scores = _numbers(_entry(person, "score"), JOINT_COUNT, f"frame {frame}: score")
    if (places < -_BEYOND).any() or (places > 1 + _BEYOND).any():
        raise ValueError(f"frame {frame}: wanted x and y from 0 to 1 of the picture")
    _check_scores(scores, frame)
    return np.concatenate([places * size[::-1], scores[:, None]], axis=1)


def _mimetics(listed: Any) -> dict[int, np.ndarray]:
    """Raises ValueError, OverflowError."""
    poses, scores = _list(_entry(listed, "pose"), "pose"), _list(_entry(listed, "score"), "score")
    if len(poses) != len(scores):
        raise ValueError(f"wanted a score per frame, got {len(scores)} for {len(poses)} frames")
    found = {}
    for frame, (pose, score) in enumerate(zip(poses, scores, strict=True)):
        if pose:
            found[frame] = _in_pixels(pose, score, frame)
    return found


def _in_pixels(pose: Any, score: Any, frame: int) -> np.ndarray:
    """float64 (P, 18, 3). Raises ValueError."""
    count = len(_list(pose, f"frame {frame}: pose"))
    joints = _numbers(pose, count * JOINT_COUNT * 3, f"frame {frame}: pose")
    joints = joints.reshape(count, JOINT_COUNT, 3)
    of_person = _numbers(score, count, f"frame {frame}: score")
    if (np.abs(joints[..., :2]) > _FAR).any():
        raise ValueError(f"frame {frame}: wanted x and y in pixels")
    joints[..., 2] *= of_person[:, None]
    _check_scores(of_person, frame)
    _check_scores(joints[..., 2], frame)
    return joints


def _check_scores(scores: np.ndarray, frame: int) -> None:
    if (scores < 0).any():
        raise ValueError(f"frame {frame}: wanted scores from 0 on, got {scores.min()}")


def _entry(value: Any, key: str) -> Any:
    if not isinstance(value, dict) or key not in value:
        got = f"one without {key}" if isinstance(value, dict) else f"a {type(value).__name__}"
        raise ValueError(f"wanted an object with {key}, got {got}")
    return value[key]


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{what}: wanted a list, got a {type(value).__name__}")
    return value


def _whole(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, (int, float)) or int(number) != number:
        raise ValueError(f"wanted a whole number as frame_index, got {number!r}")
    return int(number)


def _numbers(value: Any, count: int, what: str) -> np.ndarray:
    """The numbers of a nested list: float64 (count,)."""
    try:
        flat = np.array(value).reshape(-1)
    except ValueError as error:  # lists of different lengths
        raise ValueError(f"{what}: wanted {count} numbers: {error}") from error
    if flat.dtype.kind not in "iuf" or not np.isfinite(flat).all():
        raise ValueError(f"{what}: wanted finite numbers")
    if len(flat) != count:
        raise ValueError(f"{what}: wanted {count} numbers, got {len(flat)}")
    return flat.astype(np.float64)
