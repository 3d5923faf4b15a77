"""Bytes to download, from the headers of the servers; only lists of archives are downloaded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from occludenet_build.config import Config
from occludenet_build.config.backends import weights_of
from occludenet_build.config.published_files import COCO_PHOTO_BYTES
from occludenet_build.core.errors import ItemError
from occludenet_build.core.settings import is_url
from occludenet_build.sources.coco.selection import WantedImage, wanted_images
from occludenet_build.sources.kinetics.archives import of_splits
from occludenet_build.sources.transfer.connection import new_http_session, request
from occludenet_build.sources.transfer.download import (
    CONNECTION_ERRORS,
    check_address,
    content_length,
    redact,
    requested_address,
)

_TIMEOUT = 10.0
"""Timeout of a request, in seconds."""


@dataclass(frozen=True)
class Fetch:
    """Files that a stage downloads."""

    stage: str
    what: str
    """Their address, without passwords, or a description."""
    bytes: int | None
    """Total size; None: not known."""
    archive: bool = False


def fetches(config: Config, photos: Sequence[WantedImage] | None) -> list[Fetch]:
    """Downloads of a configuration that are not on disk yet. `photos`: from `coco`."""
    online, mirror = not config.download.offline, config.download.mirror
    addresses = [
        (stage, url, archive)
        for stage, named, archive in addresses_of(config)
        for url in (
            _listed(named, mirror) if online and named.lower().endswith(".txt") else [named]
        )
    ]
    with ThreadPoolExecutor(config.download.per_host) as pool:
        sizes = list(pool.map(lambda item: _size(item[1], mirror) if online else None, addresses))
    downloads = [
        Fetch(stage, redact(url), size, archive)
        for (stage, url, archive), size in zip(addresses, sizes, strict=True)
    ]
    if config.kinetics.route == "youtube":
        downloads.append(Fetch("kinetics", "videos of YouTube", None))
    base = config.acquire.coco_images
    cut_out = Path(config.build_dir) / "occluders" / "occluders.parquet"
    if (base is None or is_url(base)) and not cut_out.exists():
        total = None if photos is None else len(photos) * COCO_PHOTO_BYTES
        downloads.append(Fetch("acquire", "photos of COCO", total))
    return downloads


def addresses_of(config: Config) -> Iterator[tuple[str, str, bool]]:
    """Yield (stage, address, whether it is an archive or a list of archives) of missing files."""
    build, kinetics = Path(config.build_dir), config.kinetics
    if kinetics.route != "none" and not (build / "kinetics" / "clips.parquet").exists():
        of_split, archives = (
            of_splits(kinetics.splits),
            (*kinetics.archives, *kinetics.replacements),
        )
        if kinetics.route == "archives":
            yield from (
                ("kinetics", url, True) for url in archives if is_url(url) and of_split(url)
            )
        yield from (("kinetics", url, False) for url in kinetics.annotations if is_url(url))
    if kinetics.route == "none" and config.acquire.videos is None:
        return  # such a build needs neither COCO nor weights, whose settings have defaults
    instances = config.acquire.coco_instances
    if instances and is_url(instances) and not (build / "acquire" / "coco.json").exists():
        yield "acquire", instances, False
    notes = (build / "acquire" / "weights").glob("*.*.json")
    fetched = {json.loads(note.read_text()).get("url") for note in notes}
    for _, weights in weights_of(config):
        if is_url(weights) and weights not in fetched:
            yield "acquire", weights, False


def _listed(url: str, mirror: str | None = None) -> list[str]:
    """The archives in a list; the address itself if the server does not respond."""
    try:
        check_address(url)
        with new_http_session() as http:
            response = request(http, requested_address(url, mirror), _TIMEOUT)
            lines = response.text.split() if response.ok else []
    except (ItemError, *CONNECTION_ERRORS):
        return [url]
    return [urljoin(url, line) for line in lines] or [url]


def _size(url: str, mirror: str | None = None) -> int | None:
    """Size of the file at an address, in bytes; None if the server does not state it."""
    try:
        check_address(url)
        with new_http_session() as http:
            response = request(http, requested_address(url, mirror), _TIMEOUT, method="HEAD")
    except (ItemError, *CONNECTION_ERRORS):
        return None
    return content_length(response.headers.get("Content-Length")) if response.ok else None


def coco(config: Config) -> tuple[int | None, list[WantedImage] | None]:
    """(number of COCO objects to cut out, their photos).

    None for both if the annotations are not on disk as a JSON file.
    """
    note = Path(config.build_dir) / "acquire" / "coco.json"
    named: str | None = config.acquire.coco_instances
    if not named or is_url(named) or named.endswith(".zip"):
        named = json.loads(note.read_text()).get("instances") if note.exists() else None
    if not named:
        return None, None
    photos = wanted_images(Path(named), config.occluders)
    return sum(sum(photo.instances.values()) for photo in photos), photos
