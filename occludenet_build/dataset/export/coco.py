"""coco: the frames as a COCO detection and segmentation data set.

    <set>/<split>/images/<video>/00000.jpg    the frames, from 00000
    <set>/<split>/instances.json

Members of instances.json, as documented (cocodataset.org/#format-data):
    categories   id from 1, name: `person` and the types of occluders
    images       id from 1, file_name below images, width, height; and, as CocoVID has them,
                 video_id from 1, frame_id from 0
    annotations  id from 1, image_id, category_id, iscrowd 0, segmentation (compressed RLE, size
                 [height, width]), bbox [x, y, width, height], area in pixels; and instance_id, the
                 same for one object in all frames of its video
    videos       id from 1, name; and, ours, action, action_id
Without a mask the actor's bbox is the detector's, segmentation is absent, and area is the box's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from occludenet_build.dataset.clips import ExportClip, FrameFacts, by_split
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.objects import (
    ACTOR,
    PERSON,
    about,
    category_ids,
    category_list,
    frames_at,
    json_with_list,
    objects_of,
    sequence_names,
)
from occludenet_build.media.imaging import masks


def write(job: Job) -> dict[str, Any]:
    """Write the format; returns the counts for export.json."""
    counts: Counter[str] = Counter()
    names, ids = sequence_names(job), category_ids(job)
    paths = {c.name: f"{c.set}/{c.split}/images/{names[c.name]}" for c in job.clips}
    for set_, split, kept in by_split(frames_at(job, job.clips, paths, "{:05d}.jpg")):
        place, first = f"{set_}/{split}", 1
        others = {
            "info": about(set_, split),
            "licenses": [],
            "categories": category_list(ids),
            "videos": _videos(job, kept, names),
            "images": _images(kept, names),
        }
        with json_with_list(job, f"{place}/instances.json", "annotations", others) as append:
            for number, clip in enumerate(kept, 1):
                for entry in _annotations(clip, job.build.frames(clip), ids):
                    counts["annotations"] += 1
                    entry["image_id"] += first
                    entry["instance_id"] += 2 * number - 3
                    append(entry | {"id": counts["annotations"]})
                first += clip.frames
        counts["images"] += first - 1
    return dict(counts) | {"categories": ids}


def _videos(
    job: Job, clips: Sequence[ExportClip], names: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    for number, clip in enumerate(clips, 1):
        about_action = {"action": clip.label, "action_id": job.label_id(clip)}
        yield {"id": number, "name": names[clip.name]} | about_action


def _images(clips: Sequence[ExportClip], names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The frames of all clips, with ids from 1."""
    ids = count(1)
    for video, clip in enumerate(clips, 1):
        size = {"width": clip.width, "height": clip.height}
        for frame in range(clip.frames):
            place = {"id": next(ids), "file_name": f"{names[clip.name]}/{frame:05d}.jpg"}
            yield place | size | {"video_id": video, "frame_id": frame}


def _annotations(
    clip: ExportClip, frames: list[FrameFacts], ids: dict[str, int]
) -> Iterator[dict[str, Any]]:
    """Per frame and object; image_id is the frame's number, instance_id that of the object."""
    size = (clip.height, clip.width)
    found = objects_of(clip, frames)
    for facts in frames:
        for one in found:
            rle = one.rles[facts.frame]
            if rle is not None:
                place = {"image_id": facts.frame, "instance_id": one.number}
                place |= {"category_id": ids[one.category], "iscrowd": 0}
                mask = {"size": list(size), "counts": rle.decode("ascii")}
                box, area = masks.bounds(rle, *size), masks.area(rle, *size)
                yield place | {"segmentation": mask, "bbox": box, "area": area}
        # where the actor has a mask of which nothing is visible, there is nothing to detect
        if facts.box is not None and facts.visible_rle is None:
            x1, y1, x2, y2 = map(float, facts.box)
            place = {"image_id": facts.frame, "instance_id": ACTOR, "category_id": ids[PERSON]}
            width, height = x2 - x1, y2 - y1
            yield place | {"iscrowd": 0, "bbox": [x1, y1, width, height], "area": width * height}
