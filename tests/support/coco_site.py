"""A small COCO on a server, and what acquire fetches of it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

from conftest import REPO
from support.coco import WANTED, World, square
from support.server import Site

from occludenet_build import config
from occludenet_build.core import tables
from occludenet_build.sources.acquire.coco import acquire_coco

QUICK = {"retries": 1, "backoff_seconds": 0.01, "failure_budget": 1.0}
GATES = {"apply": False}


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


class SmallCoco:
    """Images 1 to 4 hold what is wanted, in growing size; 5 something small, 6 a person, 7 a
    crowd. The server has them as /photos/<number>, and below /train2017/ by name."""

    def __init__(self, root: Path, site: Site) -> None:
        self.site, self.root = site, root
        self.world = World(root)
        self.out, self.folder = root / "acquire" / "coco.json", root / "shared" / "coco"
        for number, side, category in (
            (1, 10, 27), (2, 12, 18), (3, 14, 27), (4, 16, 27), (5, 3, 27), (6, 20, 1),
        ):  # fmt: skip
            self.world.image(number)
            self.world.instance(number, square(3, 3, side), category=category)
        self.world.image(7)
        self.world.instance(7, square(3, 3, 20), crowd=1)
        self.publish()

    def publish(self) -> None:
        for image in self.world.data["images"]:
            image["coco_url"] = self.site.url(self.photo(image["id"]))
            path = self.world.images / image["file_name"]
            if path.is_file():
                self.site.put(self.photo(image["id"]), path.read_bytes())
                self.site.put(f"/train2017/{image['file_name']}", path.read_bytes())
        self.publish_instances()

    def publish_instances(self) -> None:
        content = self.content()
        self.world.file.write_bytes(content)
        self.site.put("/instances.json", content)
        members = {"annotations/instances_val2017.json": b"{}", "annotations/notes.txt": b"x"}
        self.site.put(
            "/annotations.zip", zipped(members | {"annotations/instances_train2017.json": content})
        )

    def content(self) -> bytes:
        return json.dumps(self.world.data).encode()

    @staticmethod
    def photo(number: int) -> str:
        return f"/photos/{number}"

    def settings(self, occluders=None, download=None, **acquire) -> dict:
        acquire = {"coco_instances": self.site.url("/annotations.zip")} | acquire
        return {
            "acquire": acquire,
            "occluders": WANTED | {"gates": GATES} | (occluders or {}),
            "download": QUICK | (download or {}),
        }

    def acquire(self, **settings) -> dict:
        """What the note says after a run."""
        acquire_coco(config.load_part(self.settings(**settings)), self.folder, self.out)
        return json.loads(self.out.read_text())

    def rows(self) -> dict[int, dict]:
        return {row["image"]: row for row in tables.read_rows(self.table)}

    @property
    def table(self) -> Path:
        return self.out.with_name("coco_images.parquet")

    def there(self) -> set[str]:
        """The images of the fetched copy, by name below their folder."""
        images = self.folder / "images"
        return {p.relative_to(images).as_posix() for p in images.rglob("*") if p.is_file()}

    def asked(self) -> list[str]:
        return [seen.path for seen in self.site.seen]

    def command(self, **settings) -> list[str]:
        return [
            *(sys.executable, "-m", "occludenet_build", "acquire", "coco", "--out", str(self.out)),
            *("--folder", str(self.folder), "--settings", json.dumps(self.settings(**settings))),
        ]

    def run(self, *more: str, **settings) -> subprocess.CompletedProcess[str]:
        command = [*self.command(**settings), *more]
        return subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)


def name(number: int) -> str:
    return f"{number:012d}.png"
