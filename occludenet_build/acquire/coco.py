"""acquire coco: where COCO lies."""

from __future__ import annotations

from pathlib import Path

from occludenet_build import config as cfg
from occludenet_build.core import files
from occludenet_build.core.errors import UserError


def acquire_coco(settings: cfg.Acquire, out: Path) -> None:
    """Note where COCO lies, with a hash of the instances."""
    if settings.coco_images is None or settings.coco_instances is None:
        raise UserError("acquire: wanted coco_images and coco_instances, got nothing; set both")
    instances = Path(settings.coco_instances)
    if not instances.is_file():
        raise UserError(f"acquire.coco_instances: wanted a JSON file, got {instances}")
    files.write_json(
        out,
        {
            "images": settings.coco_images,
            "instances": str(instances),
            "instances_sha256": files.sha256_file(instances),
        },
    )
