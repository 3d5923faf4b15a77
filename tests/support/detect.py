"""For the tests of detect's models: clips, jobs, and a model that detects a bright square."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from occludenet_build.config.people import Detect
from occludenet_build.core.ledger import ClipResult
from occludenet_build.media.video.source import rgb_frames
from occludenet_build.people.detect import inference
from occludenet_build.people.detect.inference import DetectJob
from occludenet_build.people.detectors.interface import IndexedClip, People, Size
from occludenet_build.people.detectors.yolo import letterbox

SIDE = (96, 96)
"""Largest height and width of the bright model's input, pixels."""


def put(picture: np.ndarray) -> np.ndarray:
    """The bright model's `prepare`: uint8 (H, W, 3) -> uint8 (h, w, 3)."""
    height, width = picture.shape[:2]
    return letterbox((width, height), SIDE, 32, True).apply(picture)


@dataclass
class Bright:
    """An `interface.Model`: one box around what is bright red; records its inputs."""

    prepare: Any = put
    batches: list[int] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)

    def start(self, prepared: list[np.ndarray]) -> list[np.ndarray]:
        assert len({picture.shape for picture in prepared}) == 1
        self.batches.append(len(prepared))
        self.shapes.append(prepared[0].shape)
        self.threads.add(threading.get_ident())
        return prepared

    def finish(self, started: list[np.ndarray], sizes: list[Size]) -> list[People]:
        return [_bright(*pair) for pair in zip(started, sizes, strict=True)]


def _bright(picture: np.ndarray, size: Size) -> People:
    rows, columns = np.nonzero(picture[..., 0] > 180)
    if not len(rows):
        return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    back = letterbox(size, SIDE, 32, True).boxes_to_picture(np.array([box], np.float32))
    return back, np.array([0.9], np.float32)


def clip_of(path: Path, frames: int | None = None, fps: float = 24.0) -> IndexedClip:
    """A clip as the index would describe the file."""
    pictures = [picture.shape[1::-1] for _, picture in rgb_frames(path)]
    return IndexedClip(path.name, str(path), *pictures[0], frames or len(pictures), fps)


def job(clip: IndexedClip, settings: Detect) -> DetectJob:
    return DetectJob(clip, "key", settings, None)


def results(
    model, clips: list[IndexedClip], settings: Detect, monkeypatch
) -> dict[str, ClipResult]:
    """Clip -> its result with this model, in the order in which the clips are finished."""
    monkeypatch.setattr(inference, "cached_model", lambda settings, threads: model)
    jobs = (job(clip, settings) for clip in clips)
    return {r.row["clip"]: r for r in inference.detect_in_batches(jobs, settings, 2)}


def table(result: ClipResult) -> pd.DataFrame:
    assert result.detail is not None
    return result.detail.to_pandas()


def people_in(model, picture: np.ndarray) -> People:
    """The people that an `interface.Model` detects in one picture."""
    (people,) = model.finish(model.start([model.prepare(picture)]), [picture.shape[1::-1]])
    return people
