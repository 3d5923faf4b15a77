"""The measurement of one clip: its boxes, the masks of everybody, and the rows of its frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from occludenet_build.config.measure import Measure
from occludenet_build.core import tables
from occludenet_build.core.build import ClipBoxes, DetailStore
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import short_hash
from occludenet_build.core.ledger import ClipResult, attempt, lost
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.media.video.source import check_indexed
from occludenet_build.occlusion.counterfactual import count_unerased
from occludenet_build.occlusion.measure import FRAMES
from occludenet_build.occlusion.measure.frame_rows import ActorFrame, frame_row
from occludenet_build.occlusion.measure.hiding import Hiding
from occludenet_build.occlusion.measure.scene import Scene
from occludenet_build.occlusion.measure.still_objects import read_objects
from occludenet_build.people.maskers.everyone import masks_of_everyone
from occludenet_build.people.maskers.interface import Masker, TrackKey

NOT_MEASURABLE = ("no_actor", "no_mask", "camera_moves", "no_person_like_motion", "duplicate")
"""Reasons for which a clip is not measured although it is whole: it stays a clip of its set."""
_LEAST_SECONDS = 0.25
"""Shorter tracks, but the actor's, are taken for errors of the detector."""
_SAME = 0.7
"""Median IoU of two tracks from which they are one person, detected twice."""

Boxes = dict[TrackKey, dict[int, np.ndarray]]
"""Person -> frame -> box float32 (4,), x1 y1 x2 y2, pixels."""


@dataclass(frozen=True)
class MeasureJob:
    """Everything that a worker process needs for one clip."""

    row: dict[str, Any]
    """The clip's row in the index's shard."""
    boxes: Path
    """The folder detect/store."""
    found: dict[str, Any] | None
    """The clip's row in detect's manifest; None if it has none."""
    set: str
    objects: Mapping[str, Path]
    """Name -> mask of an object that stays in place."""
    settings: Measure
    facts: dict[str, Any]
    """Columns that are known before measuring."""


def measure_clip(job: MeasureJob, masker: Masker) -> ClipResult:
    """The measurement of one clip, or a row with the reason why there is none."""
    return attempt(_known(job), lambda: _measured(job, masker), skipped=NOT_MEASURABLE)


def lost_clip(job: MeasureJob, error: ItemError) -> ClipResult:
    """The row of a clip whose worker had to be ended or died."""
    return lost(_known(job), error)


def _known(job: MeasureJob) -> dict[str, Any]:
    return {"clip": job.row["clip"]} | job.facts


def _measured(job: MeasureJob, masker: Masker) -> tuple[dict[str, Any], pa.Table]:
    """The columns of ROWS and the rows of FRAMES."""
    seen = _boxes(job)
    actor = seen.actor
    acting = dict(zip(actor.frames.tolist(), actor.keys, strict=True))
    scene = _scene(job, masker, people_of(seen, job.row["fps"]), seen)
    if not any(scene.masks.get(key, {}).get(frame) for frame, key in acting.items()):
        raise ItemError("no_mask", f"in none of {len(acting)} frames with a box of the actor")
    hiding = Hiding(scene, job.settings.max_seconds, job.settings.max_error)
    hiding.measure(Path(job.row["path"]))
    filled = set(actor.frames[actor.is_filled].tolist())
    rows = [
        {"clip": job.row["clip"], "set": job.set}
        | frame_row(hiding, number, ActorFrame(acting, number in filled), job.settings.min_hidden)
        for number in range(scene.frames)
    ]
    return _summary(job, rows, seen, scene), tables.from_rows(rows, FRAMES)


def _boxes(job: MeasureJob) -> ClipBoxes:
    """The boxes of all people. Raises ItemError where detect has none, or no actor."""
    found = job.found
    if found is None:
        raise ItemError("no_boxes", "no manifest of detect has it")
    if found["status"] != "ok":
        raise ItemError(found["reason"], found["detail"] or "")
    check_indexed(Path(job.row["path"]), job.row["sha256"])
    with DetailStore(job.boxes) as store:
        seen = ClipBoxes.of(store.rows(job.row["clip"], job.row["shard"]))
    if not len(seen.actor):
        raise ItemError("no_actor")
    return seen


