"""fiftyone: a FiftyOneVideoLabelsDataset, which FiftyOne imports with the labels of each frame.

    <set>/<split>/data/<video>.mp4
    <set>/<split>/labels/<video>.json    ETA VideoLabels
    <set>/<split>/manifest.json

    fo.Dataset.from_dir(".../<set>/<split>", fo.types.FiftyOneVideoLabelsDataset)

Layout: docs.voxel51.com, "Importing data into FiftyOne"; the labels: video_labels_guide.md of ETA.
Frames count from 1; boxes are relative, of the corners top_left and bottom_right. Fields:
    label                 action of the video; set, split, clip beside it
    frames.actor          the detector's box of the actor; attributes box_hidden and, with masks,
                          actor_hidden
    frames.visible        visible masks of the actor and the occluder; a mask is a bool array
                          inside its box: npy bytes, zlib, base64
    frames.whole          the whole actor, also where it is hidden
Without masks only frames.actor is written. `index` is 1 for the actor, 2 for the occluder.
"""

from __future__ import annotations

import base64
import io
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from occludenet_build.dataset.clips import ExportClip, FrameFacts, by_split
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.objects import (
    ACTOR,
    PERSON,
    compact,
    objects_of,
    sequence_names,
)
from occludenet_build.media.imaging import masks

_OBJECT = "eta.core.objects.DetectedObject"


def write(job: Job) -> dict[str, Any]:
    """Write the format; returns the counts for export.json."""
    counts: Counter[str] = Counter()
    names = sequence_names(job)
    for set_, split, clips in by_split(job.clips):
        place, index = f"{set_}/{split}", []
        for clip in clips:
            name = names[clip.name]
            data = f"data/{name}{PurePosixPath(clip.file).suffix}"
            job.place(clip, f"{place}/{data}")
            labels = _labels(clip, job.build.frames(clip)) | {"filename": PurePosixPath(data).name}
            job.output.text(f"{place}/labels/{name}.json", compact(labels) + "\n")
            index.append({"data": data, "labels": f"labels/{name}.json"})
            counts["videos"] += 1
            counts["frames"] += len(labels["frames"])
        about = {"type": "eta.core.datasets.LabeledVideoDataset", "index": index}
        job.output.json(f"{place}/manifest.json", about | {"description": f"OccludeNet {place}"})
    return dict(counts)


def _labels(clip: ExportClip, frames: list[FrameFacts]) -> dict[str, Any]:
    facts = {"label": clip.label, "set": clip.set, "split": clip.split, "clip": clip.clip}
    attributes = [_text(name, value) for name, value in facts.items()]
    by_frame: dict[int, list[dict[str, Any]]] = {frame.frame: [] for frame in frames}
    for frame in frames:
        by_frame[frame.frame] += _people(clip, frame)
    for one in objects_of(clip, frames):
        for number, rle in enumerate(one.rles):
            if rle is not None:
                by_frame[number].append(_masked(clip, rle, "visible", one.category, one.number))
    return {
        "attrs": {"attrs": attributes},
        "frames": {
            str(n + 1): {"frame_number": n + 1, "objects": {"objects": found}}
            for n, found in by_frame.items()
            if found
        },
    }


def _people(clip: ExportClip, frame: FrameFacts) -> Iterator[dict[str, Any]]:
    if frame.box is not None:
        hidden = {"box_hidden": frame.box_hidden, "actor_hidden": frame.actor_hidden}
        numbers = [_number(name, value) for name, value in hidden.items() if value is not None]
        x1, y1, x2, y2 = map(float, frame.box)
        box = _object(clip, (x1, y1, x2, y2), "actor", PERSON, ACTOR)
        yield box | {"attrs": {"attrs": numbers}}
    if frame.actor_rle is not None and masks.area(frame.actor_rle, clip.height, clip.width):
        yield _masked(clip, frame.actor_rle, "whole", PERSON, ACTOR)


def _masked(clip: ExportClip, rle: bytes, name: str, label: str, index: int) -> dict[str, Any]:
    mask = masks.decode(rle, clip.height, clip.width)
    x, y, w, h = masks.bounds(rle, clip.height, clip.width)
    found = _object(clip, (x, y, x + w, y + h), name, label, index)
    return found | {"mask": _array(mask[y : y + h, x : x + w])}


def _object(
    clip: ExportClip, box: Sequence[float], name: str, label: str, index: int
) -> dict[str, Any]:
    """A DetectedObject; `box`: half-open x1, y1, x2, y2 in pixels."""
    x1, y1, x2, y2 = box
    corners = {
        "top_left": {"x": x1 / clip.width, "y": y1 / clip.height},
        "bottom_right": {"x": x2 / clip.width, "y": y2 / clip.height},
    }
    return {"type": _OBJECT, "label": label, "bounding_box": corners, "name": name, "index": index}


def _array(mask: np.ndarray) -> str:
    """A bool array as ETA writes arrays."""
    stream = io.BytesIO()
    np.save(stream, mask, allow_pickle=False)
    return base64.b64encode(zlib.compress(stream.getvalue())).decode("ascii")


def _text(name: str, value: str) -> dict[str, Any]:
    return {"type": "eta.core.data.CategoricalAttribute", "name": name, "value": value}


def _number(name: str, value: float) -> dict[str, Any]:
    return {"type": "eta.core.data.NumericAttribute", "name": name, "value": value}
