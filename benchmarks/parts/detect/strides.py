"""Cost of detect with every k-th frame, and the error of the actor's boxes."""

from __future__ import annotations

import logging
import statistics
from pathlib import Path

import numpy as np
import pandas as pd

from occludenet_build.media.imaging import boxes as geometry
from parts.measure import Cost

from .inputs import Row
from .stage_run import DetectStage

STRIDES = (1, 2, 4, 8)
CORNERS = ["x1", "y1", "x2", "y2"]

Results = dict[int, dict[str, float]]


def measure_strides(
    folder: Path, weights: Path, threads: int, clips: list[Row], repeats: int, **detect: object
) -> Results:
    """By stride, relative to stride 1: CPU, IoU of the actor's boxes, frames with a box."""
    stages = {
        k: DetectStage(folder / str(k), weights, threads, stride=k, **detect) for k in STRIDES
    }
    costs: dict[int, list[Cost]] = {k: [] for k in STRIDES}
    boxes: dict[int, pd.DataFrame] = {}
    logging.disable(logging.WARNING)
    for _ in range(repeats):
        for k, stage in stages.items():
            cost, _, boxes[k] = stage.run(clips)
            costs[k].append(cost)
    frames = sum(int(str(row["frames"])) for row in clips)
    return {k: _one(k, costs, boxes, frames) for k in STRIDES}


def _one(
    k: int, costs: dict[int, list[Cost]], boxes: dict[int, pd.DataFrame], frames: int
) -> dict[str, float]:
    overlap = overlaps(boxes[1], boxes[k])
    every, strided = (actor_boxes(boxes[n]) for n in (1, k))
    shares = [a.cpu / b.cpu for a, b in zip(costs[k], costs[1], strict=True)]
    return {
        "cpu_share": round(statistics.median(shares), 3),
        "frames_per_second": round(frames / min(c.wall for c in costs[k]), 1),
        "mean_iou": round(float(overlap.mean()), 3),
        "iou_5_percent": round(float(np.percentile(overlap, 5)), 3),
        "actor_frames": round(len(strided) / max(1, len(every)), 3),
    }


def actor_boxes(boxes: pd.DataFrame) -> pd.DataFrame:
    """The actor's rows by clip and frame."""
    return boxes[boxes["actor"]].set_index(["clip", "frame"])[CORNERS]


def overlaps(every: pd.DataFrame, strided: pd.DataFrame) -> np.ndarray:
    """IoU of the actor's boxes in the frames where both have one, float64 (N,)."""
    both = (
        actor_boxes(every)
        .join(actor_boxes(strided), rsuffix="_k", how="inner")
        .to_numpy(np.float32)
    )
    if not len(both):
        return np.zeros(1)
    return np.array([geometry.iou(b[None, :4], b[None, 4:])[0, 0] for b in both])


def show(results: Results) -> None:
    """Print the table."""
    titles = ("CPU", "frames/s", "mean IoU", "5 % IoU", "box in")
    print(f"\n{'every k-th frame':18}", *(f"{title:>10}" for title in titles))
    for k, row in results.items():
        print(f"{f'k = {k}':18}", *(f"{value:10.3f}" for value in row.values()), flush=True)
