"""What a network finds in the test sets: tubes, AP, and where its attention is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from occludenet_build.action_detection.attention import Shares, area_shares, attention_mass
from occludenet_build.action_detection.average_precision import estimates
from occludenet_build.action_detection.linking import DetectedTube, link
from occludenet_build.action_detection.matching import VideoScore, match_frames, match_tubes
from occludenet_build.action_detection.moc.detecting import Asked, detect
from occludenet_build.action_detection.moc.training import TrainedDetector
from occludenet_build.action_detection.truth import TubeSet, TubeVideo
from occludenet_build.config.moc import Moc
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.tables import column
from occludenet_build.core.torch_models import resolve_device

Row = dict[str, Any]

TUBES = pa.schema(
    [
        column("set", "string", "clean, D-25, ..., or one with a static occluder: clean_25"),
        column("video", "string", "the source clip, or <class>/<video> of a pickle"),
        column("split", "string", "split of the video"),
        column("label", "string", "class of the action"),
        column("score", "float32", "mean score of the linked tubelets, 0 to 1"),
        column("first", "int32", "first frame, from 0; the others follow without a gap"),
        column("boxes", pa.list_(pa.float32()), "x1, y1, x2, y2 of each frame after the other, "
               "pixels; x2 and y2 are the last column and row"),
        column("scores", pa.list_(pa.float32()), "score of each frame's box"),
    ]
)  # fmt: skip
"""A row per detected tube."""

ATTENTION = pa.schema(
    [
        column("set", "string", "the set"),
        column("video", "string", "the video"),
        column("group", "string", "videos of one group are not independent"),
        column("frames", "int32", "frames in which something of the actor is seen"),
        *(
            column(f"{kind}{part}", "float64", f"mean over these frames of the share of {of} on "
                   f"{where}, 0 to 1")
            for kind, of in (("", "the attention"), ("area_", "the picture"))
            for part, where in (("actor", "what is seen of the actor"),
                                ("occluder", "the occluder"), ("background", "all else"))
        ),
    ]
)  # fmt: skip
"""A row per video with masks, of networks with attention."""


@dataclass
class Evaluated:
    """Rows of the tables that an evaluation writes."""

    tubes: list[Row] = field(default_factory=list)
    attention: list[Row] = field(default_factory=list)
    ap: list[Row] = field(default_factory=list)
    """set, metric, value, low, high in percent, n videos, groups, classes."""
    skipped: list[Row] = field(default_factory=list)
    """set, clip, reason and detail of what has no answer."""
    videos: int = 0


def evaluate(trained: TrainedDetector, sets: Sequence[TubeSet], settings: Moc) -> Evaluated:
    """Find tubes in all videos of the sets, and compare them with the truth.

    `settings`: of the evaluation; frames, sizes and classes are those of the training. Raises
    UserError where no video of a set can be read.
    """
    device = resolve_device(settings.device)
    trained.model.to(device)
    asked = Asked.of(trained.settings, settings, device)
    released = "soft_nms" in settings.as_released
    result = Evaluated()
    for one in sets:
        result.skipped += [
            _skipped(one.name, name, error) for name, error in sorted(one.left_out.items())
        ]
        scores, groups = [], []
        for video, found in detect(trained.model, one.videos, asked):
            if isinstance(found, ItemError):
                result.skipped.append(_skipped(one.name, video.name, found))
                continue
            tubes = link(found.tubelets, released)
            frame = match_frames(found.tubelets, video.tubes, len(one.labels), released=released)
            scores.append(VideoScore(frame, match_tubes(tubes, video.tubes, len(one.labels))))
            groups.append(video.group)
            result.tubes += _tube_rows(one, video, tubes)
            result.attention += _attention_rows(one.name, video, found.attention)
        if not scores:
            raise UserError(
                f"moc.tests: wanted videos of {one.name} that can be read, got none of "
                f"{len(one.videos)}, first {result.skipped[-1]['reason']}; see whether they are "
                "within reach, or name another set"
            )
        result.videos += len(scores)
        result.ap += _ap_rows(one.name, scores, groups, released)
    return result


def _skipped(set_: str, video: str, error: ItemError) -> Row:
    return {"set": set_, "clip": video, "reason": error.reason, "detail": error.detail}


def _ap_rows(
    set_: str, scores: Sequence[VideoScore], groups: Sequence[str], released: bool
) -> Iterator[Row]:
    for one in estimates(scores, groups, released=released):
        percent = {name: 100 * getattr(one, name) for name in ("value", "low", "high")}
        counts = {"n": one.n, "groups": one.groups, "classes": one.classes}
        yield {"set": set_, "metric": one.metric, **percent, **counts}


def _tube_rows(one: TubeSet, video: TubeVideo, tubes: Sequence[DetectedTube]) -> Iterator[Row]:
    for tube in tubes:
        yield {
            "set": one.name,
            "video": video.name,
            "split": video.split,
            "label": one.labels[tube.label],
            "score": tube.score,
            "first": int(tube.rows[0, 0]) - 1,
            "boxes": tube.rows[:, 1:5].ravel().tolist(),
            "scores": tube.rows[:, 5].tolist(),
        }


def _attention_rows(set_: str, video: TubeVideo, attention: Sequence[np.ndarray]) -> Iterator[Row]:
    """The row of a video; none without attention, or where no mask of the actor is known."""
    found: list[tuple[Shares, Shares]] = []
    for number, where in enumerate(attention):
        actor = video.actor(number)
        if actor is not None and actor.any():
            occluder = video.occluder(number)
            found.append((attention_mass(where, actor, occluder), area_shares(actor, occluder)))
    if not found:
        return
    means = np.nanmean(np.array(found, np.float64), axis=0)
    row: Row = {"set": set_, "video": video.name, "group": video.group, "frames": len(found)}
    for kind, shares in zip(("", "area_"), means.tolist(), strict=True):
        row |= {f"{kind}{part}": share for part, share in zip(Shares._fields, shares, strict=True)}
    yield row
