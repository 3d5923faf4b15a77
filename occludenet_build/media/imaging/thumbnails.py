"""Thumbnails: frames of a clip with boxes and outlines, and cut-outs.

Images are uint8 (H, W, 3) RGB; boxes are x1, y1, x2, y2 in pixels of the displayed frame. The
module `sheets` arranges thumbnails.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from occludenet_build.media.imaging import masks
from occludenet_build.media.video.source import open_video, to_rgb

Colour = tuple[int, int, int]
"""RGB."""

COLOURS: dict[str, Colour] = {
    "detected": (60, 220, 90),
    "filled": (255, 176, 0),
    "actor": (0, 214, 255),
    "occluder": (255, 64, 200),
}
"""Kind of a box or outline -> its colour."""

_CHECKER_PX = 12
_CHECKER_GREY = 255, 232
"""Side of a square of the checkerboard, in pixels, and its two grey values."""
_CUTOUT_SHARE = 0.94
"""Maximum size of a cut-out, as a share of the tile's side."""


class Mark(NamedTuple):
    """A box in displayed pixels, with a text at its corner; `strong`: with thick lines."""

    box: tuple[float, ...]
    colour: Colour
    text: str = ""
    strong: bool = True


class Outline(NamedTuple):
    """The outline of a mask, given as COCO RLE counts of the whole frame."""

    rle: bytes
    colour: Colour


@dataclass(frozen=True)
class Drawing:
    """Annotations of one frame: outlines, and boxes on top of them."""

    marks: tuple[Mark, ...] = ()
    outlines: tuple[Outline, ...] = ()


def evenly_spaced_frames(frames: int, count: int) -> list[int]:
    """Frame numbers at the middle of `count` equal parts; all frames of a shorter clip.

    >>> evenly_spaced_frames(10, 5), evenly_spaced_frames(2, 5)
    ([1, 3, 5, 7, 9], [0, 1])
    """
    count = min(count, frames)
    return [(2 * part + 1) * frames // (2 * count) for part in range(count)]


def frames_at(path: Path | str, wanted: Collection[int]) -> dict[int, np.ndarray]:
    """Read frames: frame number -> displayed frame, uint8 (H, W, 3) RGB.

    Decoding stops at the last frame in `wanted`. Frames that are missing in the file are left out.
    Raises ItemError if the file cannot be read.
    """
    pictures: dict[int, np.ndarray] = {}
    last = max(wanted, default=-1)
    with open_video(path) as source:
        for number, frame in enumerate(source):
            if number in wanted:
                pictures[number] = to_rgb(frame)
            if number >= last:
                break
    return pictures


def draw_thumbnail(picture: np.ndarray, height: int, drawing: Drawing | None = None) -> np.ndarray:
    """Thumbnail uint8 (height, W, 3) of an image uint8 (H, W, 3), with annotations."""
    full_height, full_width = picture.shape[:2]
    factor = height / full_height
    small = resize_image(picture, (max(1, round(full_width * factor)), height))
    if drawing is None:
        return small
    thick = 2 if height >= 100 else 1
    for rle, colour in drawing.outlines:
        mask = masks.decode(rle, full_height, full_width).astype(np.float32)
        shares = cv2.resize(mask, small.shape[1::-1], interpolation=cv2.INTER_AREA)
        draw_outline(small, shares > 0.5, colour, thick)
    for mark in drawing.marks:
        box = [edge * factor for edge in mark.box]
        draw_box(small, box, mark.colour, thick if mark.strong else 1)
        if mark.text:
            at = round(box[0]) + 2, max(10, round(box[1]) + 11)
            draw_text(small, mark.text, at, mark.colour)
    return small


def resize_image(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image (H, W, C), uint8 or float32, to `size` (width, height), in pixels.

    Pixels are averaged for a smaller size and interpolated (cubic) for a larger one.
    """
    way = cv2.INTER_AREA if size[1] < picture.shape[0] else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(picture, size, interpolation=way))


def draw_outline(picture: np.ndarray, mask: np.ndarray, colour: Colour, thick: int = 1) -> None:
    """Draw the outline of a mask, bool (H, W), into an image uint8 (H, W, 3), in place.

    The image must be contiguous.
    """
    lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, lines, -1, colour, thick)


def draw_box(picture: np.ndarray, box: Collection[float], colour: Colour, thick: int = 1) -> None:
    """Draw a half-open box x1, y1, x2, y2 into a contiguous image uint8 (H, W, 3), in place."""
    x1, y1, x2, y2 = (round(edge) for edge in box)
    cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), colour, thick)


def draw_text(
    picture: np.ndarray, text: str, at: tuple[int, int], colour: Colour, halo: bool = True
) -> None:
    """Draw a text into an image uint8 (H, W, 3), in place; `at`: x, y of its lower left corner.

    `halo`: draw a dark border around the letters, for contrast on any background.
    """
    # The font has ASCII characters only.
    line = ascii(text)[1:-1]
    for ink, thick in (((0, 0, 0), 3), (colour, 1))[not halo :]:
        cv2.putText(picture, line, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, ink, thick, cv2.LINE_AA)


def letterboxed(picture: np.ndarray, size: tuple[int, int], enlarge: bool = True) -> np.ndarray:
    """Fit an image (H, W, C), uint8 or float32, into `size` (width, height), centred, on zeros.

    The aspect ratio is kept. Without `enlarge` a smaller image keeps its size.
    """
    factor = min(size[0] / picture.shape[1], size[1] / picture.shape[0])
    factor = factor if enlarge else min(1.0, factor)
    width, height = (max(1, round(side * factor)) for side in picture.shape[1::-1])
    whole = np.zeros((size[1], size[0], picture.shape[2]), picture.dtype)
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    whole[top : top + height, left : left + width] = resize_image(picture, (width, height))
    return whole


def read_cutout(path: Path) -> np.ndarray | None:
    """Read a cut-out: uint8 (H, W, 4) RGBA, straight alpha; None without an alpha channel."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
        return None
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA)


def on_checkerboard(rgba: np.ndarray, side: int, enlarge: bool = False) -> np.ndarray:
    """Draw a cut-out uint8 (H, W, 4) with a margin on a checkerboard: uint8 (side, side, 3)."""
    inner = round(_CUTOUT_SHARE * side)
    alpha = rgba[:, :, 3:].astype(np.float32) / 255
    # Premultiplied alpha: the colours of transparent pixels do not bleed into the edge.
    cut = letterboxed(
        np.concatenate([rgba[:, :, :3] * alpha, alpha], axis=2), (inner, inner), enlarge
    )
    before = (side - inner) // 2
    cut = np.pad(cut, (*[(before, side - inner - before)] * 2, (0, 0)))
    rows, columns = np.mgrid[0:side, 0:side] // _CHECKER_PX
    ground = np.where((rows + columns) % 2, *_CHECKER_GREY)[..., None]
    alpha = cut[..., 3:].clip(1e-6, 1)  # cubic interpolation overshoots
    shown = ground * (1 - alpha) + cut[..., :3] * alpha / cut[..., 3:].clip(1e-6)
    return np.rint(shown).clip(0, 255).astype(np.uint8)
