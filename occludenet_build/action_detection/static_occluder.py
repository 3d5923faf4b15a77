"""STADO's occluders: a picture that stays in front of one place for the whole video.

Of a video's first tube the largest box, w x h, gets a rectangle of area w h / n inside it, with
n = 2, 3 or 4 (50, 33, 25 percent), and a cut-out is stretched to it: bilinear, its aspect not kept,
opaque wherever alpha is above 0. Facts: github.com/haoxiangxu23/stado (MIT, read; code our own).

Ours: the cut-outs are those of a build, of the video's own split; which one, and where, follows
from the seed and the video's name, so the three degrees of a video show the same object in like
places. Nothing is written: frames are covered when they are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from occludenet_build.action_detection.pickle_truth import largest_box
from occludenet_build.action_detection.truth import (
    ActorMasks,
    Masks,
    Pictures,
    TubeSet,
    TubeVideo,
    fill_box,
)
from occludenet_build.core import tables
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.files import short_hash
from occludenet_build.core.seeds import choose, rng
from occludenet_build.media.imaging import masks as rle
from occludenet_build.media.imaging.fit import resize_deterministic
from occludenet_build.occlusion.patches import check_occluder, read_occluder

DEGREES = {4: 25, 3: 33, 2: 50}
"""n -> percent of the box, as STADO's sets JHMDB_25, _33 and _50 are named."""
FLOW_COLOUR = (136, 131, 137)
"""RGB of what is pasted into pictures of optical flow: no movement (STADO)."""


class CutOut(NamedTuple):
    """A cut-out of a build."""

    file: Path
    sha256: str


Bank = Mapping[str, Sequence[CutOut]]
"""Split -> its cut-outs."""


def read_bank(root: Path) -> Bank:
    """The cut-outs of a build by split, of occluders/occluders.parquet; no split shares one.

    Raises UserError where there is no table, or nothing in it.
    """
    path = root / "occluders" / "occluders.parquet"
    bank: dict[str, list[CutOut]] = {}
    for row in tables.read_rows(path):
        if row["status"] == "ok":
            bank.setdefault(row["split"], []).append(
                CutOut(path.parent / row["file"], row["sha256"])
            )
    if not bank:
        raise UserError(f"wanted cut-outs in {path}, got none; run occluders")
    return bank


class Rectangle(NamedTuple):
    """Where an occluder is, whole pixels."""

    x: int
    y: int
    width: int
    height: int


