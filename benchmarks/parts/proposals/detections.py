"""What a detector and tracker make of a scene: noisy boxes, missing ones, a wrong one now and then.

`visible`: boxes end where the visible part ends. `whole`: boxes of whole people, as detectors that
were trained on whole boxes give.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from occludenet_build.config import Config
from occludenet_build.config.occlusion import Quota, Select
from occludenet_build.config.people import Detect
from occludenet_build.config.sources import Index
from occludenet_build.core import tables
from occludenet_build.core.build import ClipBoxes, detail_file, read_clip_rows
from occludenet_build.people.detect.command import run as detect_run
from occludenet_build.sources.acquire.videos import VIDEOS as LISTED
from occludenet_build.sources.index.command import run as index_run
from parts.proposals.drawing import Seen

BOXES = ("visible", "whole", "motion")
_NOISE, _MISSED = 0.02, 0.04
"""Standard deviation of a box's edge, share of its height; share of boxes that are missed."""


def boxes_of(kind: str, seen: list[Seen], seed: int) -> ClipBoxes:
    """The boxes of everybody; `kind`: visible or whole."""
    random = np.random.default_rng([seed, BOXES.index(kind)])
    rows = []
    for one in sorted(seen, key=lambda one: (one.frame, one.person)):
        box = one.visible if kind == "visible" or one.visible is None else one.whole
        if box is None or random.random() < _MISSED:
            continue
        tall = box[3] - box[1]
        rows.append((one.frame, np.array(box) + random.normal(0, _NOISE * tall, 4), one.person))
    count = len(rows)
    return ClipBoxes(
        np.array([row[0] for row in rows], np.int32),
        np.array([row[1] for row in rows], np.float32).reshape(count, 4),
        np.array([row[2] for row in rows], np.int32),
        np.zeros(count, np.int32),
        np.zeros(count, bool),
        np.zeros(count, bool),
    )


def detected_by_motion(path: Path, folder: Path) -> ClipBoxes:
    """The boxes of the stages index and detect with the backend motion; none where it refuses."""
    config = Config(
        index=Index(shards=1),
        detect=Detect(backend="motion"),
        select=Select(quota=Quota(None, None, None)),
    )
    row = {"clip": path.stem, "path": str(path), "label": "drawn", "split": "test"}
    row |= {"status": "ok", "reason": None, "detail": None}
    tables.write_table(tables.from_rows([row], LISTED), folder / "listed.parquet")
    out = folder / "index/videos.parquet"
    index_run(argparse.Namespace(videos=folder / "listed.parquet", out=out, threads=1), config)
    shard, boxes = folder / "index/shards/000.parquet", folder / "detect/000.parquet"
    detect_run(argparse.Namespace(videos=shard, weights=None, threads=1, out=boxes), config)
    return ClipBoxes.of(read_clip_rows(detail_file(boxes), path.stem))