def _scene(job: MeasureJob, masker: Masker, people: Boxes, seen: ClipBoxes) -> Scene:
    row, score = job.row, job.settings.object_score if job.settings.objects else None
    size = row["height"], row["width"]
    found = masks_of_everyone(masker, Path(row["path"]), row["frames"], people, score)
    filled = seen.where(seen.is_filled)
    return Scene(
        size,
        row["frames"],
        row["fps"],
        people,
        found.people,
        frozenset(zip(filled.keys, filled.frames.tolist(), strict=True)),
        read_objects(dict(job.objects), size),
        found.objects,
    )


def people_of(seen: ClipBoxes, fps: float) -> Boxes:
    """The boxes of everybody who is measured: without short tracks and second tracks of a person.

    Of two tracks that follow one person the actor's counts, else the longer one.
    """
    found: Boxes = {}
    acting: set[TrackKey] = set()
    facts = (seen.keys, seen.frames.tolist(), seen.is_actor, seen.xyxy)
    for key, frame, is_actor, box in zip(*facts, strict=True):
        found.setdefault(key, {})[frame] = box
        if is_actor:
            acting.add(key)
    order = sorted(found, key=lambda key: (key not in acting, -len(found[key]), key))
    kept: Boxes = {}
    for key in order:
        is_long = len(found[key]) >= _LEAST_SECONDS * fps
        if (is_long or key in acting) and not any(_is_same(found[key], kept[k]) for k in kept):
            kept[key] = found[key]
    return dict(sorted(kept.items()))


def _is_same(one: dict[int, np.ndarray], other: dict[int, np.ndarray]) -> bool:
    """Whether two tracks follow one person: at the same place in most frames of the first."""
    both = sorted(one.keys() & other.keys())
    if 2 * len(both) <= len(one):
        return False
    pairs = [np.stack([one[f], other[f]]) for f in both]
    return float(np.median([geometry.iou(p[:1], p[1:])[0, 0] for p in pairs])) > _SAME


def _summary(
    job: MeasureJob, rows: list[dict[str, Any]], seen: ClipBoxes, scene: Scene
) -> dict[str, Any]:
    occluded = [row for row in rows if row["occluded"]]
    with_actor = [row for row in rows if row["actor_track"] is not None]
    shares: Counter[tuple[str, str]] = Counter()
    for row in occluded:
        track = row["occluder_track"]
        name = f"object:{row['occluder_name']}" if track is None else f"person:{track}"
        shares[name, row["occluder_name"]] += row["actor_hidden"]
    most = min(shares, key=lambda pair: (-shares[pair], pair)) if shares else (None, None)
    unerased = count_unerased(seen, [row["frame"] for row in rows if row["actor_rle"]])
    coded = (f"{row['frame']}:{row['actor_rle'].hex()}" for row in rows if row["actor_rle"])
    return {
        "frames": scene.frames,
        "height": scene.size[0],
        "width": scene.size[1],
        "people": len(scene.masks),
        "actor_frames": len(with_actor),
        "occluded_frames": len(occluded),
        "unknown_frames": sum(row["occluded"] is None for row in with_actor),
        "occluder": most[0],
        "category": most[1],
        "degree": _mean(occluded, "degree") or 0.0,
        "area_ratio": _mean(occluded, "box_hidden") or 0.0,
        "actor_hidden": _mean(occluded, "actor_hidden"),
        "hidden_error": _mean(occluded, "hidden_error"),
        "unerased_frames": unerased.frames,
        "shown_frames": unerased.shown,
        "masks_hash": short_hash(*coded),
    }


def _mean(rows: list[dict[str, Any]], name: str) -> float | None:
    values = [row[name] for row in rows if row[name] is not None]
    return float(np.mean(values)) if values else None
