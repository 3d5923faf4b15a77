"""Small pictures of a clip: some of its frames side by side, with boxes and outlines on them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from occludenet_build.core import masks
from occludenet_build.core.video.source import reading, to_rgb

GAP = 3
"""Pixels between thumbnails."""

Colour = tuple[int, int, int]
"""RGB."""

COLOURS: dict[str, Colour] = {
    "detected": (60, 220, 90),
    "filled": (255, 176, 0),
    "actor": (0, 214, 255),
    "occluder": (255, 64, 200),
}
"""What is drawn -> its colour."""


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
    """Frame number -> displayed picture uint8 (H, W, 3); decodes no further than it must."""
    found: dict[int, np.ndarray] = {}
    last = max(wanted, default=-1)
    with reading(path) as source:
        for number, frame in enumerate(source):
            if number in wanted:
                found[number] = to_rgb(frame)
            if number >= last:
                break
    return found


def strip_height(picture: np.ndarray, count: int, width: int = 1500, most: int = 200) -> int:
    """Height of the thumbnails, pixels, so that `count` of them fit into `width`."""
    return max(16, min(most, int(width / count * picture.shape[0] / picture.shape[1])))


def draw(picture: np.ndarray, height: int, drawing: Drawing | None = None) -> np.ndarray:
    """A thumbnail uint8 (height, W, 3), RGB, with what is to be drawn on it."""
    full_height, full_width = picture.shape[:2]
    factor = height / full_height
    size = (max(1, round(full_width * factor)), height)
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    small = np.ascontiguousarray(cv2.resize(picture, size, interpolation=way))
    if drawing is None:
        return small
    thick = 2 if height >= 100 else 1
    for outline in drawing.outlines:
        _outline(small, masks.decode(outline.rle, full_height, full_width), outline.colour, thick)
    for mark in drawing.marks:
        _mark(small, mark, factor, thick if mark.strong else 1)
    return small


def _outline(small: np.ndarray, mask: np.ndarray, colour: Colour, thick: int) -> None:
    shares = cv2.resize(mask.astype(np.float32), small.shape[1::-1], interpolation=cv2.INTER_AREA)
    found, _ = cv2.findContours(
        (shares > 0.5).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
    )
    cv2.drawContours(small, found, -1, colour, thick)


def _mark(small: np.ndarray, mark: Mark, factor: float, thick: int) -> None:
    x1, y1, x2, y2 = (round(edge * factor) for edge in mark.box)
    cv2.rectangle(small, (x1, y1), (x2 - 1, y2 - 1), mark.colour, thick)
    if mark.text:
        write(small, mark.text, (x1 + 2, max(10, y1 + 11)), mark.colour)


def write(picture: np.ndarray, text: str, at: tuple[int, int], colour: Colour) -> None:
    """Put a word into a picture, its lower left corner `at` x, y; dark around, so that it reads."""
    for ink, thick in (((0, 0, 0), 3), (colour, 1)):
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, ink, thick, cv2.LINE_AA)


def strip_of(pictures: list[np.ndarray]) -> np.ndarray:
    """Thumbnails of one size side by side."""
    gap = np.full((pictures[0].shape[0], GAP, 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (gap, picture)][1:]
    return np.concatenate(parts, axis=1)


def jpeg(picture: np.ndarray, quality: int = 84) -> bytes:
    """An RGB picture as JPEG."""
    done, coded = cv2.imencode(
        ".jpg", np.ascontiguousarray(picture[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not done:
        raise ValueError(f"no JPEG of a picture {picture.shape} {picture.dtype}")
    return coded.tobytes()