def place(box: tuple[int, int, int, int], n: int, random: np.random.Generator) -> Rectangle:
    """A rectangle of 1/n of a box x1, y1, x2, y2, inside it.

    The width is a uniform integer from floor(w / n) to w - 1, the height follows from the area,
    rounded down and at most h; the place is uniform. Raises ItemError for a box of no area.
    """
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    if min(width, height) < 2:
        raise ItemError("too_small", f"a box of {width}x{height} px")
    # always three draws: each n sees the same ones
    shares = random.random(3)
    least = max(1, width // n)
    wide = least + int(shares[0] * (width - least))
    high = max(1, min(height, int(width * height / n / wide)))
    left = x1 + int(shares[1] * (width - wide + 1))
    return Rectangle(left, y1 + int(shares[2] * (height - high + 1)), wide, high)


@dataclass(frozen=True)
class StaticOccluder:
    """A cut-out at its place in front of a video."""

    cut_out: CutOut
    at: Rectangle
    colour: tuple[int, int, int] | None = None
    """RGB that is pasted in the place of the cut-out's own; None: its own."""

    def paste(self, pictures: np.ndarray) -> np.ndarray:
        """A copy of pictures uint8 (T, H, W, 3), RGB, with the occluder in front.

        Raises ItemError where the file of the cut-out has changed.
        """
        covered, rgba = pictures.copy(), self._pixels()
        place = self._inside(*pictures.shape[1:3])
        part = rgba[: place[0].stop - place[0].start, : place[1].stop - place[1].start]
        opaque = part[..., 3] > 0
        covered[:, place[0], place[1]][:, opaque] = self.colour or part[..., :3][opaque]
        return covered

    def mask(self, height: int, width: int) -> np.ndarray:
        """Where it is opaque, bool (H, W)."""
        mask, place = np.zeros((height, width), bool), self._inside(height, width)
        opaque = self._pixels()[..., 3] > 0
        mask[place] = opaque[: place[0].stop - place[0].start, : place[1].stop - place[1].start]
        return mask

    def _inside(self, height: int, width: int) -> tuple[slice, slice]:
        x, y, wide, high = self.at
        return slice(y, min(y + high, height)), slice(x, min(x + wide, width))

    def _pixels(self) -> np.ndarray:
        """uint8 (h, w, 4), RGBA, at its size."""
        return _resized(self.cut_out, self.at.width, self.at.height)

    @property
    def identity(self) -> str:
        """For keys."""
        return short_hash(self.cut_out.sha256, str(tuple(self.at)), str(self.colour))


@lru_cache(maxsize=64)
def _resized(cut_out: CutOut, width: int, height: int) -> np.ndarray:
    try:
        check_occluder(cut_out.file, cut_out.sha256)
    except FileNotFoundError as error:
        raise ItemError("missing", str(cut_out.file)) from error
    pixels = read_occluder(cut_out.file)
    return resize_deterministic(pixels, (width, height), cv2.INTER_LINEAR)


@dataclass(frozen=True)
class OccludedPictures:
    """Frames with an occluder in front."""

    pictures: Pictures
    occluder: StaticOccluder

    def read(self, numbers: Sequence[int]) -> np.ndarray:
        """As truth.Pictures, uint8 (T, H, W, 3)."""
        return self.occluder.paste(self.pictures.read(numbers))

    @property
    def identity(self) -> str:
        """For keys."""
        return short_hash(self.pictures.identity, self.occluder.identity)


@dataclass(frozen=True)
class OccludedMasks:
    """Masks with an occluder in front; also where there were none."""

    masks: Masks | None
    occluder: StaticOccluder
    height: int
    width: int

    def of(self, number: int) -> ActorMasks:
        """As truth.Masks."""
        front = self.occluder.mask(self.height, self.width)
        before = self.masks.of(number) if self.masks is not None else ActorMasks(None, None)
        seen, covered = before.visible, front
        if before.visible is not None:
            seen = rle.encode(rle.decode(before.visible, self.height, self.width) & ~front)
        if before.occluder is not None:
            covered = front | rle.decode(before.occluder, self.height, self.width)
        return ActorMasks(seen, rle.encode(covered))


def occluded_video(
    video: TubeVideo, n: int, bank: Bank, seed: int, colour: tuple[int, int, int] | None = None
) -> TubeVideo:
    """A video with an occluder of 1/n of its largest box; `pictures.occluder` says which and where.

    Raises ItemError where the box is too small, and UserError where the bank has no cut-out for the
    video's split.
    """
    options = {one.file.name: one for one in bank.get(video.split, ())}
    if not options:
        raise UserError(
            f"wanted cut-outs of the split {video.split} in the bank of occluders, got those of "
            f"{', '.join(sorted(bank)) or 'none'}; run occluders with more photos"
        )
    cut_out = options[choose(options, seed, video.name, "static occluder")]
    first = next(iter(video.tubes.values()))[0]
    box = _within(largest_box(first), video)
    at = place(box, n, rng(seed, video.name, "place of the static occluder"))
    occluder = StaticOccluder(cut_out, at, colour)
    return replace(
        video,
        pictures=OccludedPictures(video.pictures, occluder),
        masks=OccludedMasks(video.masks, occluder, video.height, video.width),
    )


def _within(box: tuple[int, int, int, int], video: TubeVideo) -> tuple[int, int, int, int]:
    x1, y1, x2, y2 = box
    return x1, y1, min(x2, video.width), min(y2, video.height)


def occluded_set(
    clean: TubeSet,
    n: int,
    bank: Bank,
    seed: int,
    splits: Sequence[str] = (),
    colour: tuple[int, int, int] | None = None,
) -> TubeSet:
    """The set with STADO's occluders in front, named `<set>_50`, `_33` or `_25` as theirs are.

    `n`: 2, 3 or 4; `splits`: those to cover and keep, none: all; `colour`: FLOW_COLOUR for pictures
    of optical flow. Videos with too small a box are left out. Raises UserError as `occluded_video`
    does, or for another `n`.
    """
    if n not in DEGREES:
        raise UserError(f"wanted n of {', '.join(map(str, DEGREES))}, got {n}; name one of them")
    videos, left_out = [], dict(clean.left_out)
    for video in clean.videos:
        if not splits or video.split in splits:
            try:
                videos.append(occluded_video(video, n, bank, seed, colour))
            except ItemError as error:
                left_out[video.name] = error
    return TubeSet(f"{clean.name}_{DEGREES[n]}", clean.labels, tuple(videos), left_out)


class Cover(NamedTuple):
    """What is covered in a frame, shares from 0 to 1."""

    box: float
    """Of the boxes of all tubes, each pixel once."""
    actor: float | None
    """Of what was seen of the actor before; None without a mask of them."""


def cover(before: TubeVideo, after: TubeVideo, number: int) -> Cover | None:
    """What the occluder of a video of `occluded_video` covers in a frame; None without a box."""
    boxes = np.zeros((before.height, before.width), bool)
    for _, _, box in before.boxes(number):
        fill_box(boxes, box)
    front = after.occluder(number)
    if front is None or not boxes.any():
        return None
    counts = before.masks.of(number).visible if before.masks is not None else None
    seen = None if counts is None else rle.decode(counts, before.height, before.width)
    hidden = float((seen & front).sum() / seen.sum()) if seen is not None and seen.any() else None
    return Cover(float((boxes & front).sum() / boxes.sum()), hidden)
