"""acquire coco: where COCO lies, after fetching of it what is not here."""

from __future__ import annotations

from pathlib import Path

from occludenet_build import config as cfg
from occludenet_build.acquire.coco_images import acquire_images
from occludenet_build.acquire.coco_instances import acquire_instances
from occludenet_build.coco.wanted import wanted_images
from occludenet_build.core import files
from occludenet_build.core.settings import is_url


def acquire_coco(config: cfg.Config, folder: Path, out: Path) -> None:
    """Write the note of COCO: its folder of images, its instances with their hash, and a hash over
    the images if they are fetched. What is fetched goes into `folder`."""
    source, table = config.acquire.coco_images, out.with_name("coco_images.parquet")
    instances, sha256 = acquire_instances(config.acquire, config.download, folder)
    note = {"instances": str(instances), "instances_sha256": sha256}
    if source is not None and not is_url(source):
        table.unlink(missing_ok=True)  # of earlier settings
        note["images"] = source
    else:
        images = folder / "images"
        wanted = wanted_images(instances, config.occluders)
        note["images"] = str(images)
        note["wanted"] = acquire_images(wanted, source, config.download, images, table)
    files.write_json(out, note)
