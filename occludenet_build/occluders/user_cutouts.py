"""Your own pictures: RGBA PNGs in `<category>/<name>.png` of occluders.own.

They are checked (a PNG, with an opaque and a transparent part, large enough), cut to what is
visible and written into the bank. Whoever brings a picture has looked at it: the gates measure it
and refuse nothing. Its split depends on its category and name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.coco.filters import Row, check_size, refuse, shape_of
from occludenet_build.coco.image_io import opened
from occludenet_build.config import Occluders
from occludenet_build.core import seeds
from occludenet_build.core.errors import ItemError, UserError
from occludenet_build.core.files import short_hash
from occludenet_build.core.masks import box_of
from occludenet_build.occluders.blur import blur_of
from occludenet_build.occluders.cutout import written
from occludenet_build.occluders.near_duplicates import perceptual_hash

_LONGEST_STEM = 100


@dataclass(frozen=True)
class Own:
    """A picture: the folder it was found in and its name there, where it goes, how it is drawn."""

    folder: Path
    source: str
    out: Path
    settings: Occluders
    split: str


def own_pictures(out: Path, settings: Occluders, seed: int) -> Iterator[Own]:
    """The files of the folder in the order of their names, without those that begin with a dot.

    Raises UserError where there is no such folder or it holds the bank itself.
    """
    if settings.own is None:
        return
    folder = Path(settings.own)
    if not folder.is_dir():
        raise UserError(f"occluders.own: wanted a folder, {folder} is not one")
    if out.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"occluders.own: {folder} holds the bank itself; wanted another folder")
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    for source in sorted(found):
        if not any(part.startswith(".") for part in source.parts):
            name = source.as_posix()
            split = seeds.split_of(vars(settings.split), seed, f"own {name}", "occluder split")
            yield Own(folder, name, out, settings, split)


def take(own: Own) -> list[Row]:
    """The table's row of one picture; it is written if it is ok."""
    category = own.source.split("/")[0] if "/" in own.source else ""
    row: Row = {"category": category, "origin": "own", "source": own.source}
    try:
        row.update(_taken(own, row))
    except ItemError as error:
        refuse(row, ItemError(error.reason, f"{own.source}: {error.detail}"))
    return [row]


def _taken(own: Own, row: Row) -> dict[str, Any]:
    if not re.fullmatch(r"[^/]+/[^/]+\.png", own.source, re.IGNORECASE):
        raise ItemError("image_unreadable", "wanted <category>/<name>.png")
    picture = _read(own.folder / own.source)
    mask = picture[..., 3] >= 128
    row["pixels"] = int(np.count_nonzero(mask))
    if not row["pixels"]:
        raise ItemError("bad_mask", "no pixel")
    if picture[..., 3].min() >= 128:
        raise ItemError("no_alpha", "no pixel is transparent")
    check_size(row["pixels"], own.settings)
    x1, y1, x2, y2 = box_of(picture[..., 3] > 0) or (0, 0, 0, 0)
    picture, mask = picture[y1:y2, x1:x2], mask[y1:y2, x1:x2]
    name = name_of(own.source)
    # No photo goes on beyond it: a picture that fills its file is whole all the same.
    row |= vars(shape_of(np.pad(mask, 3))) | {"blur": blur_of(picture[..., :3], mask)}
    return {
        "occluder": name,
        "perceptual_hash": perceptual_hash(picture[..., :3], mask),
        **written(picture, row["category"], name, own.out),
        "status": "ok",
        "split": own.split,
    }


def _read(path: Path) -> np.ndarray:
    """uint8 (H, W, 4), black where transparent."""
    with opened(path, formats=("PNG",)) as image:
        if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
            raise ItemError("no_alpha", f"the PNG is {image.mode}, wanted RGBA")
        picture = np.array(image.convert("RGBA"))
    picture[picture[..., 3] == 0] = 0
    return picture


def name_of(source: str) -> str:
    """The bank's name of an own picture: its stem in plain letters, and a hash of where it lay.

    >>> name_of("umbrella/red, large.png")
    'own_red_large_6be678.png'
    """
    stem = re.sub(r"[^A-Za-z0-9.-]+", "_", Path(source).stem)[:_LONGEST_STEM]
    return f"own_{stem}_{short_hash(source)[:6]}.png"
