"""Single small pictures: frames of a clip with boxes and outlines on them, cut-outs.

Pictures are uint8 (H, W, 3) RGB, boxes x1 y1 x2 y2 in displayed pixels. `sheets` puts pictures
together.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from occludenet_build.core import masks
from occludenet_build.core.video.source import reading, to_rgb

Colour = tuple[int, int, int]
"""RGB."""

COLOURS: dict[str, Colour] = {
    "detected": (60, 220, 90),
    "filled": (255, 176, 0),
    "actor": (0, 214, 255),
    "occluder": (255, 64, 200),
}
"""What is drawn -> its colour."""

_CHECKER_PX = 12
_CHECKER_GREY = 255, 232
_CUTOUT_SHARE = 0.94
"""Of a tile's side that a cut-out may fill."""


class Mark(NamedTuple):
    """A box, displayed pixels, with a word at its corner."""

    box: tuple[float, ...]
    colour: Colour
    text: str = ""
    strong: bool = True


class Outline(NamedTuple):
    """A mask as COCO RLE counts, of the whole picture."""

    rle: bytes
    colour: Colour


@dataclass(frozen=True)
class Drawing:
    """What is drawn on one frame; outlines below marks."""

    marks: tuple[Mark, ...] = ()
    outlines: tuple[Outline, ...] = ()


def evenly(frames: int, count: int) -> list[int]:
    """Frame numbers in the middle of `count` equal parts; all frames of a shorter clip.

    >>> evenly(10, 5), evenly(2, 5)
    ([1, 3, 5, 7, 9], [0, 1])
    """
    count = min(count, frames)
    return [(2 * part + 1) * frames // (2 * count) for part in range(count)]


def pick(path: Path | str, wanted: Collection[int]) -> dict[int, np.ndarray]:
    """Frame number -> displayed picture uint8 (H, W, 3); decodes no further than it must.

    Frames that the file does not have are left out. Raises ItemError where it cannot be read.
    """
    found: dict[int, np.ndarray] = {}
    last = max(wanted, default=-1)
    with reading(path) as source:
        for number, frame in enumerate(source):
            if number in wanted:
                found[number] = to_rgb(frame)
            if number >= last:
                break
    return found


def draw(picture: np.ndarray, height: int, drawing: Drawing | None = None) -> np.ndarray:
    """A thumbnail uint8 (height, W, 3) of a picture uint8 (H, W, 3), with its drawing."""
    full_height, full_width = picture.shape[:2]
    factor = height / full_height
    small = scaled(picture, (max(1, round(full_width * factor)), height))
    if drawing is None:
        return small
    thick = 2 if height >= 100 else 1
    for rle, colour in drawing.outlines:
        mask = masks.decode(rle, full_height, full_width).astype(np.float32)
        shares = cv2.resize(mask, small.shape[1::-1], interpolation=cv2.INTER_AREA)
        outline(small, shares > 0.5, colour, thick)
    for mark in drawing.marks:
        box = [edge * factor for edge in mark.box]
        rectangle(small, box, mark.colour, thick if mark.strong else 1)
        if mark.text:
            at = round(box[0]) + 2, max(10, round(box[1]) + 11)
            write(small, mark.text, at, mark.colour)
    return small


def scaled(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, C), uint8 or float32, resized to (width, height): averaged if smaller, else cubic."""
    way = cv2.INTER_AREA if size[1] < picture.shape[0] else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(picture, size, interpolation=way))


def outline(picture: np.ndarray, mask: np.ndarray, colour: Colour, thick: int = 1) -> None:
    """Draw the outline of a mask, bool (H, W), into a contiguous picture of that size."""
    lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, lines, -1, colour, thick)


def rectangle(picture: np.ndarray, box: Collection[float], colour: Colour, thick: int = 1) -> None:
    """Draw a box, x1 y1 x2 y2, half-open, into a contiguous picture uint8 (H, W, 3)."""
    x1, y1, x2, y2 = (round(edge) for edge in box)
    cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), colour, thick)


def write(
    picture: np.ndarray, text: str, at: tuple[int, int], colour: Colour, halo: bool = True
) -> None:
    """Write a word into a picture uint8 (H, W, 3), its lower left corner `at` x, y.

    `halo`: dark around the letters, so that they read on any ground.
    """
    # The font has no letters beyond ASCII.
    line = ascii(text)[1:-1]
    for ink, thick in (((0, 0, 0), 3), (colour, 1))[not halo :]:
        cv2.putText(picture, line, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, ink, thick, cv2.LINE_AA)


def fitted(picture: np.ndarray, size: tuple[int, int], enlarge: bool = True) -> np.ndarray:
    """A picture (H, W, C), uint8 or float32, in the middle of (width, height), its aspect kept.

    Zeros around it. Without `enlarge` a smaller picture keeps its size.
    """
    factor = min(size[0] / picture.shape[1], size[1] / picture.shape[0])
    factor = factor if enlarge else min(1.0, factor)
    width, height = (max(1, round(side * factor)) for side in picture.shape[1::-1])
    whole = np.zeros((size[1], size[0], picture.shape[2]), picture.dtype)
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    whole[top : top + height, left : left + width] = scaled(picture, (width, height))
    return whole


def read_cutout(path: Path) -> np.ndarray | None:
    """uint8 (H, W, 4) RGBA, straight alpha; None where the file is no picture with alpha."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
        return None
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA)


def on_checkerboard(rgba: np.ndarray, side: int, enlarge: bool = False) -> np.ndarray:
    """A cut-out uint8 (H, W, 4), with a margin, over a checkerboard: uint8 (side, side, 3)."""
    inner = round(_CUTOUT_SHARE * side)
    alpha = rgba[:, :, 3:].astype(np.float32) / 255
    # Averaged with its alpha, no colour of a transparent pixel bleeds into the edge.
    cut = fitted(np.concatenate([rgba[:, :, :3] * alpha, alpha], axis=2), (inner, inner), enlarge)
    before = (side - inner) // 2
    cut = np.pad(cut, (*[(before, side - inner - before)] * 2, (0, 0)))
    rows, columns = np.mgrid[0:side, 0:side] // _CHECKER_PX
    ground = np.where((rows + columns) % 2, *_CHECKER_GREY)[..., None]
    alpha = cut[..., 3:].clip(1e-6, 1)  # cubic interpolation overshoots
    shown = ground * (1 - alpha) + cut[..., :3] * alpha / cut[..., 3:].clip(1e-6)
    return np.rint(shown).clip(0, 255).astype(np.uint8)
