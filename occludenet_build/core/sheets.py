"""Contact sheets: rows of thumbnails, captions and grids, as JPEG, PNG or data URI.

All pictures, given and returned, are uint8 (H, W, 3) RGB. What stands on a single thumbnail is
drawn by `thumbnails`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from occludenet_build.core.errors import ItemError
from occludenet_build.core.thumbnails import Drawing, draw, pick, write

GAP = 3
"""Pixels between thumbnails, white."""
LINE = 18
"""Pixels for a line of text."""
_WHITE, _BLACK = (235, 235, 235), (0, 0, 0)


def strip_height(picture: np.ndarray, count: int, width: int = 1500, most: int = 200) -> int:
    """Height of the thumbnails of a picture uint8 (H, W, 3), so that `count` fit into `width`."""
    return max(16, min(most, int(width / count * picture.shape[0] / picture.shape[1])))


def film_strip(
    path: Path | str,
    frames: Sequence[int],
    drawings: Mapping[int, Drawing] | None = None,
    *,
    width: int = 1500,
    most: int = 200,
) -> np.ndarray:
    """Frames of a video side by side, uint8 (H, W, 3), W about `width`, each with its drawing.

    `most`: the largest height, pixels. A frame that the file does not have is black.
    Raises ItemError where the file cannot be read or has none of the frames.
    """
    pictures = pick(path, frames)
    if not pictures:
        raise ItemError("zero_frames", "the file has fewer frames than the tables say")
    first = next(iter(pictures.values()))
    height, drawings = strip_height(first, len(frames), width, most), drawings or {}
    absent = np.zeros_like(first)
    return side_by_side([draw(pictures.get(n, absent), height, drawings.get(n)) for n in frames])


def side_by_side(pictures: Sequence[np.ndarray], gap: int = GAP) -> np.ndarray:
    """Pictures uint8 (H, W, 3) of one height in a row, with a white gap between them."""
    white = np.full((pictures[0].shape[0], gap, 3), 255, np.uint8)
    return np.hstack([part for picture in pictures for part in (white, picture)][1:])


def grid(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Tiles uint8 (H, W, 3) of one size in rows of `columns` at most: uint8 (H, W, 3).

    White where the last row ends early.
    """
    columns = min(columns, len(tiles))
    tiles = [*tiles, *[np.full_like(tiles[0], 255)] * (-len(tiles) % columns)]
    return np.vstack([np.hstack(tiles[at : at + columns]) for at in range(0, len(tiles), columns)])


def stacked(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures uint8 (H, W, 3) one below the other, black beside the narrow ones."""
    width = max(part.shape[1] for part in parts)
    return np.vstack([np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0))) for p in parts])


def labelled(name: str, strip: np.ndarray, width: int) -> np.ndarray:
    """A strip uint8 (H, W, 3), its name left of it in `width` black pixels, and a gap below."""
    label = np.zeros((strip.shape[0], width, 3), np.uint8)
    write(label, name, (4, min(strip.shape[0] - 4, 16)), _WHITE)
    return np.pad(np.hstack([label, strip]), ((0, GAP), (0, 0), (0, 0)))


def text(lines: Sequence[str], dark: bool = True, width: int = 0) -> np.ndarray:
    """Lines of text, uint8 (H, W, 3), white on black or, not `dark`, black on white.

    As wide as the longest line needs, or exactly `width` pixels.
    """
    width = width or max(8 + 8 * len(line) for line in lines)
    picture = np.full((LINE * len(lines), width, 3), 0 if dark else 255, np.uint8)
    for number, line in enumerate(lines):
        at = (4, LINE * number + 13)
        write(picture, line, at, _WHITE if dark else _BLACK, halo=dark)
    return picture


def jpeg(picture: np.ndarray, quality: int = 84) -> bytes:
    """A picture uint8 (H, W, 3) RGB as JPEG; `quality` 0 to 100."""
    return _coded(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])


def png(picture: np.ndarray) -> bytes:
    """A picture uint8 (H, W, 3) RGB or (H, W, 4) RGBA as PNG."""
    return _coded(".png", picture, [])


def _coded(suffix: str, picture: np.ndarray, options: list[int]) -> bytes:
    order = [2, 1, 0, 3][: picture.shape[2]]
    done, coded = cv2.imencode(suffix, np.ascontiguousarray(picture[..., order]), options)
    if not done:
        raise ValueError(f"no {suffix} of a picture {picture.shape} {picture.dtype}")
    return coded.tobytes()


def data_uri(kind: str, coded: bytes) -> str:
    """A coded picture as the address of an <img>; `kind` is jpeg or png."""
    return f"data:image/{kind};base64,{base64.b64encode(coded).decode()}"
