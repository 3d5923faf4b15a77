"""youtube_vis: masks and boxes per video, as YouTube-VIS and COCO video JSON have them.

    <set>/<split>/JPEGImages/<video>/00000.jpg    the frames, from 00000
    <set>/<split>/instances.json

Members of instances.json, as documented for YouTube-VIS (youtube-vos.org/dataset/vis):
    categories   id from 1, name: `person` and the types of occluders
    videos       id from 1, width, height, length in frames, file_names below JPEGImages; and, ours,
                 name, action, action_id, fps
    annotations  id from 1, video_id, category_id, width, height, iscrowd 0, and per frame, null
                 where nothing of the object is visible: segmentations (uncompressed RLE, size
                 [height, width]), bboxes [x, y, width, height] around the mask, areas in pixels
Readers: YTVIS API, TrackEval, mmdetection, detectron2. The masks are what is visible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from occludenet_build.dataset.clips import ExportClip, by_split
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.objects import (
    ClipObject,
    about,
    category_ids,
    category_list,
    frames_at,
    json_with_list,
    masked_clips,
    objects_of,
    sequence_names,
)
from occludenet_build.media.imaging import masks


def write(job: Job) -> dict[str, Any]:
    """Write the format; returns the counts for export.json. Raises UserError without masks."""
    counts: Counter[str] = Counter()
    names, ids = sequence_names(job), category_ids(job)
    paths = {c.name: f"{c.set}/{c.split}/JPEGImages/{names[c.name]}" for c in job.clips}
    masked = masked_clips(job, "youtube_vis")
    for set_, split, kept in by_split(frames_at(job, masked, paths, "{:05d}.jpg")):
        others: dict[str, Any] = {"info": about(set_, split), "licenses": []}
        others |= {"categories": category_list(ids), "videos": _videos(job, kept, names)}
        file = f"{set_}/{split}/instances.json"
        with json_with_list(job, file, "annotations", others) as append:
            for number, clip in enumerate(kept, 1):
                for one in objects_of(clip, job.build.frames(clip)):
                    counts["annotations"] += 1
                    entry = {"id": counts["annotations"], "video_id": number}
                    append(entry | _annotation(clip, one, ids))
        counts["videos"] += len(kept)
    return dict(counts) | {"categories": ids}


def _videos(
    job: Job, clips: Sequence[ExportClip], names: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    for number, clip in enumerate(clips, 1):
        name = names[clip.name]
        files = [f"{name}/{frame:05d}.jpg" for frame in range(clip.frames)]
        facts = {"action": clip.label, "action_id": job.label_id(clip), "fps": clip.fps}
        size = {"width": clip.width, "height": clip.height, "length": clip.frames}
        yield {"id": number, "name": name, "file_names": files} | size | facts


def _annotation(clip: ExportClip, one: ClipObject, ids: dict[str, int]) -> dict[str, Any]:
    size = (clip.height, clip.width)
    return {
        "category_id": ids[one.category],
        "width": clip.width,
        "height": clip.height,
        "length": clip.frames,
        "iscrowd": 0,
        "segmentations": [
            rle and {"size": list(size), "counts": masks.run_lengths(rle, *size)}
            for rle in one.rles
        ],
        "bboxes": [rle and masks.bounds(rle, *size) for rle in one.rles],
        "areas": [rle and masks.area(rle, *size) for rle in one.rles],
    }
