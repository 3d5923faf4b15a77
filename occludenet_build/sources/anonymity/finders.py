"""What finds heads or faces in pictures: a network, or boxes that the user has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from occludenet_build.core import torch_models
from occludenet_build.core.build import SIDES
from occludenet_build.core.errors import UserError
from occludenet_build.core.names import match_names
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.media.imaging import skeletons
from occludenet_build.sources.anonymity import heads

BATCH = 8
"""Pictures per call of a network."""
_MOST = 100
"""Largest number of people or faces per picture."""


@dataclass(frozen=True)
class NetworkFinder:
    """Finds heads or faces with weights that ultralytics loads; each process loads them once."""

    weights: str
    mode: str
    """head or face."""
    score: float
    image_size: int
    device: str

    def regions(self, pictures: list[np.ndarray]) -> list[np.ndarray]:
        """Heads or faces of pictures uint8 (H, W, 3), RGB: boxes float32 (N, 4) of each, pixels.

        Raises UserError where the weights do not load, or find something else.
        """
        return [self._regions(boxes, joints) for boxes, joints in self._found(pictures)]

    def again(self, pictures: list[np.ndarray]) -> list[np.ndarray]:
        """The same, without people whose head is not seen: what a leak is."""
        found = []
        for boxes, joints in self._found(pictures):
            seen = np.ones(len(boxes), bool)
            if joints is not None:
                seen = heads.seen_heads(joints, self.score)
                joints = joints[seen]
            found.append(self._regions(boxes[seen], joints))
        return found

    @property
    def checks(self) -> bool:
        """Whether it can tell that a head is seen: detectors of people find them headless too."""
        return self.mode == "face" or _loaded(self.weights, self.mode)[2]

    def of_faces_or_poses(self) -> NetworkFinder:
        """The same weights as what they find: faces, or heads by poses."""
        is_pose = torch_models.task_of_yolo(self.weights) == "pose"
        return replace(self, mode="head" if is_pose else "face")

    def _regions(self, boxes: np.ndarray, joints: np.ndarray | None) -> np.ndarray:
        if self.mode == "face":
            return boxes
        return heads.of_people(boxes) if joints is None else heads.of_joints(joints, boxes)

    def _found(self, pictures: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray | None]]:
        model, number, has_joints = _loaded(self.weights, self.mode)
        found: list[tuple[np.ndarray, np.ndarray | None]] = []
        results = model.predict(
            # ultralytics takes arrays as BGR
            [np.ascontiguousarray(rgb[..., ::-1]) for rgb in pictures],
            imgsz=self.image_size,
            conf=self.score,
            classes=[number],
            max_det=_MOST,
            batch=len(pictures),
            device=torch_models.resolve_device(self.device),
            verbose=False,
            save=False,
        )
        for result in results:
            boxes = result.boxes.cpu().numpy().xyxy.astype(np.float32)
            joints = None
            if has_joints:
                points = result.keypoints.cpu().numpy().data.astype(np.float32)
                joints = skeletons.from_coco(points.reshape(len(boxes), -1, 3))
            found.append((boxes, joints))
        return found


@lru_cache(maxsize=2)
def _loaded(weights: str, mode: str) -> tuple[Any, int, bool]:
    """The network, the number of its class, and whether it finds COCO's joints."""
    task = torch_models.task_of_yolo(weights)
    if mode == "face" and task == "detect":
        return *torch_models.load_yolo(weights, "detect", "face", or_only=True), False
    if mode == "head" and task == "detect":
        return *torch_models.load_yolo(weights, "detect", "person"), False
    if mode == "head" and task == "pose":
        return *torch_models.load_yolo(weights, "pose", "person"), True
    wanted = "detector of faces" if mode == "face" else "pose model or a detector of people"
    raise UserError(f"recordings.anonymity: wanted a {wanted}, {weights} is a {task} model")


@dataclass(frozen=True)
class BoxFinder:
    """The user's boxes of one recording."""

    mode: str
    boxes: Mapping[int, np.ndarray]
    """Frame of the recording -> boxes float32 (N, 4) of people (head) or faces (face), pixels."""

    def at(self, frame: int) -> np.ndarray:
        """Heads or faces in a frame: float32 (N, 4)."""
        found = self.boxes.get(frame, geometry.empty())
        return heads.of_people(found) if self.mode == "head" else found


def read_boxes(path: Path, recordings: Mapping[str, str]) -> dict[str, dict[int, np.ndarray]]:
    """Recording (id -> its path) -> frame -> boxes float32 (N, 4), of those that the file names.

    `path`: a CSV or Parquet file, or a folder with the detail tables of detect. Raises UserError
    where it does not read, lacks a column, or has a value that is no number.
    """
    files = sorted(path.glob("*/detail.parquet")) if path.is_dir() else [path]
    table = pa.concat_tables([_table(file) for file in files] or [_nothing(path)])
    names = match_names(pc.unique(table["clip"]).to_pylist(), recordings)
    found: dict[str, dict[int, np.ndarray]] = {}
    for name, recording in names.items():
        rows = table.filter(pc.equal(table["clip"], name))
        frames = rows["frame"].to_numpy()
        order = np.argsort(frames, kind="stable")
        boxes = np.stack([rows[side].to_numpy() for side in SIDES], axis=1)[order]
        numbers, starts = np.unique(frames[order], return_index=True)
        parts = np.split(boxes.astype(np.float32), starts[1:])
        found[recording] = dict(zip(numbers.astype(int).tolist(), parts, strict=True))
    return found


def _nothing(path: Path) -> pa.Table:
    raise UserError(
        "recordings.anonymity.boxes: wanted a file, or a folder with <shard>/detail.parquet, "
        f"{path} has none; give the folder detect/store"
    )


def _table(path: Path) -> pa.Table:
    try:
        if path.suffix.lower() == ".parquet":
            table = pq.read_table(path, partitioning=None)
        else:
            kinds = {"clip": pa.string()}
            table = pa_csv.read_csv(path, convert_options=pa_csv.ConvertOptions(column_types=kinds))
        columns = {
            "clip": table["clip"].cast(pa.string()),
            "frame": table["frame"].cast(pa.int64()),
        }
        columns |= {side: table[side].cast(pa.float64()) for side in SIDES}
    except (pa.ArrowException, OSError, KeyError) as error:
        raise UserError(
            f"recordings.anonymity.boxes: wanted the columns clip, frame, {', '.join(SIDES)} with "
            f"numbers, {path} does not read: {torch_models.first_line(error)}"
        ) from error
    whole = pa.table(columns)
    if any(column.null_count for column in whole.columns) or not all(
        pc.all(pc.is_finite(whole[side])).as_py() is not False for side in SIDES
    ):
        raise UserError(f"recordings.anonymity.boxes: wanted a number in every cell of {path}")
    return whole
