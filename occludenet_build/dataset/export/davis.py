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

from occludenet_build.dataset.clips import ExportClip, FrameFacts, by_split
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.objects import (
    frames_at,
    masked_clips,
    objects_of,
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


Masks = list[tuple[int, bytes]]
"""The objects that are seen in a frame: number, and COCO RLE counts."""


def masks_of(clip: ExportClip, frames: list[FrameFacts]) -> list[Masks]:
    """The masks of each frame."""
    objects = objects_of(clip, frames)
    found = ([(one.number, one.rles[n]) for one in objects] for n in range(len(frames)))
    return [[(number, rle) for number, rle in of_frame if rle is not None] for of_frame in found]


def levels_of(clip: ExportClip, seen: Masks) -> np.ndarray:
    """uint8 (H, W): the number of the object that is seen in a frame, 0 where none is."""
    picture = np.zeros((clip.height, clip.width), np.uint8)
    for number, rle in seen:
        picture[masks.decode(rle, clip.height, clip.width)] = number
    return picture


def write(job: Job) -> dict[str, Any]:
    """Write the format; returns the counts for export.json. Raises UserError without masks."""
    counts: Counter[str] = Counter()
    names = sequence_names(job)
    paths = {c.name: f"{c.set}/JPEGImages/{RESOLUTION}/{names[c.name]}" for c in job.clips}
    masked = masked_clips(job, "davis")
    for set_, split, kept in by_split(frames_at(job, masked, paths, "{:05d}.jpg")):
        for clip in kept:
            _write_masks(job, clip, f"{set_}/Annotations/{RESOLUTION}/{names[clip.name]}")
            counts["frames"] += clip.frames
        listed = "".join(f"{names[clip.name]}\n" for clip in kept)
        job.output.text(f"{set_}/ImageSets/2017/{split}.txt", listed)
        counts["sequences"] += len(kept)
    return dict(counts)


def _write_masks(job: Job, clip: ExportClip, path: str) -> None:
    seen = masks_of(clip, job.build.frames(clip))
    pictures = {f"{number:05d}.png": of_frame for number, of_frame in enumerate(seen)}
    write_folder(job, path, pictures, lambda of_frame: indexed_png(levels_of(clip, of_frame)))
