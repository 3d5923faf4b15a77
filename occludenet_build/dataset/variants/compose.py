"""Makes one clip of a set: decodes its source once and replaces what is not kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.core.errors import ItemError
from occludenet_build.core.files import replacing, sha256_file
from occludenet_build.core.ledger import ClipResult, attempt, lost
from occludenet_build.dataset.variants.footage import Footage, Reel, eraser_of
from occludenet_build.dataset.variants.scenes import (
    Moving,
    Scene,
    Still,
    colour_scene,
    picture_scene,
    stripes,
)
from occludenet_build.media.video.encoder import Encoding
from occludenet_build.media.video.source import check_indexed, open_video
from occludenet_build.media.video.writer import RunEncoder, TwinWriter, frame_format_of
from occludenet_build.occlusion.counterfactual import (
    Erasure,
    dilate_mask,
    majority_on_planes,
    on_planes,
)

BLACK = (0, 0, 0)
Kept = list[np.ndarray]
"""What is kept of a frame: bool (H, W) of Y, U and V."""


@dataclass(frozen=True)
class Recipe:
    """How a set is made of a clip."""

    kind: str
    """A key of KEEPERS or CHANGES."""
    scene: str = "colour"
    """A key of SCENES."""
    still: bool = False
    """Whether one frame is repeated (scufo)."""


@dataclass(frozen=True)
class VariantJob:
    """Everything that a worker needs for one clip of a set."""

    known: Mapping[str, Any]
    """Columns of ITEMS that are known before."""
    recipe: Recipe
    footage: Footage
    file: str
    """The output, relative to `root`."""
    root: Path
    encoding: Encoding
    pix_fmt: str
    colour: tuple[int, ...]
    ring: int
    erasure: Erasure
    seed: int
    behind: Footage | None = None
    """The clip of the background, if it is a clip."""
    picture: Path | None = None
    """The picture or plate of the background, if it is one."""
    picture_hash: str = ""
    problem: ItemError | None = None
    """Why the clip cannot be made, if that is known."""


def make_variant(job: VariantJob) -> ClipResult:
    """One clip of a set, or a row with the reason why there is none."""
    skipped = ("no_partner", "no_occluded_frame", "no_mask")
    return attempt(dict(job.known), lambda: (_made(job), None), skipped=skipped)


def lost_variant(job: VariantJob, error: ItemError) -> ClipResult:
    """The row of a clip whose worker had to be ended or died."""
    return lost(dict(job.known), error)


def _made(job: VariantJob) -> dict[str, Any]:
    if job.problem is not None:
        raise job.problem
    _check_masks(job)
    check_indexed(job.footage.path, job.footage.sha256)
    if job.behind is not None:
        check_indexed(job.behind.path, job.behind.sha256)
    if job.picture is not None:
        check_indexed(job.picture, job.picture_hash)
    with replacing(job.root / job.file) as temporary:
        with open_video(job.footage.path) as source:
            frames = _write(job, Reel(source, job.encoding.codec, job.pix_fmt), temporary)
        if frames != job.footage.frames:
            detail = f"{frames} frames, {job.footage.frames} in the tables"
            raise ItemError("source_changed", detail)
    return {"file": job.file, "file_hash": sha256_file(job.root / job.file), "frames": frames}


def _check_masks(job: VariantJob) -> None:
    """Raises ItemError where nothing of a clip would be changed, or nothing would be kept."""
    if not job.footage.masks:
        greyed = job.recipe.kind == "unoccluded"
        raise ItemError("no_occluded_frame" if greyed else "no_mask", job.footage.clip)
    if job.behind is not None and not job.behind.masks:
        raise ItemError("no_mask", job.behind.clip)


def _write(job: VariantJob, reel: Reel, path: Path) -> int:
    """Write the clip; the number of its frames."""
    change = CHANGES.get(job.recipe.kind, _replacer)(job, reel)
    picture = frame_format_of(reel.source, reel.buffer.frame)
    with TwinWriter(path, reel.source, picture, job.encoding, reel.display) as writer:
        encoder = RunEncoder(picture, job.encoding, [writer], reel.pts, 0)
        if job.recipe.still:
            _repeat(job, reel, change, encoder)
        else:
            while (number := reel.next_frame()) is not None:
                change(number)
                encoder.encode(reel.buffer.frame, reel.pts[number])
        encoder.finish()
    return len(reel.pts)


def _repeat(
    job: VariantJob, reel: Reel, change: Callable[[int], None], encoder: RunEncoder
) -> None:
    """Encode the middle one of the frames with a mask at the times of all frames."""
    masked = sorted(job.footage.masks)
    chosen, planes = masked[len(masked) // 2], None
    while (number := reel.next_frame()) is not None:
        if number == chosen:
            change(number)
            planes = [plane.copy() for plane in reel.buffer.planes]
    if planes is None:
        raise ItemError("source_changed", f"no frame {chosen}, which has a mask")
    for plane, still in zip(reel.buffer.planes, planes, strict=True):
        np.copyto(plane, still)
    for pts in reel.pts:
        encoder.encode(reel.buffer.frame, pts)


def _eraser(job: VariantJob, reel: Reel) -> Callable[[int], None]:
    """Erases the actor from the frame in the reel's buffer."""
    eraser = eraser_of(reel, job.footage, job.erasure)

    def erase(number: int) -> None:
        eraser.erase(number, reel.buffer.planes)

    return erase


