"""Bytes to download, from the headers of the servers; only lists of archives are downloaded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import requests

from occludenet_build.config import Config
from occludenet_build.config.backends import weights_of
from occludenet_build.core import seeds
from occludenet_build.core.errors import ItemError
from occludenet_build.core.settings import is_url
from occludenet_build.sources.coco.selection import WantedImage, wanted_images
from occludenet_build.sources.transfer.download import (
    CONNECTION_ERRORS,
    check_address,
    content_length,
    redact,
)
from occludenet_build.sources.transfer.fetch import new_http_session

_TIMEOUT = 10.0
"""Timeout of a request, in seconds."""
_REDIRECTS = 10
"""Maximum number of redirects."""
_LONGEST_LIST = 1 << 20
"""Maximum size of a list of archives, in bytes."""
_PHOTO_SAMPLE = 16
"""Number of photos whose size is requested; their mean size is used for all photos."""


@dataclass(frozen=True)
class Fetch:
    """Files that a stage downloads."""

    stage: str
    what: str
    """Their address, without passwords, or a description."""
    files: int
    bytes: int | None
    """Total size in bytes; None: not known."""
    archive: bool = False


def fetches(config: Config, photos: Sequence[WantedImage] | None) -> list[Fetch]:
    """Downloads of a configuration that are not on disk yet. `photos`: from `coco`."""
    online = not config.download.offline
    workers = config.download.per_host
    addresses = [
        (stage, url, archive)
        for stage, url, archive in addresses_of(config)
        for url in (_listed(url, config, online) if archive else [url])
    ]
    with ThreadPoolExecutor(workers) as pool:
        sizes = list(pool.map(lambda item: _size(item[1]) if online else None, addresses))
    downloads = [
        Fetch(stage, redact(url), 1, size, archive)
        for (stage, url, archive), size in zip(addresses, sizes, strict=True)
    ]
    if config.kinetics.route == "youtube":
        downloads.append(Fetch("kinetics", "videos of YouTube", 0, None))
    return [*downloads, *_photos(config, photos, online)]


def addresses_of(config: Config) -> Iterator[tuple[str, str, bool]]:
    """Yield (stage, address, whether it is an archive or a list of archives) of missing files."""
    build = Path(config.build_dir)
    if config.kinetics.route != "none" and not (build / "kinetics" / "clips.parquet").exists():
        yield from _kinetics(config)
    instances = config.acquire.coco_instances
    if instances and is_url(instances) and not (build / "acquire" / "coco.json").exists():
        yield "acquire", instances, False
    for _, weights in weights_of(config):
        if is_url(weights) and not _is_fetched(build / "acquire" / "weights", weights):
            yield "acquire", weights, False
    if not (build / "surveillance" / "archives.json").exists():
        yield from (("segments", url, True) for url in config.segments.archives if is_url(url))


def _kinetics(config: Config) -> Iterator[tuple[str, str, bool]]:
    settings = config.kinetics
    if settings.route == "archives":
        for url in (*settings.archives, *settings.replacements):
            if is_url(url) and _split(url) in (None, *settings.splits):
                yield "kinetics", url, True
    yield from (("kinetics", url, False) for url in settings.annotations if is_url(url))


def _is_fetched(folder: Path, url: str) -> bool:
    """Whether an earlier run has downloaded the weights at an address."""
    return any(
        record.with_suffix("").is_file() and json.loads(record.read_text()).get("url") == url
        for record in folder.glob("*.*.json")
    )


def _split(url: str) -> str | None:
    """The split in the name of an archive; None if it has none."""
    match = re.search(r"(?:^|[/_-])(train|val|test)(?=[/_.-])", url)
    return match[1] if match else None


def _listed(url: str, config: Config, online: bool) -> list[str]:
    """The archives in a list; the address itself if it is not a list or does not respond."""
    if not url.lower().endswith(".txt") or not online:
        return [url]
    try:
        check_address(url)
        with closing(new_http_session().get(url, stream=True, timeout=_TIMEOUT)) as response:
            text = response.raw.read(_LONGEST_LIST).decode("utf-8", "replace")
            lines = [line.strip() for line in text.splitlines()] if response.ok else []
    except (ItemError, *CONNECTION_ERRORS):
        return [url]
    return [urljoin(url, line) for line in lines if line] or [url]


def _size(url: str) -> int | None:
    """Size of the file at an address, in bytes; None if the server does not state it."""
    try:
        with new_http_session() as http:
            for _ in range(_REDIRECTS):
                check_address(url)
                response = http.head(url, allow_redirects=False, timeout=_TIMEOUT)
                target = http.get_redirect_target(response)
                if target is None:
                    length = content_length(response.headers.get("Content-Length"))
                    return length if response.status_code == 200 else None
                url = urljoin(url, requests.utils.requote_uri(target))
    except (ItemError, *CONNECTION_ERRORS):
        pass
    return None


def _photos(config: Config, photos: Sequence[WantedImage] | None, online: bool) -> Iterator[Fetch]:
    """The COCO photos to download, with their total size estimated from a sample."""
    base = config.acquire.coco_images
    occluders = Path(config.build_dir) / "occluders" / "occluders.parquet"
    if (base is not None and not is_url(base)) or occluders.exists():
        return
    if photos is None:
        yield Fetch("acquire", "photos of COCO", 0, None)
        return
    urls = [f"{base.rstrip('/')}/{photo.file_name}" if base else photo.coco_url for photo in photos]
    ordered = sorted(
        filter(None, urls), key=lambda u: seeds.uniform_integer(config.seed, u, "plan")
    )
    sample = ordered[:_PHOTO_SAMPLE]
    sizes = [size for url in sample if online and (size := _size(url)) is not None]
    total = round(sum(sizes) / len(sizes) * len(urls)) if sizes else None
    yield Fetch("acquire", f"photos of COCO, size from a sample of {len(sizes)}", len(urls), total)


def coco(config: Config) -> tuple[int | None, list[WantedImage] | None]:
    """(number of COCO objects to cut out, their photos).

    None for both if the annotations are not on disk.
    """
    path = _instances(config)
    if path is None:
        return None, None
    photos = wanted_images(path, config.occluders)
    return sum(sum(photo.instances.values()) for photo in photos), photos


def _instances(config: Config) -> Path | None:
    """COCO's instances file, if it exists on disk as a JSON file."""
    note = Path(config.build_dir) / "acquire" / "coco.json"
    named = config.acquire.coco_instances
    if named and not is_url(named) and Path(named).suffix != ".zip":
        return Path(named)
    fetched = json.loads(note.read_text()).get("instances") if note.exists() else None
    return Path(fetched) if fetched and Path(fetched).is_file() else None
