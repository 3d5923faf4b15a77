"""What detect found in the counterfactual clips, beside the actor's boxes in their sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from occludenet_build.core import boxes
from occludenet_build.core.tables import ClipGroups, read_rows

LEAST_IOU = 0.3
"""A person found with less overlap with the actor's box is somebody else."""
_SIDES = ("x1", "y1", "x2", "y2")
Row = dict[str, Any]


@dataclass(frozen=True)
class Shard:
    """The tables of one shard: `videos` as listed, what detect found, the masks."""

    videos: Path
    found: Path
    masks: Path | None


class People:
    """Boxes of a clip by frame: the actor's (4,), and those of all others (N, 4)."""

    def __init__(self, table: pa.Table | None) -> None:
        self.actor: dict[int, np.ndarray] = {}
        others: dict[int, list[np.ndarray]] = defaultdict(list)
        for row in table.to_pylist() if table is not None else []:
            box = np.array([row[side] for side in _SIDES], np.float32)
            if row["actor"]:
                self.actor[row["frame"]] = box
            else:
                others[row["frame"]].append(box)
        self.others = {frame: np.stack(found) for frame, found in others.items()}

    def everybody(self, frame: int) -> np.ndarray:
        actor = self.actor.get(frame)
        others = self.others.get(frame, boxes.empty())
        return others if actor is None else np.concatenate([actor[None], others])


def is_left(actor: np.ndarray, others: np.ndarray, found: np.ndarray) -> bool:
    """Whether one of the boxes found (N, 4) is the actor (4,), and none of the others (M, 4).

    >>> actor, other = np.float32([0, 0, 10, 20]), np.float32([[4, 0, 14, 20]])
    >>> is_left(actor, other, np.float32([[1, 0, 11, 20]]))
    True
    >>> is_left(actor, other, np.float32([[3, 0, 13, 20]]))
    False
    """
    if not len(found):
        return False
    with_actor = boxes.iou(actor[None], found)[0]
    with_others = boxes.iou(others, found).max(axis=0, initial=0.0)
    return bool(((with_actor >= LEAST_IOU) & (with_actor >= with_others)).any())


def compared(shard: Shard, sources: Path, fill: str) -> Iterator[Row]:
    """A row of CLIPS per video of a shard. `sources`: detect/store."""
    states = {row["clip"]: row for row in read_rows(shard.found)}
    found = ClipGroups(_store(shard.found))
    masks = ClipGroups(_store(shard.masks)) if shard.masks else None
    stores: dict[str, ClipGroups] = {}
    for video in read_rows(shard.videos):
        where = video["detect_shard"]
        if where not in stores:
            stores[where] = ClipGroups(sources / where / "detail.parquet")
        state = states.get(video["clip"], {"status": "failed", "reason": "missing"})
        names = ("clip", "source", "scale", "split", "label", "path")
        row = {name: video[name] for name in names} | {"fill": fill}
        if state["status"] == "failed":
            yield row | {"status": "failed", "reason": state["reason"]}
            continue
        masked = masks.read(video["source"]) if masks else None
        erased = set(masked["frame"].to_pylist()) if masked is not None else set()
        people = People(stores[where].read(video["source"]))
        yield row | {"status": "ok"} | _counts(people, People(found.read(video["clip"])), erased)
    for groups in (found, *([masks] if masks else []), *stores.values()):
        groups.close()


def _store(manifest: Path) -> Path:
    return manifest.parent / "store" / manifest.stem / "detail.parquet"


def _counts(source: People, found: People, erased: set[int]) -> Row:
    frames = sorted(erased & set(source.actor))
    left = [
        frame
        for frame in frames
        if is_left(
            source.actor[frame],
            source.others.get(frame, boxes.empty()),
            found.everybody(frame),
        )
    ]
    return {
        "actor_frames": len(source.actor),
        "erased_frames": len(frames),
        "residual_frames": len(left),
        "residual": len(left) / len(frames) if frames else None,
        "first_residual": left[0] if left else None,
    }


def summary(rows: Iterable[Mapping[str, Any]], fill: str) -> Row:
    """The sums, as they stand in summary.json."""
    good = [row for row in rows if row["status"] == "ok"]
    classes = sorted({row["label"] for row in good})
    scales = sorted({row["scale"] for row in good})
    return {
        "fill": fill,
        **_sums(good),
        "by_class": {name: _sums([r for r in good if r["label"] == name]) for name in classes},
        "by_scale": {f"{s:g}": _sums([r for r in good if r["scale"] == s]) for s in scales},
    }


def _sums(rows: list[Mapping[str, Any]]) -> Row:
    names = ("actor_frames", "erased_frames", "residual_frames")
    sums: Row = {name: sum(row[name] for row in rows) for name in names}
    residual = sums["residual_frames"] / sums["erased_frames"] if sums["erased_frames"] else None
    return {"clips": len(rows)} | sums | {"residual": residual}
