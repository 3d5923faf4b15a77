"""From the boxes of one clip to its rows: tracks by shot, the actor, the columns of the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from occludenet_build.config.people import Detect
from occludenet_build.core import tables
from occludenet_build.core.files import short_hash
from occludenet_build.media.imaging import boxes as geometry
from occludenet_build.people.detect import BOXES
from occludenet_build.people.detectors.interface import FrameDetections, IndexedClip
from occludenet_build.people.tracking import actor, same_person, tracks
from occludenet_build.people.tracking.tracks import Track


def rows_of(
    clip: IndexedClip, settings: Detect, found: list[FrameDetections], cuts: list[int]
) -> tuple[dict[str, Any], pa.Table]:
    """The manifest's columns, STATUS included, and the rows of BOXES of one clip.

    `found`: detections of every frame, or of every k-th with a stride; `cuts`: the first frame of
    every shot but the first.
    """
    stride = tracks.frame_stride(settings)
    shots = tracks.tracks_by_shot_with_stride(
        found, cuts, tracks.track_rules(clip, settings), stride, clip.frames
    )
    if not any(detections.tracks is not None for detections in found):
        joining = same_person.join_rules(clip, settings)
        shots = [same_person.join_tracks(shot, joining) for shot in shots]
    lengths = np.diff([0, *cuts, clip.frames]).tolist()
    acting = actor.choose_actor(
        shots, lengths, actor.actor_rules(clip, settings), _named(clip, shots)
    )
    shots = [_as_tracked(*pair) for pair in zip(shots, acting, strict=True)]
    detail = _detail(clip.name, shots, acting, stride)
    everyone = [t for shot in shots for t in shot]
    actors = [t for shot in acting for t in shot]
    filled = detail.filter(pc.and_(detail["filled"], detail["actor"]))
    facts = {
        "status": "ok" if actors else "skipped",
        "reason": None if actors else "no_actor",
        "detail": None if actors else _why_no_actor(everyone, settings),
        "frames": clip.frames,
        "shots": len(shots),
        "boxes": len(detail),
        "tracks": len({t.number for t in everyone}),
        "actor_track": max(actors, key=lambda t: len(t.frames)).number if actors else None,
        "actor_frames": sum(len(t.frames) for t in actors),
        "filled_frames": len(filled),
        "boxes_hash": _content_hash(detail),
    }
    return facts, detail


def _as_tracked(everyone: Sequence[Track], acting: Sequence[Track]) -> list[Track]:
    """The tracks of a shot, joined where they are the actor's.

    The others stay as the tracker made them: nothing depends on them, and where the boxes of a clip
    are the same as before, no later stage makes it again.
    """
    actors = {track.number for track in acting}
    return [
        part
        for track in everyone
        for part in (() if track.number in actors else track.parts) or (track,)
    ]


def _named(clip: IndexedClip, shots: Sequence[Sequence[Track]]) -> dict[int, int]:
    """Frame -> track of the box that the user's file marks as the actor's; empty without marks."""
    given = clip.given
    if given is None or given.actors is None:
        return {}
    marked = dict(zip(given.frames[given.actors].tolist(), given.boxes[given.actors], strict=True))
    return {
        frame: track.number
        for tracks_ in shots
        for track in tracks_
        for frame, box in zip(track.frames.tolist(), track.boxes, strict=True)
        if frame in marked and np.array_equal(box, marked[frame])
    }


def _why_no_actor(everyone: list[Track], settings: Detect) -> str:
    if not everyone:
        return "no box in any frame"
    if settings.actor == "file":
        return f"{len(everyone)} tracks, none of them named as the actor's in {settings.boxes}"
    longest = max(len(t.frames) for t in everyone)
    best = max(float(t.scores.max()) for t in everyone)
    return (
        f"{len(everyone)} tracks, the longest of {longest} boxes, the best score {best:.2f}: none "
        f"reaches min_track_seconds {settings.min_track_seconds:g} and "
        f"actor_score {settings.actor_score:g}"
    )


def _detail(
    clip: str,
    shots: Sequence[Sequence[Track]],
    acting: Sequence[Sequence[Track]],
    stride: int,
) -> pa.Table:
    """Rows of BOXES, sorted by frame and track."""
    # An empty part gives the columns their types where there is no box.
    parts = [_rows(Track(0, np.zeros(0, int), geometry.empty(), np.zeros(0)), 0, np.zeros(0, bool))]
    for shot, (everyone, actors) in enumerate(zip(shots, acting, strict=True)):
        frames_of = {t.number: t.frames for t in actors}
        parts += [_rows(t, shot, np.isin(t.frames, frames_of.get(t.number, ()))) for t in everyone]
        parts += [
            _rows(t, shot, np.ones(len(t.frames), bool)) for t in _extra_boxes(actors, everyone)
        ]
    return _table(clip, parts, stride)


def _table(clip: str, parts: list[dict[str, np.ndarray]], stride: int) -> pa.Table:
    """The parts as one table; boxes between the strides are marked as filled."""
    columns = {
        name: np.concatenate([part[name] for part in parts])
        for name in BOXES.names
        if name != "clip"
    }
    unseen = tracks.unseen_frames(columns["frame"], stride)
    columns["filled"] = columns["filled"] | unseen
    columns["score"] = np.where(unseen, np.float32(np.nan), columns["score"])
    order = np.lexsort((columns["track"], columns["frame"]))
    table: dict[str, pa.Array] = {"clip": pa.array([clip] * len(order), pa.string())}
    for name, values in columns.items():
        array = pa.array(values[order], from_pandas=name == "score")
        table[name] = array.cast(BOXES.field(name).type)
    return pa.table(table).select(BOXES.names).cast(BOXES)


def _extra_boxes(actors: Sequence[Track], everyone: Sequence[Track]) -> list[Track]:
    """The actor's boxes that are in no track: filled boxes, and the boxes of a group."""
    tracked = {t.number for t in everyone}
    extra = []
    for track in actors:
        new = np.isnan(track.scores) | (track.number not in tracked)
        extra.append(Track(track.number, track.frames[new], track.boxes[new], track.scores[new]))
    return extra


def _rows(track: Track, shot: int, acting: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of BOXES of one track; `acting` bool (K,): its boxes that are the actor's."""
    count = len(track.frames)
    return {
        "frame": track.frames.astype(np.int32),
        "shot": np.full(count, shot, np.int32),
        "track": np.full(count, track.number, np.int32),
        "actor": acting,
        "filled": np.isnan(track.scores),
        "score": track.scores,
    } | {name: track.boxes[:, k] for k, name in enumerate(("x1", "y1", "x2", "y2"))}


def _content_hash(detail: pa.Table) -> str:
    """A hash over every value of the rows except the clip's name."""
    return short_hash(tables.table_digest(detail.drop_columns(["clip"])))
