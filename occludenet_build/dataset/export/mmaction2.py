"""mmaction2: lists of videos for VideoDataset, one per set and split.

    <set>/<split>/<class>/<name>.mp4     the clips
    <set>/<split>.txt                    `<split>/<class>/<name>.mp4<delimiter><label id>`
    <set>/label_map.txt                  a class per line, in the order of the ids

Paths are relative to <set>/, which is `data_prefix=dict(video=...)`. mmaction2 splits lines at
`delimiter`, a space by default, and knows no quotes: where names have spaces (names: release) the
lists have a comma or a semicolon, and export.json says which one to set as `delimiter`.
Source: mmaction2 1.2.0, docs "Prepare Dataset"; VideoDataset.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from occludenet_build.dataset.clips import by_split
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.separators import choose_separator, lines

DELIMITERS = (" ", ",", ";")
"""Delimiters to choose from; mmaction2's default comes first."""


def write(job: Job) -> dict[str, Any]:
    """Write the lists and the clips; return the delimiter and the number of lines per list.

    Raises UserError if no delimiter fits the names.
    """
    within = {clip.name: job.video_in_set(clip) for clip in job.clips}
    delimiter = choose_separator(within.values(), DELIMITERS, "mmaction2")
    for clip in job.clips:
        job.place(clip, job.video(clip))
    counts = {}
    for name, split, clips in by_split(job.clips):
        rows = [(within[clip.name], job.label_id(clip)) for clip in clips]
        job.output.text(f"{name}/{split}.txt", lines(rows, delimiter))
        counts[f"{name}/{split}.txt"] = len(rows)
    write_label_maps(job)
    return {"delimiter": delimiter, "lines": counts}


def write_label_maps(job: Job) -> None:
    """Write <set>/labels.json for each set and, where the ids have no gaps, label_map.txt."""
    for name in job.sets:
        labels = job.labels_of(name)
        job.output.json(f"{name}/labels.json", dict(labels))
        text = label_lines(labels)
        if text is not None:
            job.output.text(f"{name}/label_map.txt", text)


def label_lines(labels: Mapping[str, int]) -> str | None:
    """A class per line, in the order of the ids from 0; None if an id is missing."""
    names = sorted(labels, key=lambda name: labels[name])
    if [labels[name] for name in names] != list(range(len(names))):
        return None
    return "".join(f"{name}\n" for name in names)
