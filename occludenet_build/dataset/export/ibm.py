"""IBM's action-recognition-pytorch: lists of frames, for `--datadir <set> --dataset kinetics400`.

    <set>/images/<split>/<class>/<name>/00001.jpg   the frames, numbered from 1
    <set>/train.txt, <set>/val.txt    `images/<split>/<class>/<name>;1;<frames>;<label id>`
    <set>/test.txt                    the same without the label id
    <set>/evaluate_test/val.txt       the test split as val: `../images/test/...;1;<frames>;<id>`
    <set>/label_map.txt, labels.json  as in the format mmaction2

Its data loader drops clips of fewer than 30 frames; these are left out here, with a reason, so that
counts agree. In its test mode it reads the name of a clip as a number, which fails for names of
Kinetics: evaluate the test split with `-e --datadir <set>/evaluate_test`. The separator `;` is that
of its data sets kinetics400 and mini_kinetics400; the `images` folders are called by it through the
path in the list.
Source: its README and tools (Apache-2.0).
"""

from __future__ import annotations

from typing import Any

from occludenet_build.dataset.clips import ExportClip, by_split
from occludenet_build.dataset.export.frames import FrameFolder, write_frames
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.mmaction2 import write_label_maps
from occludenet_build.dataset.export.separators import choose_separator, lines

PATTERN = "{:05d}.jpg"
MIN_FRAMES = 30
"""Clips of fewer frames are dropped by its loader (`filter_video`)."""


def write(job: Job) -> dict[str, Any]:
    """Write the lists and the frames; return the number of lines per list.

    Raises UserError if a name has a semicolon.
    """
    long = job.at_least(MIN_FRAMES)
    choose_separator([_images(job, clip) for clip in long], (";",), "ibm")
    side = job.settings.short_side
    folders = [FrameFolder(c, f"{c.set}/{_images(job, c)}", PATTERN, side) for c in long]
    counts = {}
    for name, split, clips in by_split(write_frames(job, folders)):
        rows = [(_images(job, clip), 1, clip.frames, job.label_id(clip)) for clip in clips]
        listed = [row[:3] for row in rows] if split == "test" else rows
        job.output.text(f"{name}/{split}.txt", lines(listed, ";"))
        if split == "test":
            above = [(f"../{path}", *numbers) for path, *numbers in rows]
            job.output.text(f"{name}/evaluate_test/val.txt", lines(above, ";"))
        counts[f"{name}/{split}.txt"] = len(rows)
    write_label_maps(job)
    return {"lines": counts}


def _images(job: Job, clip: ExportClip) -> str:
    """Folder of the frames of a clip, below that of the set."""
    return f"images/{job.place_in_set(clip)}"
