"""COCO as far as it is here: how many objects are cut out, and a smaller file of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from occludenet_build.coco.selection import WantedImage, wanted_images
from occludenet_build.config import Config
from occludenet_build.core import seeds
from occludenet_build.core.settings import is_url


def instances(config: Config) -> Path | None:
    """The instances file, if it is here as a file of its own."""
    note = Path(config.build_dir) / "acquire" / "coco.json"
    named = config.acquire.coco_instances
    if named and not is_url(named) and Path(named).suffix != ".zip":
        return Path(named)
    if note.exists():
        fetched = Path(json.loads(note.read_text()).get("instances", ""))
        return fetched if fetched.is_file() else None
    return None


def known(config: Config) -> tuple[int | None, list[WantedImage] | None]:
    """Objects that are cut out, and the photos that they are in; None: the file is not here."""
    path = instances(config)
    if path is None:
        return None, None
    wanted = wanted_images(path, config.occluders)
    return sum(sum(photo.instances.values()) for photo in wanted), wanted


class _File(msgspec.Struct):
    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    categories: list[dict[str, Any]]
    licenses: list[dict[str, Any]] = []


class _Image(msgspec.Struct):
    id: int


class _Annotation(msgspec.Struct):
    image_id: int


def smaller(source: Path, out: Path, config: Config, photos: int) -> None:
    """A file with the first so many photos of those that the bank needs, in an order by hash."""
    wanted = [photo.image for photo in wanted_images(source, config.occluders)]
    wanted.sort(key=lambda image: seeds.integer(config.seed, str(image), "plan"))
    kept = set(wanted[:photos])
    file = msgspec.json.decode(source.read_bytes(), type=_File)
    file.images = [r for r in file.images if msgspec.json.decode(r, type=_Image).id in kept]
    file.annotations = [
        raw
        for raw in file.annotations
        if msgspec.json.decode(raw, type=_Annotation).image_id in kept
    ]
    out.write_bytes(msgspec.json.encode(file))
