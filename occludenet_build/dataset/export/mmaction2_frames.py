"""mmaction2: lists of folders of frames for RawframeDataset, one per set and split.

    <set>/<split>/<class>/<name>/img_00001.jpg    the frames, numbered from 1
    <set>/<split>.txt                             `<split>/<class>/<name> <frames> <label id>`
    <set>/label_map.txt, <set>/labels.json        as in the format mmaction2

Paths are relative to <set>/, which is `data_prefix=dict(img=...)`. RawframeDataset splits lines at
blanks and has no other delimiter, so that names with spaces cannot be held: names: release is
refused for a dataset that has some.
Source: mmaction2 1.2.0, docs "Prepare Dataset"; RawframeDataset.
"""

from __future__ import annotations

from typing import Any

from occludenet_build.dataset.clips import by_split
from occludenet_build.dataset.export.frames import FrameFolder, write_frames
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.mmaction2 import write_label_maps
from occludenet_build.dataset.export.separators import choose_separator, lines

PATTERN = "img_{:05d}.jpg"
"""Name of a frame, from 1: the default `filename_tmpl` of RawframeDataset."""


def write(job: Job) -> dict[str, Any]:
    """Write the lists and the frames; return the number of lines and frames.

    Raises UserError if a name has a blank.
    """
    within = {clip.name: job.place_in_set(clip) for clip in job.clips}
    choose_separator(within.values(), (" ",), "mmaction2_frames")
    side = job.settings.short_side
    written = write_frames(job, [FrameFolder(c, job.place_of(c), PATTERN, side) for c in job.clips])
    counts = {}
    for name, split, clips in by_split(written):
        rows = [(within[clip.name], clip.frames, job.label_id(clip)) for clip in clips]
        job.output.text(f"{name}/{split}.txt", lines(rows, " "))
        counts[f"{name}/{split}.txt"] = len(rows)
    write_label_maps(job)
    return {"lines": counts, "frames": sum(clip.frames for clip in written)}
