"""A contact sheet per category: cut-outs of the bank on a checkerboard, as one JPEG to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from occludenet_build.core import seeds
from occludenet_build.core.files import write_bytes_if_changed

_SHOWN, _COLUMNS = 96, 12
_TILE_PX, _TEXT_PX, _SQUARE_PX = 132, 14, 11
_QUALITY = 88
_INK = (40, 40, 40)


def write_sheets(
    folder: Path, rows: Iterable[Mapping[str, Any]], categories: Iterable[str], seed: int
) -> dict[str, str]:
    """category -> its sheet, relative to the table's folder. Sheets of other categories go."""
    kept = [row for row in rows if row["status"] == "ok"]
    sheets: dict[str, str] = {}
    for category in categories:
        mine = _drawn([row for row in kept if row["category"] == category], seed)
        if mine:
            sheets[category] = f"sheets/{category}.jpg"
            write_bytes_if_changed(folder / sheets[category], _jpeg(folder, mine))
    for path in (folder / "sheets").glob("*.jpg"):
        if f"sheets/{path.name}" not in sheets.values():
            path.unlink()
    return sheets


def _drawn(rows: list[Mapping[str, Any]], seed: int) -> list[Mapping[str, Any]]:
    """As many as fit, by hash, the largest first."""
    rows = sorted(rows, key=lambda row: seeds.integer(seed, row["occluder"], "contact sheet"))
    return sorted(rows[:_SHOWN], key=lambda row: (-row["pixels"], row["occluder"]))


def _jpeg(folder: Path, rows: Sequence[Mapping[str, Any]]) -> bytes:
    tiles = [_tile(folder / row["file"], f"{row['pixels']} {row['split']}") for row in rows]
    empty = np.full_like(tiles[0], 255)
    columns = min(_COLUMNS, len(tiles))
    tiles += [empty] * (-len(tiles) % columns)
    lines = [np.hstack(tiles[at : at + columns]) for at in range(0, len(tiles), columns)]
    return cv2.imencode(".jpg", np.vstack(lines), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


def _tile(path: Path, text: str) -> np.ndarray:
    """uint8 (tile + text, tile, 3) BGR."""
    picture = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.float32)
    alpha = picture[..., 3:] / 255
    scale = min(1.0, _TILE_PX / max(picture.shape[:2]))
    size = tuple(max(1, round(side * scale)) for side in picture.shape[1::-1])
    picture = np.concatenate([picture[..., :3] * alpha, alpha], axis=2)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    tile = np.full((_TILE_PX + _TEXT_PX, _TILE_PX, 3), 255, np.float32)
    tile[:_TILE_PX] = _checkerboard()
    top, left = (_TILE_PX - small.shape[0]) // 2, (_TILE_PX - small.shape[1]) // 2
    place = tile[top : top + small.shape[0], left : left + small.shape[1]]
    place[:] = place * (1 - small[..., 3:]) + small[..., :3]
    whole = np.round(tile).astype(np.uint8)
    origin = (2, _TILE_PX + _TEXT_PX - 4)
    cv2.putText(whole, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.35, _INK, 1, cv2.LINE_AA)
    return whole


def _checkerboard() -> np.ndarray:
    rows, columns = np.indices((_TILE_PX, _TILE_PX)) // _SQUARE_PX
    return np.where((rows + columns) % 2, 235.0, 205.0)[..., None].astype(np.float32)
