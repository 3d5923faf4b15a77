"""IntegralAction: COCO-style JSON, frames, and skeletons where the build has poses; a tree per set.

    <set>/Kinetics50_<split>.json         images (id, file_name, seq_name, height, width, frame_num)
                                          and annotations (id, image_id, action_label, action_name)
    <set>/frames/<split>_256/<seq_name>/<file_name>/000001.jpg    shorter side 256, from 1
    <set>/kinetics-skeleton/kinetics_<split>/<id>.json            {data: [{frame_index, skeleton}]}
    <set>/kinetics-skeleton/kinetics_<split>_label.json           {id: {has_skeleton, label, ...}}

Its loader wants clips of more than 56 frames; shorter ones are left out with a reason. Class
folders have no ` ()'"`. For train it strips `_<start>_<end>` from file_name to get the id of the
skeleton, for val it does not; so every name here ends with two numbers of six digits, and what is
before them is unique in its set and split.
Skeletons are those of the stage poses, 18 OpenPose joints, x and y as shares of the picture, frames
counted from 0.
Source: the paper's supplement and the loader's documented fields (survey); its code is not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from occludenet_build.dataset.clips import ExportClip, by_split
from occludenet_build.dataset.export.frames import FrameFolder, write_frames
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.mmaction2 import write_label_maps
from occludenet_build.dataset.export.skeletons import Skeletons

PATTERN = "{:06d}.jpg"
SHORT_SIDE = 256
"""Shorter side of the frames that it trains on, pixels; export.short_side overrides it."""
MIN_FRAMES = 57
_TIMES = re.compile(r"_\d{6}_\d{6}$")


def write(job: Job) -> dict[str, Any]:
    """Write the JSON files, the frames and the skeletons; return the number of clips and skeletons
    per list."""
    long = job.at_least(MIN_FRAMES)
    names = file_names(job, long)
    folders = [_folder(job, clip, names[clip.name]) for clip in long]
    sizes = {one.clip.name: one.size for one in folders}
    counts = {}
    with Skeletons(job.build.root) as skeletons:
        for name, split, clips in by_split(write_frames(job, folders)):
            values = coco_style(job, clips, names, sizes)
            job.output.json(f"{name}/Kinetics50_{split}.json", values)
            ids = {skeleton_id(names[clip.name], split): clip for clip in clips}
            where = f"{name}/kinetics-skeleton/kinetics_{split}"
            found = _write_skeletons(job, skeletons, where, ids)
            counts[f"{name}/{split}"] = {"clips": len(clips), "skeletons": found}
    write_label_maps(job)
    return {"lists": counts, "frame_pattern": "%06d.jpg"}


def class_folder(job: Job, label: str) -> str:
    """Name of the folder of a class, without ` ()'"`; other characters stay with names: release."""
    return job.class_names[label] if job.safe else re.sub(r"[ ()'\"]", "_", label)


def file_names(job: Job, clips: Sequence[ExportClip]) -> dict[str, str]:
    """Name of a clip -> file_name: ends with two numbers of six digits, and is unique without them
    in its set and split."""
    taken: set[tuple[str, str, str]] = set()
    names = {}
    for clip in clips:
        whole = job.clip_names[clip.name]
        times = _TIMES.search(whole)
        stem = whole[: times.start()] if times else whole
        ending = times[0] if times else f"_000000_{round(clip.seconds):06d}"
        unique, count = stem, 1
        while (clip.set, clip.split, unique.lower()) in taken:
            count += 1
            unique = f"{stem}-{count}"
        taken.add((clip.set, clip.split, unique.lower()))
        names[clip.name] = unique + ending
    return names


def skeleton_id(file_name: str, split: str) -> str:
    """Id of the skeleton of a clip: for train, its name without `_<start>_<end>`.

    >>> skeleton_id("0_25_abc_000010_000020", "train"), skeleton_id("x_000010_000020", "val")
    ('0_25_abc', 'x_000010_000020')
    """
    return _TIMES.sub("", file_name) if split == "train" else file_name


def _folder(job: Job, clip: ExportClip, name: str) -> FrameFolder:
    path = f"{clip.set}/frames/{clip.split}_256/{class_folder(job, clip.label)}/{name}"
    return FrameFolder(clip, path, PATTERN, job.settings.short_side or SHORT_SIDE)


def coco_style(
    job: Job,
    clips: Sequence[ExportClip],
    names: Mapping[str, str],
    sizes: Mapping[str, tuple[int, int]],
) -> dict[str, list[dict[str, Any]]]:
    """The content of Kinetics50_<split>.json: an image entry and an annotation per clip."""
    images, annotations = [], []
    for number, clip in enumerate(clips):
        width, height = sizes[clip.name]
        images.append({"id": number, "file_name": names[clip.name], "frame_num": clip.frames,
                       "seq_name": class_folder(job, clip.label), "height": height,
                       "width": width})  # fmt: skip
        annotations.append({"id": number, "image_id": number, "action_name": clip.label,
                            "action_label": job.label_id(clip)})  # fmt: skip
    return {"images": images, "annotations": annotations}


def _write_skeletons(
    job: Job, skeletons: Skeletons, folder: str, clips: Mapping[str, ExportClip]
) -> int:
    """Write the skeletons of a split; return how many clips have some. None without poses."""
    if not skeletons.known:
        return 0
    about, count = {}, 0
    for key, clip in clips.items():
        data = skeletons.of(clip)
        label = {"label": clip.label, "label_index": job.label_id(clip)}
        about[key] = {"has_skeleton": bool(data), **label}
        if data:
            job.output.json(f"{folder}/{key}.json", {"data": data, **label})
            count += 1
    job.output.json(f"{folder}_label.json", about)
    return count
