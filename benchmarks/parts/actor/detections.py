"""The person boxes of a clip, from the model or from a cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from occludenet_build.config.people import Detect
from occludenet_build.core.files import sha256_file
from occludenet_build.media.video.source import open_container, open_video, rgb_frames
from occludenet_build.people.detect import inference
from occludenet_build.people.detectors.interface import FrameDetections, IndexedClip
from occludenet_build.people.tracking.shots import CutFinder

BATCH = 8


@dataclass(frozen=True)
class Detections:
    """What the tracker gets of one clip."""

    clip: IndexedClip
    sha256: str
    cuts: list[int]
    found: list[FrameDetections]


def read_detections(
    path: Path, settings: Detect, threads: int, cache: Path | None = None
) -> Detections:
    """Detect the people of a clip in every frame, or read them from the folder `cache`."""
    digest = sha256_file(path)
    stored = cache / f"{digest[:16]}.npz" if cache else None
    if stored is not None and stored.exists():
        return _load(stored, path, digest)
    made = _detect(path, digest, settings, threads)
    if stored is not None:
        stored.parent.mkdir(parents=True, exist_ok=True)
        _save(stored, made)
    return made


def _detect(path: Path, digest: str, settings: Detect, threads: int) -> Detections:
    model, finder = inference.cached_model(settings, threads), CutFinder()
    found: list[FrameDetections] = []
    batch: list[np.ndarray] = []

    def flush() -> None:
        if batch:
            sizes = [picture.shape[1::-1] for picture in batch]
            started = model.start([model.prepare(picture) for picture in batch])
            for people in model.finish(started, sizes):
                found.append(FrameDetections(len(found), *people))
            batch.clear()

    width = height = 0
    for _, picture in finder.watch(rgb_frames(path)):
        height, width = picture.shape[:2]
        batch.append(picture)
        if len(batch) == BATCH:
            flush()
    flush()
    clip = IndexedClip(path.name, str(path), width, height, len(found), _rate(path))
    return Detections(clip, digest, finder.cuts, found)


def _rate(path: Path) -> float:
    with open_container(path), open_video(path) as source:
        return float(source.stream.average_rate or 25)


def _save(stored: Path, made: Detections) -> None:
    counts = [len(f.boxes) for f in made.found]
    np.savez(
        stored,
        facts=np.array([made.clip.width, made.clip.height, made.clip.fps]),
        cuts=np.array(made.cuts, np.int64),
        counts=np.array(counts, np.int64),
        boxes=np.concatenate([f.boxes for f in made.found]),
        scores=np.concatenate([f.scores for f in made.found]),
    )


def _load(stored: Path, path: Path, digest: str) -> Detections:
    with np.load(stored) as kept:
        width, height, fps = kept["facts"].tolist()
        ends = np.cumsum(kept["counts"])[:-1]
        parts = zip(np.split(kept["boxes"], ends), np.split(kept["scores"], ends), strict=True)
        found = [FrameDetections(number, *part) for number, part in enumerate(parts)]
        clip = IndexedClip(path.name, str(path), int(width), int(height), len(found), fps)
        return Detections(clip, digest, kept["cuts"].tolist(), found)
