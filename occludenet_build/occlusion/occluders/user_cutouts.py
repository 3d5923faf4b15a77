"""Cut-outs from the user's own pictures: RGBA PNGs `<category>/<name>.png` in occluders.own.

Each picture is checked (a PNG with opaque and transparent pixels, large enough), cropped to its
visible part and written into the bank. The gates are measured and not applied, since the user has
chosen the pictures. The split depends on category and name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from occludenet_build.config.occlusion import Occluders
from occludenet_build.core import names, seeds
from occludenet_build.core.errors import ItemError, UserError, as_item_error
from occludenet_build.core.files import short_hash
from occludenet_build.media.imaging.image_io import open_image
from occludenet_build.media.imaging.masks import box_of
from occludenet_build.occlusion.occluders.cutout import blur_of, write_cutout
from occludenet_build.occlusion.occluders.near_duplicates import perceptual_hash
from occludenet_build.sources.coco.selection import Row, check_size, set_refusal, shape_of

_LONGEST_STEM = 100


@dataclass(frozen=True)
class UserPicture:
    """A user's picture: its path, its name in the table, the bank's folder, settings and split."""

    path: Path
    source: str
    out: Path
    settings: Occluders
    split: str


def user_pictures(out: Path, settings: Occluders, seed: int) -> Iterator[UserPicture]:
    """The files of occluders.own in the order of their names, without hidden ones.

    Raises UserError where the folder does not exist or contains the bank.
    """
    if settings.own is None:
        return
    folder = Path(settings.own)
    if not folder.is_dir():
        raise UserError(f"occluders.own: wanted a folder, {folder} is not one")
    if out.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"occluders.own: {folder} holds the bank itself; wanted another folder")
    for source in names.listing(folder):
        name = os.fsencode(source).decode("utf-8", "backslashreplace")
        split = seeds.split_of(vars(settings.split), seed, f"own {name}", "occluder split")
        yield UserPicture(folder / source, name, out, settings, split)


def cut_user_picture(own: UserPicture) -> list[Row]:
    """Write the cut-out of one picture if it is usable; return its table row, in a list."""
    row = _known(own)
    try:
        row.update(_cut_out(own, row))
    except Exception as error:
        return lost_user_picture(own, as_item_error(error))
    return [row]


def lost_user_picture(own: UserPicture, error: ItemError) -> list[Row]:
    """The row of a picture that has no cut-out, in a list."""
    row = _known(own)
    set_refusal(row, ItemError(error.reason, f"{own.source}: {error.detail}"))
    return [row]


def _known(own: UserPicture) -> Row:
    category = own.source.split("/")[0] if "/" in own.source else ""
    return {"category": category, "origin": "own", "source": own.source}


def _cut_out(own: UserPicture, row: Row) -> dict[str, Any]:
    names.require_utf8(own.path)
    if not re.fullmatch(r"[^/]+/[^/]+\.png", own.source, re.IGNORECASE):
        raise ItemError("image_unreadable", "wanted <category>/<name>.png")
    if not own.path.exists():
        raise ItemError("image_missing", "a link that leads nowhere")
    picture = _read(own.path)
    mask = picture[..., 3] >= 128
    row["pixels"] = int(np.count_nonzero(mask))
    if not row["pixels"]:
        raise ItemError("bad_mask", "no pixel")
    if picture[..., 3].min() >= 128:
        raise ItemError("no_alpha", "no pixel is transparent")
    check_size(row["pixels"], own.settings)
    x1, y1, x2, y2 = box_of(picture[..., 3] > 0) or (0, 0, 0, 0)
    picture, mask = picture[y1:y2, x1:x2], mask[y1:y2, x1:x2]
    name = user_cutout_name(own.source)
    # Padded, so that an object that fills its file does not count as cut by the border.
    row |= vars(shape_of(np.pad(mask, 3))) | {"blur": blur_of(picture[..., :3], mask)}
    return {
        "occluder": name,
        "perceptual_hash": perceptual_hash(picture[..., :3], mask),
        **write_cutout(picture, row["category"], name, own.out),
        "status": "ok",
        "split": own.split,
    }


def _read(path: Path) -> np.ndarray:
    """RGBA uint8 (H, W, 4), black where transparent."""
    with open_image(path, formats=("PNG",)) as image:
        if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
            raise ItemError("no_alpha", f"the PNG is {image.mode}, wanted RGBA")
        picture = np.array(image.convert("RGBA"))
    picture[picture[..., 3] == 0] = 0
    return picture


def user_cutout_name(source: str) -> str:
    """The bank's name of a user's picture: its stem in ASCII, and a hash of category and name.

    >>> user_cutout_name("umbrella/red, large.png")
    'own_red_large_6be678.png'
    """
    stem = re.sub(r"[^A-Za-z0-9.-]+", "_", Path(source).stem)[:_LONGEST_STEM]
    return f"own_{stem}_{short_hash(source)[:6]}.png"