def _replacer(job: VariantJob, reel: Reel) -> Callable[[int], None]:
    """Replaces by the scene what is not kept of the frame in the reel's buffer."""
    keep, scene = KEEPERS[job.recipe.kind], SCENES[job.recipe.scene](job, reel)

    def replace(number: int) -> None:
        kept = keep(reel, job.footage.masks.get(number), job.ring)
        for plane, mask, other in zip(reel.buffer.planes, kept, scene.planes(number), strict=True):
            np.copyto(plane, other, where=~mask)

    return replace


def _outline(job: VariantJob, reel: Reel) -> Callable[[int], None]:
    """Paints the ring black on the mean colour; nothing of the clip is kept."""
    mean, black = (colour_scene(reel, colour) for colour in (job.colour, BLACK))

    def paint(number: int) -> None:
        ring = keep_ring(reel, job.footage.masks.get(number), job.ring)
        scenes = mean.planes(number), black.planes(number)
        for plane, mask, around, inside in zip(reel.buffer.planes, ring, *scenes, strict=True):
            np.copyto(plane, np.where(mask, inside, around))

    return paint


CHANGES: dict[str, Callable[[VariantJob, Reel], Callable[[int], None]]] = {
    "background": _eraser,
    "outline": _outline,
}
"""Kind of a recipe -> what changes the frame in the reel's buffer; others keep a part of it."""


def keep_actor(reel: Reel, counts: bytes | None, ring: int) -> Kept:
    """The pixels of the mask; a chroma sample is kept if half of its luma pixels are."""
    return majority_on_planes(reel.display.to_coded(reel.mask(counts)), reel.layout)


def keep_ring(reel: Reel, counts: bytes | None, ring: int) -> Kept:
    """The pixels within `ring` of the mask and outside it.

    A chroma sample is kept if all of its luma pixels are, so that no colour of the actor is.
    """
    mask = reel.mask(counts)
    around = dilate_mask(mask, ring) & ~mask
    return [~part for part in on_planes(reel.display.to_coded(~around), reel.layout)]


def keep_unoccluded(reel: Reel, counts: bytes | None, ring: int) -> Kept:
    """All but the mask, which is that of the occluder."""
    return [~part for part in on_planes(reel.display.to_coded(reel.mask(counts)), reel.layout)]


KEEPERS: dict[str, Callable[[Reel, bytes | None, int], Kept]] = {
    "actor": keep_actor,
    "ring": keep_ring,
    "unoccluded": keep_unoccluded,
}
"""Kind of a recipe -> (reel, mask as RLE counts or None, width of the ring) -> what is kept."""


def _moving(job: VariantJob, reel: Reel) -> Scene:
    assert job.behind is not None
    return Moving(reel, job.behind, job.erasure)


def _picture(job: VariantJob, reel: Reel) -> Scene:
    assert job.picture is not None
    return picture_scene(reel, job.picture)


def _stripes(job: VariantJob, reel: Reel) -> Scene:
    return Still(reel, stripes(reel.display.size, job.seed, job.footage.clip))


SCENES: dict[str, Callable[[VariantJob, Reel], Scene]] = {
    "colour": lambda job, reel: colour_scene(reel, job.colour),
    "clip": _moving,
    "picture": _picture,
    "stripes": _stripes,
}
"""Scene of a recipe -> what makes it for a clip."""
