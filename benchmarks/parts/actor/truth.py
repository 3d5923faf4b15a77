"""The actor's boxes by hand, and what the rows of detect are compared by."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from occludenet_build.media.imaging import boxes as geometry

SAME = 0.3
"""Least IoU of the actor's box and the box by hand for the same person: one without an arm counts,
another person beside the actor does not."""

Truth = dict[str, dict[int, np.ndarray]]
"""sha256 of a clip -> frame -> box of the actor, float32 (4,), pixels."""


def read_truth() -> Truth:
    """The boxes in truth.csv."""
    truth: Truth = defaultdict(dict)
    with (Path(__file__).parent / "truth.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            box = np.float32([row[side] for side in ("x1", "y1", "x2", "y2")])
            truth[row["sha256"]][int(row["frame"])] = box
    return dict(truth)


@dataclass(frozen=True)
class Outcome:
    """How the actor of one clip was followed."""

    frames: int
    """Frames with a box of a person."""
    boxed: int
    """Of these, frames with the actor's box."""
    looked: int = 0
    """Frames with a box by hand."""
    right: int = 0
    """Of these, frames in which the actor's box is on the actor."""
    wrong: int = 0
    """Frames in which it is on somebody else; in the rest there is none."""
    switches: int = 0
    """Changes from the actor to somebody else or back, between frames with a box by hand."""


def outcome(detail: pa.Table, by_hand: dict[int, np.ndarray]) -> Outcome:
    """Compare the rows of BOXES of one clip with the boxes by hand."""
    frames, acting = np.asarray(detail["frame"]), np.asarray(detail["actor"])
    sides = np.stack([np.asarray(detail[side]) for side in ("x1", "y1", "x2", "y2")], axis=1)
    actor = dict(zip(frames[acting].tolist(), sides[acting], strict=True))
    seen = [
        _is_same(actor[frame], box) if frame in actor else None
        for frame, box in sorted(by_hand.items())
    ]
    known = [same for same in seen if same is not None]
    return Outcome(
        frames=len(np.unique(frames)),
        boxed=len(actor),
        looked=len(seen),
        right=sum(known),
        wrong=len(known) - sum(known),
        switches=sum(one != other for one, other in pairwise(known)),
    )


def _is_same(box: np.ndarray, by_hand: np.ndarray) -> bool:
    return bool(geometry.iou(box[None], by_hand[None])[0, 0] >= SAME)
