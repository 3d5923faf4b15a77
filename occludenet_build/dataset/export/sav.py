"""sav: the JSON files of SA-V, the data set of SAM 2.

    <set>/<split>/<video>.mp4
    <set>/<split>/<video>_manual.json

Fields as documented in sam2/sav_dataset/README.md; averages and changes are over the annotated
frames in which the object is visible, and `masklet_first_appeared_frame` counts annotated frames,
as in the example file there. Annotated is every 4th frame from the first, at any frame rate, since
the reader takes frames[::4]; SA-V itself has 24 frames per second. Masklets: the visible actor and
the occluder; RLE with size [height, width], an empty one where the object is not visible. SA-V
calls masklets manual or auto; ours are in the file of the manual ones, which all readers open.
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from occludenet_build.dataset.clips import ExportClip
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.objects import (
    ClipObject,
    compact,
    masked_clips,
    objects_of,
    sequence_names,
)
from occludenet_build.media.imaging import masks

EVERY = 4
"""One frame in so many is annotated."""
_BUCKETS = ((32**2, "small"), (96**2, "medium"))


def write(job: Job) -> dict[str, Any]:
    """Write the format; returns the counts for export.json. Raises UserError without masks."""
    counts: Counter[str] = Counter()
    names = sequence_names(job)
    for clip in masked_clips(job, "sav"):
        place = f"{clip.set}/{clip.split}/{names[clip.name]}"
        job.place(clip, f"{place}{PurePosixPath(clip.file).suffix}")
        found = objects_of(clip, job.build.frames(clip))
        content = _video(clip, names[clip.name]) | _masklets(clip, found)
        job.output.text(f"{place}_manual.json", compact(content) + "\n")
        counts["videos"] += 1
        counts["masklets"] += len(found)
    return dict(counts)


def _video(clip: ExportClip, name: str) -> dict[str, Any]:
    return {
        "video_id": name,
        "video_duration": clip.seconds,
        "video_frame_count": float(clip.frames),
        "video_height": float(clip.height),
        "video_width": float(clip.width),
        "video_resolution": float(clip.height * clip.width),
        "video_environment": "",
        "video_split": clip.split,
    }


def _masklets(clip: ExportClip, found: list[ClipObject]) -> dict[str, Any]:
    size = (clip.height, clip.width)
    empty = masks.encode(np.zeros(size, bool))
    kept = [[rle or empty for rle in one.rles[::EVERY]] for one in found]
    areas = [np.array([masks.area(rle, *size) for rle in rles]) for rles in kept]
    means = [float(a[a > 0].mean()) if a.any() else 0.0 for a in areas]
    resolution = clip.height * clip.width
    return {
        "masklet": [
            [{"size": list(size), "counts": rle.decode("ascii")} for rle in of_frame]
            for of_frame in zip(*kept, strict=True)
        ],
        "masklet_id": list(range(len(kept))),
        "masklet_size_rel": [mean / resolution for mean in means],
        "masklet_size_abs": means,
        "masklet_size_bucket": [_bucket(mean) for mean in means],
        "masklet_visibility_changes": [_changes(a > 0) for a in areas],
        "masklet_first_appeared_frame": [float(np.argmax(a > 0)) for a in areas],
        "masklet_frame_count": [len(rles) for rles in kept],
        "masklet_edited_frame_count": [0] * len(kept),
        "masklet_type": ["manual"] * len(kept),
        "masklet_stability_score": [None] * len(kept),
        "masklet_num": len(kept),
    }


def _bucket(area: float) -> str:
    return next((name for limit, name in _BUCKETS if area < limit), "large")


def _changes(visible: np.ndarray) -> int:
    """How often the object appears or disappears after it was first seen; `visible`: bool (T,).

    >>> _changes(np.array([False, True, True, False, True]))
    2
    """
    since = visible[int(np.argmax(visible)) :]
    return int((since[1:] != since[:-1]).sum())
