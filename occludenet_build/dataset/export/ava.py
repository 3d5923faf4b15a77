"""AVA: the actor's box and action at one frame per second, for mmaction2's AVADataset.

    <set>/<split>.csv         `<video>,<frame>,<x1>,<y1>,<x2>,<y2>,<action id>,<person id>`
    <set>/action_list.pbtxt   action id, from 1, and class name
    <set>/<split>/<class>/<name>.mp4    the clips

Boxes are shares of the picture's width and height, 0 to 1; they are those of the whole actor, also
where the occluder hides a part. AVA counts in seconds of 30 frames. Clips here have their own frame
rates, so the second column is the number of the frame, from 1, and the readers must count by
frames: AVADataset with fps=1, start_index=0, timestamp_start=1, use_frames=False, data_prefix the
folder of the set. Then it decodes the clip and takes exactly this frame for the middle. Action id 0
is that of no action, so the ids are label id + 1, and num_classes the number of classes + 1. A
clip's frames are the middles of its seconds; those without a box of the actor have no line, and a
clip without a line is left out.
Source: AVA's download page for the columns; mmaction2 1.2.0, AVADataset, SampleAVAFrames and
read_labelmap, which splits the map's lines at quotes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from occludenet_build.dataset.clips import ExportClip, FrameFacts, by_split
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.separators import choose_separator, lines

ACTOR = 0
"""Person id of the actor."""


def write(job: Job) -> dict[str, Any]:
    """Write the lists, the map and the clips; return the number of boxes per list, and the largest
    number of frames, which timestamp_end must exceed.

    Raises UserError if a name has a comma.
    """
    within = {clip.name: job.video_in_set(clip) for clip in job.clips}
    choose_separator(within.values(), (",",), "ava")
    counts = {}
    for name, split, clips in by_split(job.clips):
        rows: list[tuple[Any, ...]] = []
        for clip in clips:
            found = [(within[clip.name], *row) for row in box_rows(job, clip)]
            if not found:
                job.leave_out(clip, "no_actor", "no box in any of its key frames")
                continue
            job.place(clip, job.video(clip))
            rows += found
        if rows:
            job.output.text(f"{name}/{split}.csv", lines(rows, ","))
        counts[f"{name}/{split}.csv"] = len(rows)
    for name in job.sets:
        job.output.text(f"{name}/action_list.pbtxt", label_map_text(job.labels_of(name)))
    return {"boxes": counts, "largest_frame": max(clip.frames for clip in job.clips)}


def key_frames(frames: int, fps: float) -> list[int]:
    """Numbers, from 0, of the frames in the middles of the seconds of a clip; at least one.

    >>> key_frames(24, 12.0), key_frames(5, 30.0), key_frames(75, 29.97)
    ([6, 18], [2], [14, 44, 74])
    """
    middles = [int((second + 0.5) * fps) for second in range(int(frames / fps) + 1)]
    found = [number for number in middles if number < frames]
    return found or [frames // 2]


def box_rows(job: Job, clip: ExportClip) -> Iterator[tuple[Any, ...]]:
    """A row per key frame with a box: the columns after the name of the video."""
    facts = job.build.frames(clip)
    for number in key_frames(clip.frames, clip.fps):
        box = relative_box(facts[number], clip)
        if box is not None:
            sides = (f"{side:.5f}" for side in box.tolist())
            yield number + 1, *sides, job.label_id(clip) + 1, ACTOR


def relative_box(facts: FrameFacts, clip: ExportClip) -> np.ndarray | None:
    """x1, y1, x2, y2 as shares of the picture, float64 (4,), 0 to 1; None without a box in it."""
    if facts.box is None:
        return None
    box = facts.box.astype(np.float64) / (clip.width, clip.height, clip.width, clip.height)
    box = box.clip(0, 1)
    return box if (box[2:] > box[:2]).all() else None


def label_map_text(labels: Mapping[str, int]) -> str:
    """The classes as a text-format protocol buffer, with ids from 1; quotes in names are single."""
    return "".join(
        f'item {{\n  name: "{name.replace(chr(34), chr(39))}"\n  id: {labels[name] + 1}\n}}\n'
        for name in sorted(labels, key=lambda one: labels[one])
    )
