"""Bytes that are to be fetched: asked of the servers; only short lists are read."""

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

from occludenet_build.coco.selection import WantedImage, wanted_images
from occludenet_build.config import Config
from occludenet_build.config.backends import weights_of
from occludenet_build.core import seeds
from occludenet_build.core.errors import ItemError
from occludenet_build.core.settings import is_url
from occludenet_build.transfer.download import refuse, shown
from occludenet_build.transfer.fetch import session
from occludenet_build.transfer.http_errors import LOST, content_length

_TIMEOUT = 10.0
"""Seconds a server has to answer."""
_REDIRECTS = 10
_LONGEST_LIST = 1 << 20
"""Bytes of a list of archives."""
_ASKED = 16
"""Photos whose size is asked for; the others are taken to be like them."""


@dataclass(frozen=True)
class Fetch:
    """Files that a stage fetches."""

    stage: str
    what: str
    """The address, without passwords; or what there is none of."""
    files: int
    bytes: int | None
    """None: not known."""
    archive: bool = False


def fetches(config: Config, photos: Sequence[WantedImage] | None) -> list[Fetch]:
    """All that a configuration fetches and that is not here yet. `photos`: as `coco`."""
    online = not config.download.offline
    workers = config.download.per_host
    addresses = [
        (stage, url, archive)
        for stage, url, archive in wanted(config)
        for url in (_listed(url, config, online) if archive else [url])
    ]
    with ThreadPoolExecutor(workers) as pool:
        sizes = list(pool.map(lambda item: _size(item[1]) if online else None, addresses))
    found = [
        Fetch(stage, shown(url), 1, size, archive)
        for (stage, url, archive), size in zip(addresses, sizes, strict=True)
    ]
    if config.kinetics.route == "youtube":
        found.append(Fetch("kinetics", "videos of YouTube", 0, None))
    return [*found, *_photos(config, photos, online)]


def wanted(config: Config) -> Iterator[tuple[str, str, bool]]:
    """(stage, address, whether it is an archive or a list of them) of what is not here."""
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
    """Whether an earlier run has fetched the weights of an address."""
    return any(
        record.with_suffix("").is_file() and json.loads(record.read_text()).get("url") == url
        for record in folder.glob("*.*.json")
    )


def _split(url: str) -> str | None:
    """The split that the name of an archive says."""
    found = re.search(r"(?:^|[/_-])(train|val|test)(?=[/_.-])", url)
    return found[1] if found else None


def _listed(url: str, config: Config, online: bool) -> list[str]:
    """The archives of a list; the address itself where it is none, or does not answer."""
    if not url.lower().endswith(".txt") or not online:
        return [url]
    try:
        refuse(url)
        with closing(session().get(url, stream=True, timeout=_TIMEOUT)) as response:
            text = response.raw.read(_LONGEST_LIST).decode("utf-8", "replace")
            lines = [line.strip() for line in text.splitlines()] if response.ok else []
    except (ItemError, *LOST):
        return [url]
    return [urljoin(url, line) for line in lines if line] or [url]


def _size(url: str) -> int | None:
    """Bytes of what stands at an address; None where the server does not say."""
    try:
        with session() as http:
            for _ in range(_REDIRECTS):
                refuse(url)
                answer = http.head(url, allow_redirects=False, timeout=_TIMEOUT)
                target = http.get_redirect_target(answer)
                if target is None:
                    length = content_length(answer.headers.get("Content-Length"))
                    return length if answer.status_code == 200 else None
                url = urljoin(url, requests.utils.requote_uri(target))
    except (ItemError, *LOST):
        pass
    return None


def _photos(config: Config, photos: Sequence[WantedImage] | None, online: bool) -> Iterator[Fetch]:
    """The photos of COCO that are not in a folder of the user's, by a sample of them."""
    base = config.acquire.coco_images
    occluders = Path(config.build_dir) / "occluders" / "occluders.parquet"
    if (base is not None and not is_url(base)) or occluders.exists():
        return
    if photos is None:
        yield Fetch("acquire", "photos of COCO", 0, None)
        return
    urls = [f"{base.rstrip('/')}/{photo.file_name}" if base else photo.coco_url for photo in photos]
    drawn = sorted(filter(None, urls), key=lambda u: seeds.integer(config.seed, u, "plan"))[:_ASKED]
    sizes = [size for url in drawn if online and (size := _size(url)) is not None]
    total = round(sum(sizes) / len(sizes) * len(urls)) if sizes else None
    yield Fetch("acquire", f"photos of COCO, {len(sizes)} asked for", len(urls), total)


def coco(config: Config) -> tuple[int | None, list[WantedImage] | None]:
    """(objects that are cut out, the photos that they are in); None: the file is not here."""
    path = _instances(config)
    if path is None:
        return None, None
    photos = wanted_images(path, config.occluders)
    return sum(sum(photo.instances.values()) for photo in photos), photos


def _instances(config: Config) -> Path | None:
    """COCO's instances file, if it is here as a file of its own."""
    note = Path(config.build_dir) / "acquire" / "coco.json"
    named = config.acquire.coco_instances
    if named and not is_url(named) and Path(named).suffix != ".zip":
        return Path(named)
    fetched = json.loads(note.read_text()).get("instances") if note.exists() else None
    return Path(fetched) if fetched and Path(fetched).is_file() else None
