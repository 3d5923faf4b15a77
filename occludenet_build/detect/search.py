"""One clip from its file to its rows: boxes, tracks, the actor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from occludenet_build.config import Detect
from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import short_hash
from occludenet_build.core.ledger import Result, attempt
from occludenet_build.core.video.source import rgb_frames
from occludenet_build.detect import BOXES, actor, tracks
from occludenet_build.detect.backend import Clip, Detector, Found, Frames
from occludenet_build.detect.backends import DETECTORS
from occludenet_build.detect.cuts import CutFinder


@dataclass(frozen=True)
class Job:
    """All that a worker process needs for one clip."""

    clip: Clip
    key: str
    settings: Detect
    weights_sha256: str | None
    threads: int


@cache
def _detector(settings: Detect, threads: int) -> Detector:
    return DETECTORS[settings.backend](settings, threads)


def search(job: Job) -> Result:
    """Find the people of one clip. A clip that does not read becomes a failed row."""
    row = {
        "clip": job.clip.name,
        "key": job.key,
        "backend": job.settings.backend,
        "weights_sha256": job.weights_sha256,
    }
    # The model first: a fault of it is the user's, not the clip's.
    detector = _detector(job.settings, job.threads)
    return attempt(row, lambda: _look(job.clip, job.settings, detector))


def _look(clip: Clip, settings: Detect, detector: Detector) -> tuple[dict[str, Any], pa.Table]:
    finder = CutFinder()
    frames = finder.watch(_checked(clip, rgb_frames(clip.path)))
    return rows_of(clip, settings, list(detector.find(clip, frames)), finder.cuts)


def _checked(clip: Clip, frames: Frames) -> Iterator[tuple[int, np.ndarray]]:
    """Frames as the index counted them; anything else is another file."""
    count = 0
    for number, picture in frames:
        if picture.shape[1::-1] != (clip.width, clip.height):
            got = f"{picture.shape[1]}x{picture.shape[0]}"
            raise ItemError("source_changed", f"{got} pixels, indexed {clip.width}x{clip.height}")
        count = number + 1
        yield number, picture
    if count != clip.frames:
        raise ItemError("source_changed", f"{count} frames, indexed {clip.frames}")


def rows_of(
    clip: Clip, settings: Detect, found: list[Found], cuts: list[int]
) -> tuple[dict[str, Any], pa.Table]:
    """Facts of the manifest, STATUS included, and the boxes of one clip."""
    shots = tracks.in_shots(found, cuts, _track_rules(clip, settings))
    edges = [0, *cuts, clip.frames]
    rules = _actor_rules(clip, settings)
    chosen = actor.choose(shots, np.diff(edges).tolist(), rules)
    detail = _detail(clip.name, shots, chosen, rules)
    flags = detail.select(["actor", "filled"]).to_pandas()
    everyone = [t for shot in shots for t in shot]
    acting = [t for t in chosen if t is not None]
    facts = {
        "status": "ok" if acting else "skipped",
        "reason": None if acting else "no_actor",
        "detail": None if acting else _nobody(everyone, settings),
        "frames": clip.frames,
        "boxes": len(detail),
        "tracks": len({t.number for t in everyone}),
        "actor_track": max(acting, key=lambda t: len(t.frames)).number if acting else None,
        "actor_frames": int(flags["actor"].sum()),
        "filled_frames": int(flags["filled"].sum()),
        "boxes_hash": _content_hash(detail),
    }
    return facts, detail


def _track_rules(clip: Clip, settings: Detect) -> tracks.Rules:
    # The user's own boxes are all meant, and each is a person.
    own = settings.backend == "file"
    return tracks.Rules(
        fps=clip.fps,
        score=0.0 if own else settings.score,
        track_iou=settings.track_iou,
        memory_seconds=max(tracks.MEMORY_SECONDS, settings.max_gap_seconds),
        same_person_iou=1.0 if own else tracks.SAME_PERSON_IOU,
    )


def _actor_rules(clip: Clip, settings: Detect) -> actor.Rules:
    return actor.Rules(
        policy=settings.actor,
        width=clip.width,
        height=clip.height,
        fps=clip.fps,
        min_track_seconds=settings.min_track_seconds,
        actor_score=0.0 if settings.backend == "file" else settings.actor_score,
        max_gap_seconds=settings.max_gap_seconds,
    )


def _nobody(everyone: list[tracks.Track], settings: Detect) -> str:
    if not everyone:
        return "no box in any frame"
    longest = max(len(t.frames) for t in everyone)
    best = max(float(t.scores.max()) for t in everyone)
    return (
        f"{len(everyone)} tracks, the longest of {longest} boxes, the best score {best:.2f}: none "
        f"reaches min_track_seconds {settings.min_track_seconds:g} and "
        f"actor_score {settings.actor_score:g}"
    )


def _detail(
    clip: str,
    shots: list[list[tracks.Track]],
    chosen: list[tracks.Track | None],
    rules: actor.Rules,
) -> pa.Table:
    """Rows of BOXES, sorted by frame and track."""
    parts = []
    for shot, acting in zip(shots, chosen, strict=True):
        parts += [_rows(t.number, t.frames, t.boxes, t.scores, t is acting) for t in shot]
        if acting is not None:
            frames, boxes = actor.gaps(acting, rules)
            parts.append(_rows(acting.number, frames, boxes, None, True))
    columns = {
        name: np.concatenate([part[name] for part in parts]) if parts else np.zeros(0)
        for name in BOXES.names
        if name != "clip"
    }
    order = np.lexsort((columns["track"], columns["frame"]))
    arrays = {name: values[order] for name, values in columns.items()}
    score = pa.array(arrays.pop("score"), pa.float32(), from_pandas=True)
    return (
        pa.table(
            {"clip": pa.array([clip] * len(order), pa.string()), "score": score}
            | {
                name: pa.array(values).cast(BOXES.field(name).type)
                for name, values in arrays.items()
            }
        )
        .select(BOXES.names)
        .cast(BOXES)
    )


def _rows(
    number: int, frames: np.ndarray, boxes: np.ndarray, scores: np.ndarray | None, is_actor: bool
) -> dict[str, np.ndarray]:
    """Columns of BOXES; without scores the boxes are filled ones."""
    count = len(frames)
    return {
        "frame": frames.astype(np.int32),
        "track": np.full(count, number, np.int32),
        "actor": np.full(count, is_actor),
        "filled": np.full(count, scores is None),
        "score": np.full(count, np.nan, np.float32) if scores is None else scores,
    } | {name: boxes[:, k] for k, name in enumerate(("x1", "y1", "x2", "y2"))}


def _content_hash(detail: pa.Table) -> str:
    """A hash over every value of the rows."""
    values = detail.drop_columns(["clip"]).to_pandas()
    return short_hash(*(values[name].to_numpy().tobytes().hex() for name in values.columns))
