"""tabe: the layout of TABE-51, amodal video object segmentation.

    <set>/<split>/<video>/frames/00000.jpg
    <set>/<split>/<video>/visible_masks/00000.png    255 where the actor is visible, else 0
    <set>/<split>/<video>/gt_masks/00000.png         255 where the actor is, visible or not, else 0
    <set>/<split>/<video>/annos.json                 {"occlusion": [{"level", "amount"}, ...]}

Layout and names of levels: github.com/finlay-hudson/TABE (MIT), README and data set classes. Every
frame has an entry: amount is the share of the actor's mask that is hidden, 0 to 1; level is
NO_OCCLUSION where nothing is hidden, SEVERE_OCCLUSION where less than a third is visible (TABE's
own limit, `severe_coef` 3), SLIGHT_OCCLUSION between them, and NONE, with amount null, where there
is no actor. Only the actor is annotated: TABE has one object per video. A clip of S, I or M is left
out where the whole actor is not known in every frame in which they are seen.
"""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import numpy as np
from PIL import Image

from occludenet_build.dataset.clips import ExportClip, FrameFacts
from occludenet_build.dataset.export.job import Job
from occludenet_build.dataset.export.objects import (
    frames_at,
    masked_clips,
    sequence_names,
    write_folder,
)
from occludenet_build.media.imaging import masks

SEVERE = 3
"""A frame is severely occluded where less than 1/3 of the actor is visible."""


def write(job: Job) -> dict[str, Any]:
    """Write the format; returns the counts for export.json. Raises UserError without masks."""
    counts: Counter[str] = Counter()
    names = sequence_names(job)
    paths = {c.name: f"{c.set}/{c.split}/{names[c.name]}/frames" for c in job.clips}
    masked = masked_clips(job, "tabe", whole=True)
    for clip in frames_at(job, masked, paths, "{:05d}.jpg"):
        place, frames = f"{clip.set}/{clip.split}/{names[clip.name]}", job.build.frames(clip)
        _write_masks(job, clip, f"{place}/gt_masks", [f.actor_rle for f in frames])
        _write_masks(job, clip, f"{place}/visible_masks", [f.visible_rle for f in frames])
        levels = [_occlusion(clip, facts) for facts in frames]
        job.output.json(f"{place}/annos.json", {"occlusion": levels})
        counts["videos"] += 1
        counts.update(str(one["level"]) for one in levels)
    return dict(counts)


def _write_masks(job: Job, clip: ExportClip, path: str, rles: list[bytes | None]) -> None:
    """A PNG per frame; `rles`: COCO RLE counts, None for an empty mask."""
    empty = masks.encode(np.zeros((clip.height, clip.width), bool))
    pictures = {f"{number:05d}.png": rle or empty for number, rle in enumerate(rles)}
    write_folder(
        job, path, pictures, lambda rle: binary_png(masks.decode(rle, clip.height, clip.width))
    )


def binary_png(mask: np.ndarray) -> bytes:
    """PNG with one channel of 8 bits: 255 in the mask, bool (H, W), else 0."""
    stream = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255, "L").save(stream, "PNG")
    return stream.getvalue()


def _occlusion(clip: ExportClip, facts: FrameFacts) -> dict[str, Any]:
    size = (clip.height, clip.width)
    whole = 0 if facts.actor_rle is None else masks.area(facts.actor_rle, *size)
    if whole == 0:
        return {"level": "NONE", "amount": None}
    visible = 0 if facts.visible_rle is None else masks.area(facts.visible_rle, *size)
    return {"level": level_of(whole, visible), "amount": 1 - visible / whole}


def level_of(whole: int, visible: int) -> str:
    """Level of occlusion of an actor by the areas of its masks, pixels.

    >>> level_of(90, 90), level_of(90, 89), level_of(90, 30), level_of(90, 29)
    ('NO_OCCLUSION', 'SLIGHT_OCCLUSION', 'SLIGHT_OCCLUSION', 'SEVERE_OCCLUSION')
    """
    if visible == whole:
        return "NO_OCCLUSION"
    return "SEVERE_OCCLUSION" if visible * SEVERE < whole else "SLIGHT_OCCLUSION"
