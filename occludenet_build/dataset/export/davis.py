"""davis: an indexed PNG per frame, as DAVIS 2017 has them.

    <set>/JPEGImages/Full-Resolution/<sequence>/00000.jpg
    <set>/Annotations/Full-Resolution/<sequence>/00000.png   0 background, 1 actor, 2 occluder
    <set>/ImageSets/2017/{train,val,test}.txt                names of the sequences, one a line

Full-Resolution is the folder of DAVIS for pictures that were not resized to 480p. The PNG have the
palette of DAVIS; the numbers are the same in all frames, and every frame has a file. Readers: the
DAVIS 2017 evaluation, TrackEval, the loaders of video object segmentation. The masks are what is
visible.
"""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import numpy as np
from PIL import Image

from occludenet_build.dataset.export.clips import ExportClip, FrameFacts, by_split
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.objects import (
    frames_at,
    masked_clips,
    objects_of,
    require_masks,
    sequence_names,
    write_folder,
)
from occludenet_build.media.imaging import masks

RESOLUTION = "Full-Resolution"


def palette() -> np.ndarray:
    """The palette of DAVIS: uint8 (256, 3), RGB.

    22 colours whose bits are those of their number, with 64 + 128 as 191, and greys after them.

    >>> palette()[[0, 1, 2, 9, 22, 255]].tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0], [191, 0, 0], [22, 22, 22], [255, 255, 255]]
    """
    colours = np.repeat(np.arange(256)[:, None], 3, axis=1)
    for number in range(22):
        for channel in range(3):
            high, low = number >> channel & 1, number >> (channel + 3) & 1
            colours[number, channel] = min(high * 128 + low * 64, 191)
    return colours.astype(np.uint8)


_PALETTE = palette().ravel().tolist()


def indexed_png(levels: np.ndarray) -> bytes:
    """PNG with the palette of DAVIS; `levels`: uint8 (H, W), the number of the object per pixel."""
    image = Image.fromarray(levels, "P")
    image.putpalette(_PALETTE)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def levels_of(clip: ExportClip, frames: list[FrameFacts]) -> list[np.ndarray]:
    """Per frame uint8 (H, W): the number of the object that is seen, 0 where none is."""
    pictures = [np.zeros((clip.height, clip.width), np.uint8) for _ in frames]
    for one in objects_of(clip, frames):
        for picture, rle in zip(pictures, one.rles, strict=True):
            if rle is not None:
                picture[masks.decode(rle, clip.height, clip.width)] = one.number
    return pictures


def write(job: Job) -> dict[str, Any]:
    """Write the format; returns the counts for export.json. Raises UserError without masks."""
    counts: Counter[str] = Counter()
    names = sequence_names(job)
    paths = {c.name: f"{c.set}/JPEGImages/{RESOLUTION}/{names[c.name]}" for c in job.clips}
    for set_, split, kept in by_split(frames_at(job, paths, "{:05d}.jpg")):
        listed = []
        for clip, frames in masked_clips(job, kept):
            pictures = {f"{n:05d}.png": p for n, p in enumerate(levels_of(clip, frames))}
            name = names[clip.name]
            write_folder(job, f"{set_}/Annotations/{RESOLUTION}/{name}", pictures, indexed_png)
            listed.append(f"{name}\n")
            counts["frames"] += clip.frames
        job.output.text(f"{set_}/ImageSets/2017/{split}.txt", "".join(listed))
        counts["sequences"] += len(listed)
    require_masks(job, "davis")
    return dict(counts)
