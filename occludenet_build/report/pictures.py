"""Small pictures for the page: thumbnails with boxes and outlines, cut-outs, data URIs."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from occludenet_build.core import masks

GAP = 3  # pixels between thumbnails
COLOURS = {
    "detected": (60, 220, 90),
    "filled": (255, 176, 0),
    "actor": (0, 214, 255),
    "occluder": (255, 64, 200),
}
"""What is drawn -> RGB."""


@dataclass(frozen=True)
class Drawing:
    """Ground truth of one frame, displayed pixels."""

    box: tuple[float, ...] | None
    filled: bool
    actor_rle: bytes | None
    occluder_rle: bytes | None


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
    for rle, name in ((drawing.actor_rle, "actor"), (drawing.occluder_rle, "occluder")):
        if rle is not None:
            _outline(small, masks.decode(rle, full_height, full_width), COLOURS[name], thick)
    if drawing.box is not None:
        x1, y1, x2, y2 = (round(edge * factor) for edge in drawing.box)
        colour = COLOURS["filled" if drawing.filled else "detected"]
        cv2.rectangle(small, (x1, y1), (x2 - 1, y2 - 1), colour, thick)
    return small


def _outline(small: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int], thick: int) -> None:
    shares = cv2.resize(mask.astype(np.float32), small.shape[1::-1], interpolation=cv2.INTER_AREA)
    found, _ = cv2.findContours(
        (shares > 0.5).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
    )
    cv2.drawContours(small, found, -1, colour, thick)


def strip_of(pictures: list[np.ndarray]) -> np.ndarray:
    """Thumbnails of one size side by side."""
    gap = np.full((pictures[0].shape[0], GAP, 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (gap, picture)][1:]
    return np.concatenate(parts, axis=1)


def jpeg(picture: np.ndarray, quality: int = 84) -> str:
    """A data URI of an RGB picture."""
    done, coded = cv2.imencode(
        ".jpg", np.ascontiguousarray(picture[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not done:
        raise ValueError(f"no JPEG of a picture {picture.shape} {picture.dtype}")
    return _uri("image/jpeg", coded)


def cutout_png(path: Path, side: int = 92) -> str | None:
    """A data URI of a cut-out inside `side` x `side` pixels; None if the file does not read."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3:
        return None
    factor = min(1.0, side / max(image.shape[:2]))
    size = [max(1, round(edge * factor)) for edge in image.shape[1::-1]]
    done, coded = cv2.imencode(".png", cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    return _uri("image/png", coded) if done else None


def _uri(kind: str, coded: np.ndarray) -> str:
    return f"data:{kind};base64,{base64.b64encode(coded.tobytes()).decode()}"
