"""One clip from its file to its rows, by a detector that sees one clip at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa

from occludenet_build.config import Detect
from occludenet_build.core.ledger import Result, attempt
from occludenet_build.core.video.source import rgb_frames
from occludenet_build.detect import backends
from occludenet_build.detect.backend import Clip, Detector
from occludenet_build.detect.cuts import CutFinder
from occludenet_build.detect.rows import rows_of
from occludenet_build.detect.streams import checked


@dataclass(frozen=True)
class Job:
    """All that a worker process needs for one clip."""

    clip: Clip
    key: str
    settings: Detect
    weights_sha256: str | None


@cache
def _detector(settings: Detect) -> Detector:
    return backends.detector(settings)


def search(job: Job) -> Result:
    """Find the people of one clip. A clip that does not read becomes a failed row."""
    detector = _detector(job.settings)
    return attempt(first_columns(job), lambda: _look(job.clip, job.settings, detector))


def first_columns(job: Job) -> dict[str, Any]:
    """What is known of a clip's row before any work."""
    return {
        "clip": job.clip.name,
        "key": job.key,
        "backend": job.settings.backend,
        "weights_sha256": job.weights_sha256,
    }


def _look(clip: Clip, settings: Detect, detector: Detector) -> tuple[dict[str, Any], pa.Table]:
    finder = CutFinder()
    frames = finder.watch(checked(clip, rgb_frames(clip.path)))
    return rows_of(clip, settings, list(detector.find(clip, frames)), finder.cuts)
