"""detect against its bare model, with utilisation, and decoding alone."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from ..detect import gpu
from ..detect.bare_model import BareModel, decoding
from ..detect.inputs import Row
from ..detect.stage_run import DetectStage
from . import clips
from .task import Task, peak_memory

FRAMES = 3000
"""Frames of a turn, at least."""
BATCHES = (16, 64)
"""detect.batch: its default, and one that suits a large GPU."""


def measure(task: Task) -> None:
    """Note frames per second by batch."""
    weights, given = clips.yolo_weights(task)
    rows = clips.index_rows(task, 1 if task.tiny else FRAMES)
    task.note(weights=weights.name if given else "random", threads=task.threads)
    batches = (2,) if task.tiny else BATCHES
    for number, batch in enumerate(batches):
        seconds = task.turn(2 * len(batches) - number, most=8)  # for the stage and its model each
        task.part(
            f"batch_{batch}",
            lambda batch=batch, seconds=seconds: _rates(task, weights, batch, rows, seconds),
        )
    task.part("decoding_frames_per_second", lambda: _decoded(task, weights, batches[0], rows))


def _stage(task: Task, weights: Path, batch: int) -> DetectStage:
    options: dict[str, Any] = {"device": task.device, "batch": batch}
    options |= {"image_size": 64} if task.tiny else {}
    return DetectStage(task.folder, weights, task.threads, **options)


def _rates(
    task: Task, weights: Path, batch: int, rows: list[Row], seconds: float
) -> dict[str, Any]:
    stage = _stage(task, weights, batch)
    warm_up = stage.run(rows[:1])[0].wall
    if not task.tiny:  # a slow machine does fewer clips
        rows = rows[: max(1, int(seconds / warm_up))]
    frames = sum(int(str(row["frames"])) for row in rows)
    bare, turns = BareModel(stage), 2 if warm_up * len(rows) < seconds / 2 else 1
    with peak_memory(task.device) as memory, gpu.utilisation() as samples:
        ours = [stage.run(rows)[0] for _ in range(turns)]
    floors = [bare.run(stage.shapes()) for _ in range(turns)]
    best, floor = min(one.wall for one in ours), min(one.wall for one in floors)
    network = stage.model.model.model.network
    return {
        "frames": frames,
        "half": bool(network.half),
        "frames_per_second": round(frames / best, 1),
        "bare_model_frames_per_second": round(frames / floor, 1),
        "rate_ratio_to_bare_model": round(floor / best, 3),
        "utilisation_percent": round(statistics.mean(samples), 1) if samples else None,
        "ms_per_frame_by_part": {name: round(value, 4) for name, value in stage.parts.items()},
        "memory": dict(memory),
    }


def _decoded(task: Task, weights: Path, batch: int, rows: list[Row]) -> float:
    """Frames per second of decoding and letterboxing alone: the limit of the stage."""
    cost = decoding(_stage(task, weights, batch), rows, task.threads)
    return round(sum(int(str(row["frames"])) for row in rows) / cost.wall, 1)
