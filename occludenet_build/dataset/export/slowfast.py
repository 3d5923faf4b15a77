"""PySlowFast, UniFormerV2 and VideoMAE: CSV lists of videos, without a header.

    <set>/<split>/<class>/<name>.mp4    the clips
    <set>/<split>.csv                   `<split>/<class>/<name>.mp4 <label id>`, with a space
    <set>/comma/<split>.csv             the same with a comma
    <set>/label_map.txt, labels.json    as in the format mmaction2

Paths are relative to <set>/, which is DATA.PATH_PREFIX; <set>/ or <set>/comma/ is
DATA.PATH_TO_DATA_DIR. PySlowFast reads DATA.PATH_LABEL_SEPARATOR, by default a space, and its
release 1.0 splits at any blank; VideoMAE reads a space; UniFormerV2's configurations have a comma.
No reader knows quotes: with spaces in the names (names: release) only the lists with commas are
written.
Source: PySlowFast's DATASET.md, and its slowfast/datasets/kinetics.py (Apache-2.0).
"""

from __future__ import annotations

from typing import Any

from occludenet_build.dataset.clips import by_split
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.mmaction2 import write_label_maps
from occludenet_build.dataset.export.separators import fitting_separators, lines

FOLDERS = {" ": "", ",": "comma/"}
"""Separator -> folder of its lists, below that of the set."""


def write(job: Job) -> dict[str, Any]:
    """Write the lists and the clips; return the separators and the number of lines per list.

    Raises UserError if the names have spaces and commas.
    """
    within = {clip.name: job.video_in_set(clip) for clip in job.clips}
    separators = fitting_separators(within.values(), tuple(FOLDERS), "slowfast")
    for clip in job.clips:
        job.place(clip, job.video(clip))
    counts = {}
    for name, split, clips in by_split(job.clips):
        rows = [(within[clip.name], job.label_id(clip)) for clip in clips]
        for one in separators:
            job.output.text(f"{name}/{FOLDERS[one]}{split}.csv", lines(rows, one))
        counts[f"{name}/{split}"] = len(rows)
    write_label_maps(job)
    return {"separators": separators, "lines": counts}
