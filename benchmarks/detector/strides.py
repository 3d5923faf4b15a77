"""Every k-th frame: what it costs, and how far the actor's boxes are from those of every frame."""

from __future__ import annotations

import logging
import statistics
from pathlib import Path

import numpy as np
import pandas as pd
from compositor.measure import Cost

from occludenet_build.media.imaging import boxes as geometry

from .material import Row
from .room import Room

STRIDES = (1, 2, 4, 8)
CORNERS = ["x1", "y1", "x2", "y2"]

Found = dict[int, dict[str, float]]


def measured(
    folder: Path, weights: Path, threads: int, clips: list[Row], repeats: int, **detect: object
) -> Found:
    """By stride: CPU as a share of every frame's, overlaps with every frame's boxes, presence."""
    rooms = {k: Room(folder / str(k), weights, threads, stride=k, **detect) for k in STRIDES}
    costs: dict[int, list[Cost]] = {k: [] for k in STRIDES}
    boxes: dict[int, pd.DataFrame] = {}
    logging.disable(logging.WARNING)
    for _ in range(repeats):
        for k, room in rooms.items():
            cost, _, boxes[k] = room.run(clips)
            costs[k].append(cost)
    frames = sum(int(str(row["frames"])) for row in clips)
    return {k: _one(k, costs, boxes, frames) for k in STRIDES}


def _one(
    k: int, costs: dict[int, list[Cost]], boxes: dict[int, pd.DataFrame], frames: int
) -> dict[str, float]:
    overlap = overlaps(boxes[1], boxes[k])
    every, here = (acting(boxes[n]) for n in (1, k))
    shares = [a.cpu / b.cpu for a, b in zip(costs[k], costs[1], strict=True)]
    return {
        "cpu_share": round(statistics.median(shares), 3),
        "frames_per_second": round(frames / min(c.wall for c in costs[k]), 1),
        "mean_iou": round(float(overlap.mean()), 3),
        "iou_5_percent": round(float(np.percentile(overlap, 5)), 3),
        "actor_frames": round(len(here) / max(1, len(every)), 3),
    }


def acting(boxes: pd.DataFrame) -> pd.DataFrame:
    """The actor's rows by clip and frame."""
    return boxes[boxes["actor"]].set_index(["clip", "frame"])[CORNERS]


def overlaps(every: pd.DataFrame, here: pd.DataFrame) -> np.ndarray:
    """IoU (N,) of the actor's boxes in the frames where both have one."""
    both = acting(every).join(acting(here), rsuffix="_k", how="inner").to_numpy(np.float32)
    if not len(both):
        return np.zeros(1)
    return np.array([geometry.iou(b[None, :4], b[None, 4:])[0, 0] for b in both])


def show(found: Found) -> None:
    titles = ("CPU", "frames/s", "mean IoU", "5 % IoU", "actor in")
    print(f"\n{'every k-th frame':18}", *(f"{title:>10}" for title in titles))
    for k, row in found.items():
        print(f"{f'k = {k}':18}", *(f"{value:10.3f}" for value in row.values()), flush=True)
