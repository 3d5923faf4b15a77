"""Where a detector with weights sees people, in some frames of a clip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from occludenet_build.config.people import Detect
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.media.video.source import rgb_frames
from occludenet_build.people.detect.inference import cached_model

CLEAR = 0.25
"""Least score of a person."""
LOOKS = 24
"""Frames of a clip that are searched, evenly spaced."""
ON = 0.3
"""Least IoU of a box with a person that it lies on."""

People = dict[int, np.ndarray]
"""Frame -> people, float32 (N, 4), x1 y1 x2 y2 in pixels."""


def people_in(path: Path, frames: int, weights: Path, threads: int, cache: Path | None) -> People:
    """The people of some of the first `frames` frames; kept in the folder `cache`."""
    kept = None if cache is None else cache / f"{path.name}.npz"
    if kept is not None and kept.is_file():
        with np.load(kept) as stored:
            return {int(name): stored[name] for name in stored.files}
    found = _searched(path, frames, weights, threads)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, **{str(number): boxes for number, boxes in found.items()})
    return found


def _searched(path: Path, frames: int, weights: Path, threads: int) -> People:
    settings = Detect(backend="yolo", weights=str(weights), device="cpu")
    model = cached_model(settings, threads)
    found = {}
    for number, picture in rgb_frames(path):
        if number >= frames:
            break
        if number % max(1, frames // LOOKS) == 0:
            size = picture.shape[1], picture.shape[0]
            boxes, scores = model.finish(model.start([model.prepare(picture)]), [size])[0]
            found[number] = boxes[scores >= CLEAR]
    return found


@dataclass(frozen=True)
class Hits:
    """How the actor's boxes lie on people."""

    frames: int
    """Searched frames with an actor's box."""
    on: int
    """Of these, frames whose box lies on a person."""

    @property
    def share(self) -> float:
        """on / frames, 0 to 1; NaN without frames."""
        return self.on / self.frames if self.frames else float("nan")


def hits(actor: dict[int, np.ndarray], people: People) -> Hits:
    """actor: frame -> box float32 (4,), pixels of the same picture."""
    shared = sorted(set(actor) & set(people))
    on = [
        float(geometry.iou(actor[frame][None], people[frame]).max(initial=0)) >= ON
        for frame in shared
    ]
    return Hits(len(shared), sum(on))
