"""mots: MOTS text files, in the folders of MOTSChallenge.

    <set>/MOTS-<split>/<sequence>/img1/000001.jpg    the frames, from 000001
    <set>/MOTS-<split>/<sequence>/gt/gt.txt
    <set>/MOTS-<split>/<sequence>/seqinfo.ini
    <set>/seqmaps/MOTS-<split>.txt                   `name`, then the sequences, one a line

A line of gt.txt (vision.rwth-aachen.de/page/mots): `time_frame id class_id img_height img_width
rle`, frames from 1. The actor has id 2001 and class 2, pedestrian: what is visible of it. Other
people, of whom the build has boxes and no masks, are ignored: id 10000, class 10, their boxes
without the actor and the pasted occluder, which is background: MOTS has no class for it.
Readers: mots_tools, TrackEval.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from occludenet_build.dataset.clips import ExportClip, FrameFacts, by_split
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.objects import (
    ACTOR,
    frames_at,
    masked_clips,
    objects_of,
    sequence_names,
)
from occludenet_build.media.imaging import masks

PEDESTRIAN, IGNORED = 2, 10
ACTOR_ID, IGNORED_ID = PEDESTRIAN * 1000 + ACTOR, IGNORED * 1000


def write(job: Job) -> dict[str, Any]:
    """Write the format; returns the counts for export.json. Raises UserError without masks."""
    counts: Counter[str] = Counter()
    names = sequence_names(job)
    paths = {c.name: f"{c.set}/MOTS-{c.split}/{names[c.name]}/img1" for c in job.clips}
    masked = masked_clips(job, "mots")
    for set_, split, kept in by_split(frames_at(job, masked, paths, "{:06d}.jpg", 1)):
        for clip in kept:
            lines = list(_lines(clip, job.build.frames(clip), job.build.others(clip)))
            sequence = f"{set_}/MOTS-{split}/{names[clip.name]}"
            job.output.text(f"{sequence}/gt/gt.txt", "".join(lines))
            job.output.text(f"{sequence}/seqinfo.ini", _seqinfo(clip, names[clip.name]))
            counts["masks"] += len(lines)
        listed = "".join(f"{names[clip.name]}\n" for clip in kept)
        job.output.text(f"{set_}/seqmaps/MOTS-{split}.txt", f"name\n{listed}")
        counts["sequences"] += len(kept)
    return dict(counts)


def _lines(
    clip: ExportClip, frames: list[FrameFacts], others: dict[int, np.ndarray]
) -> Iterator[str]:
    actor = next((one.rles for one in objects_of(clip, frames) if one.number == ACTOR), None)
    for facts in frames:
        if actor is not None and (rle := actor[facts.frame]) is not None:
            yield _line(clip, facts.frame, ACTOR_ID, rle)
        ignored = _ignored(clip, facts, others.get(facts.frame, np.zeros((0, 4))))
        if ignored is not None:
            yield _line(clip, facts.frame, IGNORED_ID, ignored)


def _line(clip: ExportClip, frame: int, number: int, rle: bytes) -> str:
    kind = number // 1000
    return f"{frame + 1} {number} {kind} {clip.height} {clip.width} {rle.decode('ascii')}\n"


def _ignored(clip: ExportClip, facts: FrameFacts, boxes: np.ndarray) -> bytes | None:
    """RLE of the boxes (K, 4) of other people without the actor and what is pasted; None if empty.

    What hides the actor in S, I and M may be one of these people.
    """
    region = np.zeros((clip.height, clip.width), bool)
    for x1, y1, x2, y2 in np.rint(boxes).astype(int).clip(0).tolist():
        region[y1:y2, x1:x2] = True
    for rle in (facts.visible_rle, facts.occluder_rle if clip.occluders else None):
        if rle is not None and region.any():
            region &= ~masks.decode(rle, clip.height, clip.width)
    return masks.encode(region) if region.any() else None


def _seqinfo(clip: ExportClip, name: str) -> str:
    """seqinfo.ini; motchallenge.net has the frame rate as a whole number or not."""
    facts = {"name": name, "imDir": "img1", "frameRate": f"{clip.fps:g}", "seqLength": clip.frames}
    facts |= {"imWidth": clip.width, "imHeight": clip.height, "imExt": ".jpg"}
    return "".join(["[Sequence]\n", *(f"{key}={value}\n" for key, value in facts.items())])
