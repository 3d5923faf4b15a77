"""torchvision.datasets.Kinetics: a folder per split and class, one tree per set.

    <set>/<split>/<class>/<name>.mp4    the clips; <set>/ is `root`
    <set>/labels/<split>.json           class name -> the label that torchvision gives it

torchvision numbers the folders of one split in the order of their names. These ids differ from
those of annotate/labels.json where the order of the folders does, and between splits where a split
lacks a class: labels/<split>.json has what it will say, and export.json tells where splits differ.
It reads .avi and .mp4 only.
Source: torchvision 0.29, datasets/kinetics.py and folder.py (BSD).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from occludenet_build.dataset.clips import ExportClip, by_split
from occludenet_build.dataset.export.job import Job

SUFFIXES = (".avi", ".mp4")
"""What torchvision takes for a video, in lower or upper case."""


def write(job: Job) -> dict[str, Any]:
    """Write the clips and the label maps; return the sets whose splits are numbered differently."""
    readable = []
    for clip in job.clips:
        if PurePosixPath(clip.file).suffix.lower() in SUFFIXES:
            job.place(clip, job.video(clip))
            readable.append(clip)
        else:
            job.leave_out(clip, "no_format", f"torchvision reads {' and '.join(SUFFIXES)} only")
    maps: dict[str, list[dict[str, int]]] = {}
    for name, split, clips in by_split(readable):
        labels = folder_labels(job, clips)
        job.output.json(f"{name}/labels/{split}.json", labels)
        maps.setdefault(name, []).append(labels)
    differing = [name for name, found in maps.items() if any(one != found[0] for one in found)]
    return {"sets_whose_splits_differ": differing}


def folder_labels(job: Job, clips: Sequence[ExportClip]) -> dict[str, int]:
    """Class name -> its number among the sorted folder names of the clips of one split."""
    names = sorted({clip.label for clip in clips}, key=lambda name: job.class_names[name])
    return {name: number for number, name in enumerate(names)}
