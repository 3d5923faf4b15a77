"""One video from its boxes to its best windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from occludenet_build.config import Proposals
from occludenet_build.core.build import Boxes
from occludenet_build.core.errors import ItemError
from occludenet_build.core.ledger import Result, attempt
from occludenet_build.proposals import WINDOWS, people, windows
from occludenet_build.proposals.hiding import Sight, sights
from occludenet_build.proposals.scene import stretches
from occludenet_build.proposals.sheets import Sheet, sheets


@dataclass(frozen=True)
class Job:
    """All that a worker needs for one video."""

    video: dict[str, Any]
    """Its row of the index."""
    boxes: Boxes
    """Everybody's, as detect stores them."""
    key: str
    settings: Proposals
    problem: ItemError | None = None
    """Why it cannot be looked at, where that is known beforehand."""


def search(job: Job) -> Result:
    """The windows of one video. A video that does not read becomes a failed row."""
    return attempt({"clip": job.video["clip"], "key": job.key}, lambda: _look(job))


def _look(job: Job) -> tuple[dict[str, Any], pa.Table]:
    if job.problem is not None:
        raise job.problem
    video, settings = job.video, job.settings
    view = people.View(video["width"], video["height"], video["fps"])
    tracks = people.tracks(job.boxes, view)
    seen: dict[int, list[Sight]] = {}
    cuts: list[float] = []
    fixed: list[bool] = []
    for stretch in stretches(video["path"]) if tracks else ():
        for track, here in sights(tracks, stretch, view).items():
            seen.setdefault(track, []).extend(here)
        cuts += stretch.cuts
        fixed += [stretch.fixed] * len(stretch.glimpses)
    found = windows.best(seen, video["duration_seconds"], cuts, settings)
    made = [one for one in sheets(video["path"], found) if one.blur <= settings.max_blur]
    share = float(np.mean(fixed)) if fixed else None
    facts = {"people": len(tracks), "candidates": len(made), "fixed": share}
    return facts, _detail(video["clip"], made)


def _detail(clip: str, made: list[Sheet]) -> pa.Table:
    rows = [
        {
            "clip": clip,
            "start_seconds": one.window.start,
            "end_seconds": one.window.end,
            "track": one.window.track,
            "score": one.window.hidden,
            "present": one.window.present,
            "measured": one.window.measured,
            "shown": one.window.shown,
            "blur": one.blur,
            "sheet": one.jpeg,
        }
        for one in made
    ]
    return pa.Table.from_pylist(rows, WINDOWS)
