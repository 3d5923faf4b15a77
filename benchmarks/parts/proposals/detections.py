"""What a detector and tracker make of a scene: noisy boxes, missing ones, a wrong one now and then.

`visible`: boxes end where the visible part ends. `whole`: boxes of whole people, as detectors that
were trained on whole boxes give.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from parts.proposals.drawing import FPS, Seen

from occludenet_build.config.people import Detect
from occludenet_build.core.build import ClipBoxes
from occludenet_build.media.video.source import rgb_frames
from occludenet_build.people.detect.to_table import rows_of
from occludenet_build.people.detectors import motion
from occludenet_build.people.detectors.interface import IndexedClip
from occludenet_build.core.errors import ItemError

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


def detected_by_motion(path: Path, size: tuple[int, int], frames: int) -> ClipBoxes:
    """The boxes that the stage detect finds with its backend motion; none where it refuses."""
    settings = Detect(backend="motion", actor="prominent")
    clip = IndexedClip(path.stem, str(path), *size, frames, float(FPS))
    try:
        detector = motion.Motion(settings)
        cuts, parts = motion.survey(clip)
        found = [one.found for one in detector.search(parts, rgb_frames(path))]
        _, table = rows_of(clip, settings, found, cuts)
    except ItemError:
        return ClipBoxes.of(None)
    return ClipBoxes.of(table)
