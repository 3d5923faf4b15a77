"""A small COCO that a test draws entry by entry, and the bank that the stage occluders makes."""

from __future__ import annotations

import argparse
import json

import numpy as np
from PIL import Image

from occludenet_build import config
from occludenet_build.core import tables
from occludenet_build.core.errors import UserError
from occludenet_build.occlusion.occluders.command import run as run_stage

CATEGORIES = [
    {"id": 1, "name": "person"},
    {"id": 18, "name": "dog"},
    {"id": 27, "name": "backpack"},
]
WANTED = {"categories": ["dog", "backpack"], "min_pixels": 50}
LICENCE = {"id": 4, "name": "Attribution License", "url": "http://a.b\\/by\\/2.0\\/"}


def square(x, y, side):
    """A polygon that covers the pixels x..x+side-1, y..y+side-1."""
    return box(x, y, side, side)


def box(x, y, wide, high):
    return [[x, y, x + wide, y, x + wide, y + high, x, y + high]]


class World:
    """A folder of images and an instances file that grow entry by entry."""

    def __init__(self, root):
        self.images, self.out = root / "images", root / "occluders" / "occluders.parquet"
        self.images.mkdir()
        self.file = root / "instances.json"
        self.data = {
            "images": [],
            "annotations": [],
            "categories": list(CATEGORIES),
            "licenses": [LICENCE],
        }

    def image(self, number, size=(60, 40), name=None, stated=None, save=True, pixels=None, **how):
        """Noise, or the given pixels."""
        name = name or f"{number:012d}.png"
        width, height = stated or size
        self.data["images"].append(
            {
                "id": number,
                "file_name": name,
                "width": width,
                "height": height,
                "license": 4,
                "flickr_url": f"http://flickr/{number}",
                "coco_url": f"http://coco/{number}",
            }
        )
        if save:
            if pixels is None:
                pixels = np.random.default_rng(number).integers(1, 255, (*size[::-1], 3), np.uint8)
            path = self.images / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).convert(how.pop("mode", "RGB")).save(path, **how)
            return pixels
        return None

    def instance(self, image, segmentation, category=27, crowd=0, **more):
        number = len(self.data["annotations"]) + 1
        self.data["annotations"].append(
            {
                "id": number,
                "image_id": image,
                "category_id": category,
                "iscrowd": crowd,
                "segmentation": segmentation,
                "area": 1e9,
                **more,
            }
        )
        return number

    def run(self, **settings):
        """0, or the error message of the stage. The gates are off unless they are set."""
        self.file.write_text(json.dumps(self.data))
        settings = WANTED | {"gates": {"apply": False}} | settings
        args = argparse.Namespace(
            coco=None, images=self.images, instances=self.file, out=self.out, threads=1
        )
        try:
            run_stage(args, config.load_part({"occluders": settings}))
        except UserError as error:
            return str(error)
        return 0

    def rows(self, **settings):
        assert self.run(**settings) == 0
        return {row["coco_annotation"] or row["source"]: row for row in tables.read_rows(self.out)}

    def cut_out(self, row):
        """uint8 (h, w, 4) RGBA."""
        return np.array(Image.open(self.out.parent / row["file"]))

    def summary(self):
        return json.loads((self.out.parent / "summary.json").read_text())
