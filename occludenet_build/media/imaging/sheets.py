"""Contact sheets: rows and grids of thumbnails with captions, as JPEG, PNG or data URI.

All images are uint8 (H, W, 3) RGB. The module `thumbnails` draws the single thumbnails.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from occludenet_build.core.errors import ItemError
from occludenet_build.media.imaging.thumbnails import Drawing, draw_text, draw_thumbnail, frames_at

GAP = 3
"""Width of the white gap between thumbnails, in pixels."""
LINE = 18
"""Height of a line of text, in pixels."""
_WHITE, _BLACK = (235, 235, 235), (0, 0, 0)


def strip_height(picture: np.ndarray, count: int, width: int = 1500, most: int = 200) -> int:
    """Height of thumbnails of an image uint8 (H, W, 3), so that `count` fit into `width` pixels.

    `most`: maximum height, in pixels.
    """
    return max(16, min(most, int(width / count * picture.shape[0] / picture.shape[1])))


def film_strip(
    path: Path | str,
    frames: Sequence[int],
    drawings: Mapping[int, Drawing] | None = None,
    *,
    width: int = 1500,
    most: int = 200,
) -> np.ndarray:
    """Frames of a video side by side, uint8 (H, W, 3), W about `width` pixels, with annotations.

    `drawings`: frame -> annotations. `most`: maximum height, in pixels. A frame that is missing in
    the file is black. Raises ItemError if the file cannot be read or has none of the frames.
    """
    pictures = frames_at(path, frames)
    if not pictures:
        raise ItemError("zero_frames", "the file has fewer frames than the tables say")
    first = next(iter(pictures.values()))
    height, drawings = strip_height(first, len(frames), width, most), drawings or {}
    absent = np.zeros_like(first)
    return side_by_side(
        [draw_thumbnail(pictures.get(n, absent), height, drawings.get(n)) for n in frames]
    )


def side_by_side(pictures: Sequence[np.ndarray], gap: int = GAP) -> np.ndarray:
    """Images uint8 (H, W, 3) of equal height in a row, with a white gap of `gap` pixels."""
    white = np.full((pictures[0].shape[0], gap, 3), 255, np.uint8)
    return np.hstack([part for picture in pictures for part in (white, picture)][1:])


def grid(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Arrange tiles uint8 (H, W, 3) of equal size in at most `columns` columns: uint8 (H, W, 3).

    The rest of the last row is white.
    """
    columns = min(columns, len(tiles))
    tiles = [*tiles, *[np.full_like(tiles[0], 255)] * (-len(tiles) % columns)]
    return np.vstack([np.hstack(tiles[at : at + columns]) for at in range(0, len(tiles), columns)])


def stacked(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Stack images uint8 (H, W, 3) vertically; narrower ones are padded with black on the right."""
    width = max(part.shape[1] for part in parts)
    return np.vstack([np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0))) for p in parts])


def labelled(name: str, strip: np.ndarray, width: int) -> np.ndarray:
    """Add a name to the left of a strip uint8 (H, W, 3), on `width` black pixels, and a gap
    below."""
    label = np.zeros((strip.shape[0], width, 3), np.uint8)
    draw_text(label, name, (4, min(strip.shape[0] - 4, 16)), _WHITE)
    return np.pad(np.hstack([label, strip]), ((0, GAP), (0, 0), (0, 0)))


def text_image(lines: Sequence[str], dark: bool = True, width: int = 0) -> np.ndarray:
    """Image of lines of text, uint8 (H, W, 3): white on black, or black on white without `dark`.

    `width`: width in pixels; 0: as wide as the longest line.
    """
    width = width or max(8 + 8 * len(line) for line in lines)
    picture = np.full((LINE * len(lines), width, 3), 0 if dark else 255, np.uint8)
    for number, line in enumerate(lines):
        at = (4, LINE * number + 13)
        draw_text(picture, line, at, _WHITE if dark else _BLACK, halo=dark)
    return picture


def jpeg(picture: np.ndarray, quality: int = 84) -> bytes:
    """Encode an image uint8 (H, W, 3) RGB as JPEG; `quality`: 0 to 100."""
    return _encoded(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])


def png(picture: np.ndarray) -> bytes:
    """Encode an image uint8 (H, W, 3) RGB or (H, W, 4) RGBA as PNG."""
    return _encoded(".png", picture, [])


def _encoded(suffix: str, picture: np.ndarray, options: list[int]) -> bytes:
    order = [2, 1, 0, 3][: picture.shape[2]]
    done, coded = cv2.imencode(suffix, np.ascontiguousarray(picture[..., order]), options)
    if not done:
        raise ValueError(
            f"wanted an image that encodes as {suffix}, got {picture.shape} {picture.dtype}"
        )
    return coded.tobytes()


def data_uri(kind: str, coded: bytes) -> str:
    """An encoded image as the data URI of an <img>; `kind`: jpeg or png."""
    return f"data:image/{kind};base64,{base64.b64encode(coded).decode()}"
